"""From samples to figures: medians with their spread, ratios within a round, a Markdown page."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.systems import BARE, BARE_WAITRESS, FASTAPI, FASTAPI_USERS, OURS

LABELS = {
    system.name: system.label for system in (BARE, BARE_WAITRESS, OURS, FASTAPI, FASTAPI_USERS)
}
LABELS["bcrypt"] = "bare bcrypt"

Samples = Sequence[dict[str, Any]]


class Spread:
    """A median with the lowest and highest value behind it."""

    def __init__(self, values: Iterable[float]) -> None:
        self.values = sorted(values)
        self.median = median(self.values)

    def show(self, digits: int = 0) -> str:
        """Write as `median (lowest to highest)`."""
        low, mid, high = (
            f"{each:,.{digits}f}" for each in (self.values[0], self.median, self.values[-1])
        )
        return mid if low == high else f"{mid} ({low} to {high})"


def machine() -> dict[str, str]:
    """Describe what was measured on."""
    names = ("falcon", "waitress", "bcrypt", "pyjwt", "structlog", "orjson")
    versions = {name: importlib.metadata.version(name) for name in names}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "wrk": _first_line(["wrk", "-v"]).partition(" Copyright")[0],
        "revision": _first_line(["git", "rev-parse", "--short", "HEAD"]),
    }


def markdown(about: dict[str, str], samples: Samples) -> str:
    """Write the whole page."""
    parts = [
        "# Results",
        (
            "Made by `make bench`; `results.json` holds every sample. Medians, and in brackets the "
            "lowest and the highest of the rounds. A ratio is taken within each round, since a "
            "machine's speed drifts."
        ),
        "\n".join(f"- {name}: {value}" for name, value in about.items()),
        *_throughput(samples),
        *_logins(samples),
        *_storm(samples),
        *_growth(samples),
        *_startup(samples),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _throughput(samples: Samples) -> list[str]:
    parts: list[str] = []
    for scenario in ("profile", "refresh"):
        found = _of(samples, scenario)
        if not found:
            continue
        limits = [_of(samples, "profile", system=name) for name in ("bare", "bare_waitress")]
        rows = []
        for connections in sorted({each["connections"] for each in found}):
            for system in dict.fromkeys(each["system"] for each in found):
                chosen = _at(connections, _of(found, scenario, system=system))
                if not chosen:
                    continue
                rows.append(
                    [
                        str(connections),
                        LABELS[system],
                        Spread(each["per_second"] for each in chosen).show(),
                        *(
                            ratios(chosen, limit).show(2) if limit else ""
                            for limit in (_at(connections, each) for each in limits)
                        ),
                        Spread(each["p50_ms"] for each in chosen).show(1),
                        Spread(each["p99_ms"] for each in chosen).show(1),
                        str(sum(each["errors"] for each in chosen)),
                        f"{median(each['server_cores'] for each in chosen):.2f}",
                        f"{median(each['generator_cores'] for each in chosen):.2f}",
                    ]
                )
        head = ["connections", "system", "requests/s", "of the bare resource", "of it on waitress"]
        head += ["p50 ms", "p99 ms", "errors", "server's cores", "wrk's cores"]
        parts += [f"## {scenario.capitalize()}", _table(head, rows)]
    return parts


def _logins(samples: Samples) -> list[str]:
    raw = _of(samples, "raw_hash")
    rows = []
    for scenario in ("login", "register"):
        for system in ("falcon_auth", "fastapi"):
            chosen = _of(samples, scenario, system=system)
            if chosen:
                rows.append(
                    [
                        scenario,
                        LABELS[system],
                        Spread(each["per_second"] for each in chosen).show(2),
                        ratios(chosen, raw).show(2),
                        str(sum(each["errors"] for each in chosen)),
                    ]
                )
    if not rows:
        return []
    rows.insert(0, ["", "bare bcrypt", Spread(each["per_second"] for each in raw).show(2), "1", ""])
    head = ["", "system", "a second", "of bare bcrypt", "errors"]
    return ["## Log-in and registration, cost 12, 32 connections", _table(head, rows)]


def _storm(samples: Samples) -> list[str]:
    found = _of(samples, "storm")
    if not found:
        return []
    rows = [
        [
            LABELS[each["system"]],
            f"{each['per_second']:.2f}",
            f"{each['per_second'] / each['raw_per_second']:.2f}",
            str(each["errors"]),
            f"{each['profile']['p50_ms']:.1f}",
            f"{each['profile']['p99_ms']:.1f}",
            f"{each['profile']['max_ms']:.1f}",
            f"{each['profile']['errors']:.0f}",
        ]
        for each in found
    ]
    head = ["system", "log-ins/s", "of bare bcrypt", "errors"]
    head += ["profile p50 ms", "p99 ms", "longest ms", "errors"]
    title = "## Storm: 100 clients log in at cost 12, one reads the profile 20 times a second"
    return [title, _table(head, rows)]


def _growth(samples: Samples) -> list[str]:
    rows = [
        [
            f"{each['users']:,}",
            f"{each['resident_mib']:,.0f}",
            f"{each['bytes_a_user']:,.0f}",
            *(
                f"{each[name]:.1f}"
                for name in ("login_us", "refresh_us", "authenticate_us", "sweep_us")
            ),
        ]
        for each in _of(samples, "growth")
    ]
    if not rows:
        return []
    head = ["users", "resident MiB", "bytes a user with a session", "login us, less the hash"]
    head += ["refresh us", "authenticate us", "sweep us"]
    return ["## By the number of users, in memory, each with one session", _table(head, rows)]


def _startup(samples: Samples) -> list[str]:
    rows = [
        [LABELS[system], Spread(each["seconds"] for each in chosen).show(2)]
        for system in ("falcon_auth", "fastapi")
        if (chosen := _of(samples, "startup", system=system))
    ]
    return ["## Start to the first answer", _table(["system", "seconds"], rows)] if rows else []


def ratios(chosen: Samples, limits: Samples) -> Spread:
    """Return what *chosen* reach of *limits*, round by round."""
    limit = {each["round"]: each["per_second"] for each in limits}
    return Spread(each["per_second"] / limit[each["round"]] for each in chosen)


def by_system(samples: Samples, scenario: str) -> dict[str, list[dict[str, Any]]]:
    """Return a scenario's samples by system."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in _of(samples, scenario):
        found[each["system"]].append(each)
    return found


def _at(connections: int, samples: Samples) -> Samples:
    return [each for each in samples if each["connections"] == connections]


def _of(samples: Samples, scenario: str, system: str | None = None) -> list[dict[str, Any]]:
    return [
        each
        for each in samples
        if each["scenario"] == scenario and system in {None, each["system"]}
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0] if done.stdout or done.stderr else ""
