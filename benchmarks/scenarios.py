"""The scenarios. Each yields samples; what is compared is measured in turns, round by round."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count

from benchmarks.load import Load, reading, wrk
from benchmarks.systems import (
    BARE,
    BARE_WAITRESS,
    FASTAPI,
    FASTAPI_USERS,
    OURS,
    PASSWORD,
    ROOT,
    Running,
    System,
    running,
)

HASH_COST = 12
CONNECTIONS = (32, 100, 300)
STORM_CLIENTS = 100
READS_PER_SECOND = 20
WARM_SECONDS = 1.0
USERS = 50  # Accounts that a load is spread over.
USER_NUMBERS = (1_000, 10_000, 100_000, 1_000_000)

Sample = dict[str, object]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds, and seconds of each load."""

    rounds: int
    seconds: float
    raw_seconds: float
    login_seconds: float  # Long: the hashes that run at the end are not counted.
    storm_seconds: float
    user_numbers: Sequence[int] = USER_NUMBERS


def throughput(plan: Plan, say: Say) -> Iterator[Sample]:
    """Profile and refresh requests a second, in turns with a bare resource and the peers."""
    systems = (BARE, BARE_WAITRESS, OURS, FASTAPI, FASTAPI_USERS)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(running(system)) for system in systems]
        emails = {server: server.sign_up(USERS) for server in servers if server.system.register}
        for turn in range(plan.rounds):
            for connections in CONNECTIONS:
                for server in servers:
                    if server.system is FASTAPI_USERS and connections != CONNECTIONS[0]:
                        continue  # Its one figure tells enough.
                    say(f"profile, {connections} connections, {server.system.label}")
                    load = _read_profile(server, emails.get(server, []), connections, plan.seconds)
                    yield _sample("profile", server.system, turn, load, connections=connections)
                for server in servers:
                    if server.system.refresh is None:
                        continue
                    say(f"refresh, {connections} connections, {server.system.label}")
                    load = _refresh(server, emails[server], connections, plan.seconds)
                    yield _sample("refresh", server.system, turn, load, connections=connections)


def logins(plan: Plan, say: Say) -> Iterator[Sample]:
    """Log-ins and registrations a second, in turns with bare bcrypt on as many threads."""
    workers = _usable_cores()
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(running(system, bcrypt_rounds=HASH_COST))
            for system in (OURS, FASTAPI)
        ]
        bodies = {
            server: [server.system.login_body(email) for email in server.sign_up(4)]
            for server in servers
        }
        fresh = count()
        for turn in range(plan.rounds):
            say("bare bcrypt")
            yield _raw_sample(turn, workers, plan.raw_seconds)
            for server in servers:
                system = server.system
                say(f"login, {system.label}")
                load = wrk(
                    server,
                    system.login,
                    script="bodies.lua",
                    connections=32,
                    seconds=plan.login_seconds,
                    lines=bodies[server],
                )
                yield _sample("login", system, turn, load, connections=32)
                if turn > 0:
                    continue  # A registration is a log-in's work; once shows it.
                say(f"register, {system.label}")
                names = [f"new{next(fresh)}@example.com" for _ in range(1000)]
                load = wrk(
                    server,
                    system.register,
                    script="bodies.lua",
                    connections=32,
                    seconds=plan.login_seconds,
                    lines=[json.dumps({"email": name, "password": PASSWORD}) for name in names],
                )
                yield _sample("register", system, turn, load, connections=32)


def storm(plan: Plan, say: Say) -> Iterator[Sample]:
    """Let a hundred clients log in, in a closed loop, while one reads the profile."""
    workers = _usable_cores()
    for system in (OURS, FASTAPI, FASTAPI_USERS):
        with running(system, bcrypt_rounds=HASH_COST) as server:
            bodies = [system.login_body(email) for email in server.sign_up(10)]
            token = str(server.log_in("user0@example.com")["access_token"])
            say("bare bcrypt")
            raw = raw_hashes(workers, plan.raw_seconds)
            say(f"storm, {system.label}")
            with reading(server, token, per_second=READS_PER_SECOND) as reader:
                time.sleep(WARM_SECONDS)  # The connection is open, and the first reads are done.
                load = wrk(
                    server,
                    system.login,
                    script="bodies.lua",
                    connections=STORM_CLIENTS,
                    seconds=plan.storm_seconds,
                    lines=bodies,
                    media_type=system.login_type,
                )
                figures = reader.finish(skip_seconds=WARM_SECONDS)
            yield _sample(
                "storm",
                system,
                0,
                load,
                connections=STORM_CLIENTS,
                raw_per_second=raw,
                profile=figures,
            )


def growth(plan: Plan, say: Say) -> Iterator[Sample]:
    """Memory, and the time of a log-in's own work, by the number of users."""
    for users in plan.user_numbers:
        say(f"memory, {users:,} users")
        yield {"scenario": "growth", "system": OURS.name} | _child("growth", str(users))


def startup(plan: Plan, say: Say) -> Iterator[Sample]:
    """From the start of the process to the first answer of /health."""
    for turn in range(plan.rounds + 2):
        for system in (OURS, FASTAPI):
            say(f"start, {system.label}")
            started = time.perf_counter()
            with running(system):
                seconds = time.perf_counter() - started
            yield {
                "scenario": "startup",
                "system": system.name,
                "round": turn,
                "seconds": seconds,
            }


SCENARIOS: dict[str, Callable[[Plan, Say], Iterator[Sample]]] = {
    "throughput": throughput,
    "logins": logins,
    "storm": storm,
    "growth": growth,
    "startup": startup,
}


def raw_hashes(workers: int, seconds: float) -> float:
    """Return bare bcrypt verifications a second."""
    return float(_output("raw_hash", str(HASH_COST), str(workers), str(seconds)))


def _raw_sample(turn: int, workers: int, seconds: float) -> Sample:
    return {
        "scenario": "raw_hash",
        "system": "bcrypt",
        "round": turn,
        "threads": workers,
        "per_second": raw_hashes(workers, seconds),
    }


def _read_profile(server: Running, emails: Sequence[str], connections: int, seconds: float) -> Load:
    path = server.system.profile
    if not emails:
        return wrk(server, path, script="plain.lua", connections=connections, seconds=seconds)
    tokens = [str(server.log_in(email)["access_token"]) for email in emails]
    return wrk(
        server, path, script="bearer.lua", connections=connections, seconds=seconds, lines=tokens
    )


def _refresh(server: Running, emails: Sequence[str], connections: int, seconds: float) -> Load:
    tokens = [
        str(server.log_in(emails[number % len(emails)])["refresh_token"])
        for number in range(connections + 1)  # See lua/refresh.lua.
    ]
    assert server.system.refresh is not None
    return wrk(
        server,
        server.system.refresh,
        script="refresh.lua",
        connections=connections,
        seconds=seconds,
        lines=tokens,
    )


def _sample(scenario: str, system: System, turn: int, load: Load, **more: object) -> Sample:
    return {"scenario": scenario, "system": system.name, "round": turn, **asdict(load), **more}


def _child(module: str, *arguments: str) -> Sample:
    return dict(json.loads(_output(module, *arguments)))


def _output(module: str, *arguments: str) -> str:
    """Run a module of the benchmarks in a process of its own; return what it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _usable_cores() -> int:
    from falcon_auth.passwords.workers import usable_cores  # noqa: PLC0415 - only where it is measured

    return usable_cores()
