"""`hash-cost`: which hashing settings fit this machine."""

from __future__ import annotations

import time
from itertools import chain

import click
from tqdm import tqdm

from falcon_auth.hash_cost import ARGON2_CHOICES, advise, show, time_argon2, time_bcrypt
from falcon_auth.settings import usable_cores

COST = click.IntRange(4, 20)  # What BCRYPT_ROUNDS takes.
TARGET_SECONDS = 0.25  # A log-in may take this long; a guess then costs as much.


@click.command("hash-cost")
@click.option(
    "--seconds",
    default=TARGET_SECONDS,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="How long one hash may take.",
)
@click.option(
    "--logins",
    default=0.0,
    type=click.FloatRange(min=0),
    help="How many log-ins a second this machine must manage.",
)
@click.option("--lowest", default=8, show_default=True, type=COST, help="The first cost to time.")
@click.option("--highest", default=15, show_default=True, type=COST, help="The last.")
def hash_cost(seconds: float, logins: float, lowest: int, highest: int) -> None:
    """Time bcrypt and Argon2 on all cores of this machine, and name what to set."""
    if lowest > highest:
        raise click.BadParameter("is above --highest.", param_hint="--lowest")
    cores, clock = usable_cores(), time.perf_counter
    costs = range(lowest, highest + 1)
    measuring = chain(
        time_bcrypt(costs, cores, seconds=seconds, clock=clock), time_argon2(cores, clock=clock)
    )
    most = len(costs) + len(ARGON2_CHOICES)
    timings = list(tqdm(measuring, total=most, desc="hashing", unit="hash", leave=False))
    click.echo(show(timings, seconds=seconds, logins=logins))
    click.echo(f"\n{advise(timings, seconds=seconds, logins=logins)}")
