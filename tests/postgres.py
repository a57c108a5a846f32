"""A PostgreSQL server of the test's own, which it may stop."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from databases import missing
from processes import eventually, free_port


class PostgresServer:
    """A PostgreSQL that a test may stop. It is run by an account that may: it refuses root."""

    def __init__(self, standby_of=None):
        self._bin = _postgres_programs()
        # Not in pytest's folder: every run of pytest closes that one to other accounts.
        self._folder = Path(tempfile.mkdtemp(prefix="falcon-auth-postgres-"))
        self._data = self._folder / "data"
        self._said = self._folder / "programs.log"
        self.port = free_port()
        self._account = []
        if os.geteuid() == 0:
            owner = next((name for name in ("postgres", "nobody") if _has_account(name)), "nobody")
            self._account = ["setpriv", f"--reuid={owner}", "--clear-groups"]
            self._data.mkdir(mode=0o700)
            shutil.chown(self._data, owner)
            self._folder.chmod(0o711)
        if standby_of is None:
            self._run("initdb", "-D", self._data, "-U", "postgres", "--auth=trust", "--no-sync")
        else:
            source = f"host=127.0.0.1 port={standby_of.port} user=postgres"
            options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
            self._run("pg_basebackup", "-d", source, "-D", self._data, *options)

    @property
    def url(self):
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._run(
            "pg_ctl", "start", "-w", "-D", self._data, "-o", options, "-l", self._data / "log"
        )

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    def kill(self):
        """End it as a crash of the machine does: nothing is written, nobody is told."""
        number = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(number, signal.SIGKILL)
        assert eventually(lambda: not Path(f"/proc/{number}").exists())
        (self._data / "postmaster.pid").unlink()

    def promote(self):
        """Make a primary of a standby."""
        self._run("pg_ctl", "promote", "-w", "-D", self._data)

    def run_sql(self, *statements):
        """Run statements, each on its own; return what the last one gives as text."""
        commands = [part for statement in statements for part in ("-c", statement)]
        host = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        return subprocess.run(
            [self._bin / "psql", "-XtA", *host, *commands],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def remove(self):
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)

    def _run(self, program, *arguments):
        command = [*self._account, str(self._bin / program), *map(str, arguments)]
        with self._said.open("ab") as said:  # No pipe: the server would keep it open.
            done = subprocess.run(
                command, check=False, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/"
            )
        assert done.returncode == 0, (done.returncode, self._said.read_text()[-300:])


def _postgres_programs():
    found = shutil.which("initdb")
    places = [found] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not places:
        missing("PostgreSQL's initdb")
    return Path(places[-1]).resolve().parent


def _has_account(name):
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False
