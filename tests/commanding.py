"""Start-ups and commands in this process, as they run in one of their own.

Starting Python and importing the service takes most of a second. One test of each kind does so
(`run_python`); whatever else a command does is tried here.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from processes import clean_environment

from falcon_auth.__main__ import cli


class Ran(NamedTuple):
    """What is left of a process that has ended."""

    returncode: int
    stdout: str
    stderr: str


@contextlib.contextmanager
def surroundings(folder: Path, **environment: str) -> Iterator[None]:
    """Stand in *folder*, with no settings in the environment but those given."""
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        for name in os.environ:
            patch.delenv(name)
        for name, value in clean_environment(**environment).items():
            patch.setenv(name, value)
        yield


def run_here(action: Callable[[], object], *, cwd: Path, **environment: str) -> Ran:
    """Run *action* as a program: what it prints, and the exit code that it raises."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    with (
        surroundings(cwd, **environment),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            action()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def run_command(*arguments: str, cwd: Path, stdin: str | None = None, **environment: str) -> Ran:
    """Run `falcon-auth` with these arguments."""
    with surroundings(cwd, **environment):
        ran = CliRunner().invoke(cli, arguments, input=stdin, catch_exceptions=False)
    return Ran(ran.exit_code, ran.stdout, ran.stderr)
