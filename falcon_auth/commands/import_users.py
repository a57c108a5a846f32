"""`users import`: import users with their existing password hashes."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, TextIO

import click
from tqdm import tqdm

from falcon_auth.accounts.importing import Importing
from falcon_auth.commands.administering import printable, verbose_option
from falcon_auth.commands.store import open_service
from falcon_auth.errors import DuplicateEmailError, StoreUnavailableError


@click.command("import")
@click.argument("source", type=click.File("rb"))
@click.option(
    "--report",
    default="users-refused.jsonl",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file for the list of refused lines: number, reason and member, no values.",
)
@click.option(
    "--from-line",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Continue at this line after an interruption, appending to the report.",
)
@verbose_option
def import_users(source: BinaryIO, report: Path, from_line: int) -> None:
    """Import users from SOURCE, JSON Lines; - is standard input.

    A line is {"email": …, "password_hash": …} and, optionally, "id", "email_verified", "username",
    "is_active", "created_at" and "last_login_at". Hashes may be bcrypt, argon2id or Django's
    pbkdf2_sha256.

    Existing users are left unchanged, so a file can be imported again. Exits with code 1 if a line
    was refused for any other reason.
    """
    if report.exists() and os.path.samestat(report.stat(), os.fstat(source.fileno())):
        raise click.BadParameter("is SOURCE itself.", param_hint="--report")
    with (
        open_service(may_create=True) as service,
        report.open("w" if from_line == 1 else "a") as listed,
    ):
        refused = _run(service.importing, source, from_line, listed)
    if {code for code, _ in refused} - {DuplicateEmailError.code}:
        click.echo(f"{report} lists the lines that were refused.", err=True)
        raise click.exceptions.Exit(1)


def _run(
    importing: Importing, source: BinaryIO, from_line: int, listed: TextIO
) -> Counter[tuple[str, str]]:
    """Import with a progress bar; return how many lines were refused, by reason and member."""
    done, added = from_line - 1, 0
    refused: Counter[tuple[str, str]] = Counter()
    try:
        with tqdm(desc="users", total=_size(source), unit="B", unit_scale=True) as bar:
            for progress in importing.run(source, from_line=from_line):
                listed.writelines(json.dumps(asdict(each)) + "\n" for each in progress.refused)
                listed.flush()  # A finished batch is reported, whatever happens next.
                done, added = progress.line, added + progress.added
                refused.update((each.code, printable(each.pointer)) for each in progress.refused)
                bar.update(progress.size)
                bar.set_postfix(added=added, refused=refused.total())
    except (KeyboardInterrupt, StoreUnavailableError) as error:
        why = "The store cannot be reached" if isinstance(error, StoreUnavailableError) else "Ended"
        raise click.ClickException(
            f"{why}; {added} users imported, up to line {done}. Resume with --from-line {done + 1}."
        ) from None
    click.echo(f"{added} users imported, {refused.total()} lines refused.")
    for (code, pointer), count in refused.most_common():
        click.echo(f"{count:>9} {code} {pointer}".rstrip())
    return refused


def _size(source: BinaryIO) -> int | None:
    """Return the bytes of a file; None for a pipe."""
    about = os.fstat(source.fileno())
    return about.st_size if stat.S_ISREG(about.st_mode) else None
