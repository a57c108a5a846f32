"""What commands on users share: opening the service, prompting for a password, printing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from falcon_auth.commands.store import VERBOSE, open_service
from falcon_auth.errors import AuthError, InvalidBodyError
from falcon_auth.service import Service

json_option = click.option("--json", "as_json", is_flag=True, help="JSON, as the API shows it.")
password_stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


def verbose_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--verbose` to a command, which writes its log to standard error."""

    def note(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's shape
        context.meta[VERBOSE] = value

    return click.option(
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=note,
        help="Write the log to standard error as well.",
    )(command)


@contextmanager
def administer(*, may_create: bool = False) -> Iterator[Service]:
    """Open the service; print one line per violation of a refusal, and exit with code 1.

    *may_create* is as `open_service` takes it.
    """
    with open_service(may_create=may_create) as service:
        try:
            yield service
        except InvalidBodyError as error:
            raise click.ClickException(" ".join(each.detail for each in error.violations)) from None
        except AuthError as error:
            raise click.ClickException(error.detail) from None


def get_password(*, from_stdin: bool) -> str:
    """Prompt twice for a password without echo, or read it from one line of standard input."""
    if not from_stdin:
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    try:  # The line ending is not part of the password.
        return sys.stdin.buffer.readline().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise click.ClickException("The password is not valid UTF-8.") from None


def printable(text: str) -> str:
    """Escape control characters, which addresses may contain, for a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
