"""The plots, as SVG for light and for dark pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.report import LABELS, by_system

THEMES = {
    "light": {"ink": "#1f2328", "faint": "#d0d7de"},
    "dark": {"ink": "#e6edf3", "faint": "#30363d"},
}
COLOURS = {
    "falcon_auth": "#2da44e",
    "fastapi": "#d4742c",
    "fastapi_users": "#a371f7",
    "bare": "#8b949e",
    "bare_waitress": "#57606a",
}
Samples = Sequence[dict[str, Any]]


def draw_all(samples: Samples, folder: Path) -> list[Path]:
    """Draw what the samples allow; return the files."""
    drawings: dict[str, tuple[str, Callable[[Samples, str], None], tuple[float, float]]] = {
        "storm": ("storm", _storm, (8, 3.6)),
        "throughput": ("profile", _throughput, (8, 3.6)),
        "growth": ("growth", _growth, (8, 3.2)),
    }
    scenarios = {each["scenario"] for each in samples}
    files = []
    for name, (scenario, draw, size) in drawings.items():
        if scenario not in scenarios:
            continue
        for theme, colours in THEMES.items():
            with plt.rc_context(_style(colours["ink"], colours["faint"])):
                plt.figure(figsize=size, layout="constrained")
                draw(samples, colours["ink"])
                file = folder / f"{name}-{theme}.svg"
                plt.savefig(file, transparent=True, metadata={"Date": None})
                plt.close()
                files.append(file)
    return files


def _style(ink: str, faint: str) -> dict[str, object]:
    return {
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": faint,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "xtick.color": ink,
        "ytick.color": ink,
        "grid.color": faint,
        "legend.frameon": False,
        "font.family": "sans-serif",
        "svg.fonttype": "none",  # Text stays text: sharp, small, and can be searched.
        "svg.hashsalt": "falcon-auth",  # The same data make the same file.
    }


def _storm(samples: Samples, ink: str) -> None:
    axes = plt.gca()
    for system, found in by_system(samples, "storm").items():
        curve = found[0]["profile"]["curve"]
        seconds = [due - curve[0][0] for due, _ in curve]
        latencies = [latency for _, latency in curve]
        figures = found[0]["profile"]
        label = f"{LABELS[system]}: p99 {figures['p99_ms']:,.0f} ms"
        axes.plot(seconds, latencies, color=COLOURS[system], linewidth=1.6, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("seconds into the storm")
    axes.set_ylabel("profile latency, ms (log)")
    axes.set_title("100 clients log in at bcrypt cost 12; one client reads its profile", color=ink)
    axes.grid(visible=True, axis="y")
    axes.set_xlim(0, round(found[0]["seconds"]))
    axes.yaxis.set_major_formatter("{x:,g}")
    _legend()


def _throughput(samples: Samples, ink: str) -> None:
    figure = plt.gcf()
    axes = figure.subplots(1, 2, sharey=True)
    _bars(axes[0], samples, "profile", ("bare", "bare_waitress", "falcon_auth", "fastapi"), ink)
    _bars(axes[1], samples, "refresh", ("falcon_auth", "fastapi"), ink)
    axes[0].set_ylabel("requests a second")
    _legend()


def _bars(axes: Axes, samples: Samples, scenario: str, systems: Sequence[str], ink: str) -> None:
    found = by_system(samples, scenario)
    connections = sorted({each["connections"] for each in found[systems[0]]})
    width = 0.8 / len(systems)
    for place, system in enumerate(systems):
        heights = [
            median(each["per_second"] for each in found[system] if each["connections"] == number)
            for number in connections
        ]
        lefts = [index + place * width for index in range(len(connections))]
        bars = axes.bar(lefts, heights, width * 0.92, color=COLOURS[system], label=LABELS[system])
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7, color=ink)
    middle = 0.4 - width / 2
    axes.set_xticks([index + middle for index in range(len(connections))], connections)
    axes.set_xlabel("connections")
    axes.set_title(scenario, color=ink)


def _legend() -> None:
    figure = plt.gcf()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)


def _growth(samples: Samples, ink: str) -> None:
    found = by_system(samples, "growth")["falcon_auth"]
    users = [each["users"] for each in found]
    memory, times = plt.gcf().subplots(1, 2)
    memory.plot(
        users, [each["resident_mib"] for each in found], marker="o", color=COLOURS["falcon_auth"]
    )
    memory.set(xscale="log", yscale="log", xlabel="users, each with one session")
    memory.set_yticks([])  # Each point says its own.
    memory.minorticks_off()
    memory.margins(0.15)
    for each in found:
        memory.annotate(
            f"{each['resident_mib']:,.0f}",
            (each["users"], each["resident_mib"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="right",
        )
    memory.set_title("resident memory, MiB", color=ink)
    names = (("login_us", "log-in, less the hash"), ("refresh_us", "refresh"))
    for (name, label), shade in zip(
        (*names, ("authenticate_us", "guard")), ("#2da44e", "#d4742c", "#a371f7"), strict=True
    ):
        times.plot(users, [each[name] for each in found], marker="o", color=shade, label=label)
    times.set(xscale="log", xlabel="users, each with one session")
    times.set_ylim(0, 1.6 * max(each["login_us"] for each in found))  # Room for the legend.
    times.set_title("microseconds a step", color=ink)
    times.legend(loc="upper left")
    for axes in (memory, times):
        axes.grid(visible=True, axis="y")
