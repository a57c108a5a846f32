"""`users grant` and `users revoke`: the roles of one user."""

from __future__ import annotations

import json

import click

from falcon_auth.commands.administering import (
    administer,
    json_option,
    printable,
    verbose_option,
)
from falcon_auth.service import Service


@click.command()
@click.argument("email")
@click.argument("role")
@json_option
@verbose_option
def grant(email: str, role: str, *, as_json: bool) -> None:
    """Grant ROLE to a user; `users grant EMAIL admin` makes an administrator."""
    with administer() as service:
        changed = service.roles.grant(service.administration.find(email), role)
        _report(service, email, f"has the role {role}{'' if changed else ' already'}", as_json)


@click.command()
@click.argument("email")
@click.argument("role")
@json_option
@verbose_option
def revoke(email: str, role: str, *, as_json: bool) -> None:
    """Take ROLE from a user; here it counts at the next request."""
    with administer() as service:
        changed = service.roles.revoke(service.administration.find(email), role)
        _report(
            service, email, f"{'has no longer' if changed else 'has not'} the role {role}", as_json
        )


def _report(service: Service, email: str, outcome: str, as_json: bool) -> None:  # noqa: FBT001 - as the option
    user = service.administration.find(email)
    members = {"id": user.id, "email": user.email, "roles": list(user.roles)}
    click.echo(json.dumps(members) if as_json else f"{printable(user.email)} {outcome}.")
