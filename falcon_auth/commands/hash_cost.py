"""`hash-cost`: find the hashing settings that fit this machine."""

from __future__ import annotations

import time
from itertools import chain

import click
from tqdm import tqdm

from falcon_auth.passwords.cost import (
    ARGON2_CHOICES,
    advise,
    format_table,
    time_argon2,
    time_bcrypt,
)
from falcon_auth.passwords.workers import default_workers

COST = click.IntRange(4, 20)  # What BCRYPT_ROUNDS takes.
TARGET_SECONDS = 0.25  # Acceptable for a log-in, and costly for an attacker.


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
    help="How many log-ins per second this machine must manage.",
)
@click.option("--lowest", default=8, show_default=True, type=COST, help="The first cost to time.")
@click.option("--highest", default=15, show_default=True, type=COST, help="The last cost to time.")
def hash_cost(seconds: float, logins: float, lowest: int, highest: int) -> None:
    """Time bcrypt and Argon2 on this machine, and recommend settings."""
    if lowest > highest:
        raise click.BadParameter("is higher than --highest.", param_hint="--lowest")
    cores, clock = default_workers(), time.perf_counter
    costs = range(lowest, highest + 1)
    measuring = chain(
        time_bcrypt(costs, cores, seconds=seconds, clock=clock), time_argon2(cores, clock=clock)
    )
    most = len(costs) + len(ARGON2_CHOICES)
    timings = list(tqdm(measuring, total=most, desc="hashing", unit="hash", leave=False))
    click.echo(format_table(timings, seconds=seconds, logins=logins))
    click.echo(f"\n{advise(timings, seconds=seconds, logins=logins)}")
