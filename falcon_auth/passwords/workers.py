"""Determines the number of hashing workers from the cores and the CPU quota of this process.

On Linux, two things limit a process. Its CPU affinity determines on which cores it may run. The CPU
quota of its control group, which limits containers, determines how much CPU time it gets in each
period (commonly 100 ms); once that is used up, all threads of the group pause until the next
period. The low priority of the hashing threads does not prevent that, so under a quota they leave
one core's share to the threads that answer requests.
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
    """Return the default of HASH_WORKERS on this machine, at least 1.

    That is one per core; under a CPU quota, at most one fewer than it grants, rounded down. *cores*
    is the number of cores that the process may use, by default according to its affinity;
    *membership* and *mount* are where Linux reports the control group and its limits.
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

    Supports versions 1 and 2, and reads each group and its ancestors, of which the smallest quota
    applies. Whatever cannot be read or parsed is ignored, which costs speed, not correctness.
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
    """Iterate from a group up to the root.

    In a container the path is often the one on the host, which does not exist here; the limits are
    then at the root.
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
