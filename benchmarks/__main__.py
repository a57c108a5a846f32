"""`python -m benchmarks`: measure, then write JSON, a Markdown page and the plots."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from tqdm import tqdm

from benchmarks.load import require_wrk
from benchmarks.plots import draw_all
from benchmarks.report import machine, markdown
from benchmarks.scenarios import SCENARIOS, USER_NUMBERS, Plan

RESULTS = Path(__file__).parent / "results"
QUICK = Plan(
    rounds=1,
    seconds=1,
    raw_seconds=1,
    login_seconds=2,
    storm_seconds=3,
    user_numbers=USER_NUMBERS[:2],
)


@click.command()
@click.option("--rounds", default=3, help="Rounds, in which the systems take turns.")
@click.option("--seconds", default=2.0, help="Seconds of each load.")
@click.option("--quick", is_flag=True, help="See that it works, in a minute.")
@click.option("--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="Not all.")
@click.option("--out", default=RESULTS, type=click.Path(path_type=Path), help="Where to write.")
@click.option("--draw", is_flag=True, help="Measure nothing; write page and plots anew.")
def main(
    *, rounds: int, seconds: float, quick: bool, only: tuple[str, ...], out: Path, draw: bool
) -> None:
    """Measure, with nothing else running on the machine; takes ten minutes."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.json"
    if draw:
        kept = json.loads(file.read_text(encoding="utf-8"))
        about, samples = kept["machine"], kept["samples"]
    else:
        require_wrk()
        plan = Plan(
            rounds=rounds, seconds=seconds, raw_seconds=6, login_seconds=15, storm_seconds=20
        )
        about = machine()
        samples = _measure(QUICK if quick else plan, only or tuple(SCENARIOS))
        kept = {"machine": about, "samples": samples}
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    page = markdown(about, samples)
    (out / "README.md").write_text(page, encoding="utf-8")
    draw_all(samples, out)
    click.echo(page)


def _measure(plan: Plan, names: tuple[str, ...]) -> list[dict[str, object]]:
    samples = []
    with tqdm(unit="sample", file=sys.stderr) as bar:
        for name in names:
            for sample in SCENARIOS[name](plan, bar.set_description):
                samples.append(sample)
                bar.update()
    return samples


if __name__ == "__main__":
    main()
