"""`roles`: what users may do, by name."""

from __future__ import annotations

import json

import click

from falcon_auth.api.views import show_role
from falcon_auth.commands.administering import administer, json_option, verbose_option
from falcon_auth.models import Role


@click.group()
def roles() -> None:
    """List, define and delete roles."""


@roles.command("list")
@json_option
@verbose_option
def list_roles(*, as_json: bool) -> None:
    """List all roles with their scopes, ordered by name. A tab separates the columns."""
    with administer() as service:
        listed = service.roles.list()
    if as_json:
        click.echo(json.dumps([show_role(role) for role in listed]))
        return
    for role in listed:
        click.echo(_row(role))


@roles.command("set")
@click.argument("name")
@click.argument("scopes", nargs=-1, metavar="[SCOPE]...")
@json_option
@verbose_option
def set_role(name: str, scopes: tuple[str, ...], *, as_json: bool) -> None:
    """Define the role NAME as these scopes, or redefine it for everybody who has it."""
    with administer() as service:
        role = service.roles.define(name, scopes)
        click.echo(json.dumps(show_role(role)) if as_json else _row(role))


@roles.command("delete")
@click.argument("name")
@verbose_option
def delete_role(name: str) -> None:
    """Delete the role NAME, and take it from everybody who has it."""
    with administer() as service:
        service.roles.delete(name)
        click.echo(f"{name} is deleted.")


def _row(role: Role) -> str:
    return f"{role.name}\t{' '.join(role.scopes)}"
