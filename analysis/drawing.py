"""Every figure of a sweep, and its score table: make_figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from analysis.aggregate_curves import draw_aggregate_curves
from analysis.entropy_curves import draw_entropy_curves
from analysis.entropy_scatter import draw_entropy_scatter
from analysis.frontier import draw_frontier
from analysis.intervals import draw_intervals
from analysis.margin import MARGIN
from analysis.panels import save
from analysis.profiles import draw_profiles
from analysis.reward_curves import draw_reward_curves
from analysis.runs import Run
from analysis.score_table import save_score_table, score_table

FIGURES: dict[str, Callable[..., Figure | None]] = {
    "reward_curves": draw_reward_curves,
    "entropy_curves": draw_entropy_curves,
    "entropy_scatter": draw_entropy_scatter,
    "frontier": draw_frontier,
    "aggregate_curves": draw_aggregate_curves,
    "intervals": draw_intervals,
    "profiles": draw_profiles,
}
SHARED = "no game with a human's score has a finished run of every line"
NEEDS = {  # why a figure isn't drawn
    "entropy_curves": "no run has attention",
    "entropy_scatter": "no run has both attention and a score",
    "frontier": "no game has finished runs of λ = 0 and of another",
    "aggregate_curves": SHARED,
    "intervals": SHARED,
    "profiles": f"{SHARED}, or of each a single one",
}
WITH_SD = ("reward_curves", "entropy_curves", "entropy_scatter")


def make_figures(
    runs: Sequence[Run],
    out: Path,
    *,
    ddof: int = 1,
    kinds: Sequence[str] = ("png", "pdf"),
    margin: float = MARGIN,
) -> list[Path]:
    """Writes every figure and table into `out`; returns the paths.

    SDs in figures have n - `ddof` in their denominator, those of the table n - 1. `margin` is the
    drop of the score that counts as nothing, as in `python -m analysis.claims`.
    """
    options: dict[str, dict[str, Any]] = {name: {"ddof": ddof} for name in WITH_SD}
    options["frontier"] = {"margin": margin}
    written: list[Path] = []
    bar = tqdm(FIGURES.items(), "drawing", unit="figure", leave=False, disable=None, delay=2)
    for name, draw in bar:
        figure = draw(runs, **options.get(name, {}))
        if figure is None:
            tqdm.write(f"no {name}: {NEEDS[name]}")
        else:
            written += save(figure, out / name, kinds)
    return written + save_score_table(score_table(runs), out / "score_table")
