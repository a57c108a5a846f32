"""Measures the cost of password hashes on this machine, and recommends settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from falcon_auth.passwords.argon2_hasher import Argon2Hasher, Argon2Parameters
from falcon_auth.passwords.bcrypt_hasher import MIN_PRODUCTION_ROUNDS, BcryptHasher

SAMPLE = "a password to be timed"
FAR_BEYOND = 4  # Times the target: two costs too high, so that no higher one is timed.
TRIES = 5
ENOUGH_SECONDS = 0.5  # For all attempts at one hash; a slow one is timed only once.
KIB = 1024
# The OWASP Password Storage Cheat Sheet's choices for Argon2id, which it considers equivalent:
# memory in MiB, and passes. The service's own parameters are among them.
ARGON2_CHOICES = ((46, 1), (19, 2), (12, 3), (9, 4), (7, 5))


@dataclass(frozen=True, slots=True)
class Timing:
    """One kind of hash: seconds per hash while every core is busy, and hashes per second."""

    name: str
    seconds: float
    per_second: float
    rounds: int | None = None  # bcrypt's cost.

    def fits(self, *, seconds: float, logins: float) -> bool:
        """Return whether a hash takes at most *seconds*, and *logins* per second are possible."""
        return self.seconds <= seconds and self.per_second >= logins


def time_bcrypt(
    rounds: Iterable[int], cores: int, *, seconds: float, clock: Callable[[], float]
) -> Iterator[Timing]:
    """Time bcrypt at increasing costs, until one takes far more than *seconds*."""
    for cost in rounds:
        timing = _time(f"bcrypt {cost}", BcryptHasher(cost).hash, cores, clock, rounds=cost)
        yield timing
        if timing.seconds > FAR_BEYOND * seconds:
            return


def time_argon2(cores: int, *, clock: Callable[[], float]) -> Iterator[Timing]:
    """Time OWASP's choices of parameters for Argon2id."""
    for mib, passes in ARGON2_CHOICES:
        hasher = Argon2Hasher(Argon2Parameters(memory_kib=mib * KIB, passes=passes))
        yield _time(f"argon2 m={mib} MiB, t={passes}", hasher.hash, cores, clock)


def advise(timings: Sequence[Timing], *, seconds: float, logins: float) -> str:
    """Return lines of advice: the highest bcrypt cost that fits, and whether Argon2 fits.

    *timings* includes at least one of bcrypt; *logins* is the required number per second.
    """
    wanted = f"{seconds:g} s or less" + (f" and {logins:g} or more a second" if logins else "")
    fitting = [each for each in timings if each.fits(seconds=seconds, logins=logins)]
    rounds = [each.rounds for each in fitting if each.rounds is not None]
    lines = []
    if rounds:
        lines.append(f"Set BCRYPT_ROUNDS={max(rounds)}: the highest timed with {wanted}.")
        if max(rounds) < MIN_PRODUCTION_ROUNDS:
            lines.append(f"Production refuses a cost below {MIN_PRODUCTION_ROUNDS}.")
    else:
        cheapest = min(timings, key=lambda each: each.seconds if each.rounds else float("inf"))
        lines.append(f"No bcrypt cost has {wanted} here; the cheapest timed is {cheapest.name}.")
    today = Argon2Parameters()
    service = f"argon2 m={today.memory_kib // KIB} MiB, t={today.passes}"
    argon2 = [each for each in timings if each.name == service]
    if argon2:
        verdict = "fits" if argon2[0] in fitting else "does not fit"
        lines.append(f"PASSWORD_HASHER=argon2 ({service.removeprefix('argon2 ')}) {verdict}.")
    return "\n".join(lines)


def format_table(timings: Iterable[Timing], *, seconds: float, logins: float) -> str:
    """Return the timings as a table of text, marking those that fit."""
    lines = [f"{'hash':<20} {'ms each':>9} {'log-ins a second':>17}"]
    for each in timings:
        mark = "  fits" if each.fits(seconds=seconds, logins=logins) else ""
        lines.append(f"{each.name:<20} {each.seconds * 1000:>9.1f} {each.per_second:>17.1f}{mark}")
    return "\n".join(lines)


def _time(
    name: str,
    hash_one: Callable[[str], object],
    cores: int,
    clock: Callable[[], float],
    *,
    rounds: int | None = None,
) -> Timing:
    """Hash on every core at the same time, as under load, because all cores share the memory bus.

    Returns the fastest of several attempts, because other load can only add time.
    """
    tries: list[float] = []
    with ThreadPoolExecutor(cores) as pool:
        while len(tries) < TRIES and sum(tries) < ENOUGH_SECONDS:
            started = clock()
            list(pool.map(hash_one, [SAMPLE] * cores))
            # A coarse clock may not have advanced.
            tries.append(max(clock() - started, time.get_clock_info("perf_counter").resolution))
    return Timing(name, min(tries), cores / min(tries), rounds)
