"""How long jobs wait for a pool of workers: the M/D/c queue, by Erlang's formula.

Jobs arrive independently of each other, and each takes the same time, as password hashes do. Times
are in seconds, rates in jobs per second.
"""

from __future__ import annotations

import math


def waiting_probability(workers: int, load: float) -> float:
    """Return the probability that a job has to wait (Erlang C).

    *load* is the arrival rate times the time of a job; from *workers* on, every job waits.
    """
    if load >= workers:
        return 1.0
    blocked = 1.0  # Erlang B, by its recurrence: no factorials, so nothing overflows.
    for busy in range(1, workers + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / workers * (1 - blocked))


def wait_quantile(workers: int, rate: float, seconds: float, quantile: float) -> float:
    """Return how long *quantile* of the jobs wait at most; infinity if the workers cannot keep up.

    The wait of those that wait is taken as exponential, with half the mean that jobs of random
    length would have (Allen and Cunneen's approximation for jobs that all take equally long).
    """
    load = rate * seconds
    if load >= workers:
        return math.inf
    waiting = waiting_probability(workers, load)
    if waiting <= 1 - quantile:
        return 0.0
    mean = seconds / (workers - load) / 2
    return mean * math.log(waiting / (1 - quantile))


def workers_for(rate: float, seconds: float, *, max_wait: float, quantile: float) -> int:
    """Return the fewest workers with which *quantile* of the jobs wait for *max_wait* at most."""
    workers = max(1, math.ceil(rate * seconds))
    while wait_quantile(workers, rate, seconds, quantile) > max_wait:
        workers += 1
    return workers
