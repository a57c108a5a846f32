"""`openapi`: print the OpenAPI document."""

from __future__ import annotations

import json

import click

from falcon_auth.api.openapi import build_document


@click.command()
def openapi() -> None:
    """Print the OpenAPI document, as /openapi.json serves it."""
    click.echo(json.dumps(build_document(), indent=2))
