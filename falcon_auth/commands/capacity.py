"""`capacity`: what a number of users needs, from what this machine was measured at."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, fields, replace
from http.client import HTTPException
from typing import Any, TextIO

import click

from falcon_auth.capacity.measuring import CHEAP_ROUNDS, measure
from falcon_auth.capacity.plan import Costs, Load, Plan, make_plan
from falcon_auth.errors import ConfigurationError
from falcon_auth.passwords.cost import time_bcrypt

ROUNDS = click.IntRange(4, 20)
POSITIVE = click.FloatRange(min=0, min_open=True)
SHARE = click.FloatRange(min=0, max=1)
COUNT = click.IntRange(min=0)
GIB = 1 << 30
COSTS = tuple(field.name for field in fields(Costs))


@click.command()
@click.option("--users", required=True, type=COUNT, help="Registered users.")
@click.option("--logins", "logins_per_day", required=True, type=COUNT, help="Log-ins a day.")
@click.option("--sessions", type=COUNT, help="Sessions that have not ended.  [default: --users]")
@click.option(
    "--requests",
    "requests_per_day",
    default=0,
    type=COUNT,
    help="Guarded requests a day, answered here.",
)
@click.option(
    "--active",
    "active_share",
    default=0.1,
    show_default=True,
    type=SHARE,
    help="Of the sessions, the share in use at the busiest moment.",
)
@click.option(
    "--peak",
    "peak_factor",
    default=3.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="The busiest moment's load, relative to the mean.",
)
@click.option(
    "--access-minutes",
    default=15.0,
    show_default=True,
    type=POSITIVE,
    help="ACCESS_TOKEN_EXPIRE_MINUTES.",
)
@click.option(
    "--max-wait",
    default=1.0,
    show_default=True,
    type=POSITIVE,
    help="Seconds that 99 % of the log-ins may wait for a worker.",
)
@click.option("--rounds", default=12, show_default=True, type=ROUNDS, help="BCRYPT_ROUNDS.")
@click.option(
    "--writes", type=POSITIVE, help="Commits a second that your database was measured to manage."
)
@click.option(
    "--costs",
    type=click.File(),
    help="Costs measured elsewhere: what --json prints as `costs`, instead of measuring.",
)
@click.option(
    "--seconds",
    default=2.0,
    show_default=True,
    type=POSITIVE,
    help="How long to measure each kind of request.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def capacity(
    *,
    rounds: int,
    seconds: float,
    writes: float | None,
    costs: TextIO | None,
    sessions: int | None,
    as_json: bool,
    **expected: Any,
) -> None:
    """Say how many cores, processes and database writes a number of users needs.

    Measures this machine first, for about ten seconds, with a service of its own that keeps
    nothing: have the machine do nothing else meanwhile.
    """
    load = Load(sessions=expected["users"] if sessions is None else sessions, **expected)
    cost = _measure(rounds, seconds) if costs is None else _read(costs)
    plan = make_plan(load, replace(cost, writes_per_second=writes or cost.writes_per_second))
    click.echo(_as_json(plan, cost) if as_json else _as_text(plan, cost))


def _measure(rounds: int, seconds: float) -> Costs:
    timed = {
        each: next(iter(time_bcrypt([each], 1, seconds=1, clock=time.process_time))).seconds
        for each in (CHEAP_ROUNDS, rounds)
    }
    try:
        return measure(timed[rounds], timed[CHEAP_ROUNDS], seconds=seconds)
    except (ConfigurationError, OSError, HTTPException) as error:  # pragma: no cover - it starts
        raise click.ClickException(str(error)) from None


def _read(file: TextIO) -> Costs:
    try:
        document = json.load(file)
        return Costs(**document.get("costs", document))
    except (ValueError, TypeError, AttributeError):
        message = f"has no costs; it needs the numbers {', '.join(COSTS)}."
        raise click.BadParameter(message, param_hint="--costs") from None


def _as_json(plan: Plan, costs: Costs) -> str:
    derived = {"cores": plan.cores, "saturates_first": plan.saturates_first}
    return json.dumps({**asdict(plan), **derived, "costs": asdict(costs)})


def _as_text(plan: Plan, costs: Costs) -> str:
    load = plan.load
    shares = sorted(plan.utilisation.items(), key=lambda each: -each[1])
    return "\n".join(
        [
            "At the busiest moment",
            f"  log-ins a second             {load.logins:,.1f}",
            f"  refreshes a second           {load.refreshes:,.1f}",
            f"  guarded requests a second    {load.requests:,.1f}",
            "Measured on one core",
            f"  password hash                {costs.hash * 1000:,.1f} ms",
            f"  rest of a log-in             {costs.login * 1000:,.2f} ms",
            f"  refresh                      {costs.refresh * 1000:,.2f} ms",
            f"  guarded request              {costs.request * 1000:,.2f} ms",
            "Needed",
            f"  cores                        {plan.cores:,}",
            f"    for HASH_WORKERS           {plan.hash_workers:,}",
            f"    for processes              {plan.processes:,}",
            f"  database commits a second    {plan.writes_per_second:,.1f}",
            f"  database on disk             {plan.database_bytes / GIB:,.2f} GiB",
            f"  or, in one process's memory  {plan.memory_bytes / GIB:,.2f} GiB",
            "Utilisation with these cores",
            *(f"  {name:<28} {share:.0%}" for name, share in shares),
            f"The load exhausts {plan.saturates_first} first.",
        ]
    )
