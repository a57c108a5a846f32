"""How many hashing workers to run: the cores and the CPU quota of this process.

Two things limit it on Linux. The affinity says which cores it may run on. The CPU quota of a
control group, which containers are limited by, says how much time it gets in each period (commonly
100 ms); once that is spent, every thread of the group stands still until the next one. The lower
priority of the hashing threads does not help there, so under a quota they leave a core's worth
of it to the threads that answer requests.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MEMBERSHIP = Path("/proc/self/cgroup")  # Lines of `id:controllers:path` (cgroups(7)).
MOUNT = Path("/sys/fs/cgroup")


def default_workers(
    cores: int | None = None, *, membership: Path = MEMBERSHIP, mount: Path = MOUNT
) -> int:
    """Return how many workers hash on this machine unless HASH_WORKERS says so; 1 at least.

    That is one a core, and under a CPU quota one fewer than it grants, rounded down.
    *cores* is how many the process may run on, by default those that it is bound to;
    *membership* and *mount* are where Linux tells the control group and its limits.
    """
    cores = usable_cores() if cores is None else cores
    quota = cpu_quota(membership, mount)
    return max(1, min(cores, math.floor(quota) - 1) if quota < math.inf else cores)


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - only where Linux's call is missing


def cpu_quota(membership: Path = MEMBERSHIP, mount: Path = MOUNT) -> float:
    """Return the CPU quota of this process's control groups, in cores; infinite if there is none.

    Reads versions 1 and 2, each group and all that it is in, for the smallest quota counts. What
    cannot be read or understood limits nothing: hashing is slower then, not wrong.
    """
    return min(_quotas(membership, mount), default=math.inf)


def _quotas(membership: Path, mount: Path) -> Iterator[float]:
    for line in _lines(membership):
        _id, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:  # Version 2.
            for folder in _with_parents(mount, group):
                yield _quota_of(_words(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):  # Version 1.
            for folder in _with_parents(mount / "cpu", group):
                period = _words(folder / "cpu.cfs_period_us")
                yield _quota_of([*_words(folder / "cpu.cfs_quota_us"), *period])


def _with_parents(root: Path, group: str) -> Iterator[Path]:
    """Go from a group up to the root.

    In a container the group's path is often that of the host, which is not there, and the limits
    are at the root.
    """
    inside = PurePosixPath(group.lstrip("/"))
    for folder in (inside, *inside.parents):
        if ".." not in folder.parts:  # A group outside the container's own view.
            yield root / folder


def _quota_of(words: list[str]) -> float:
    """Return quota divided by period (both in microseconds); `max` and -1 mean no limit."""
    try:
        quota, period = map(int, words)
    except ValueError:
        return math.inf
    return quota / period if quota > 0 and period > 0 else math.inf


def _words(path: Path) -> list[str]:
    return [word for line in _lines(path) for word in line.split()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
