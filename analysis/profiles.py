"""Performance profiles: the share of runs that score above each height, a line a lambda.

Agarwal et al. 2021, 'Deep reinforcement learning at the edge of the statistical precipice'. Scores
are human-normalised, games weigh alike.
"""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from analysis.curves import draw_band
from analysis.layout import left_out_text, legend_handles
from analysis.panels import HUMAN, RANDOM, footnote, gap, grid, legend, style
from analysis.pooled import (
    Pool,
    games_text,
    intervals_text,
    pool_notes,
    pools_of,
    scale_handles,
    scored_text,
)
from analysis.runs import Run
from analysis.stats import bands, performance_profile

REPEATS = 200  # draws of seeds, for the band
LINEAR = 0.1  # human-normalised, up to which the axis is about linear
TICKS = (-0.1, 0, 0.1, 0.3, 1, 3, 10, 30, 100)
WEIGHED = "Lines: share of runs with a higher score, games weighing alike."


def draw_profiles(runs: Sequence[Run]) -> Figure | None:
    """The figure, None without games that every line has finished runs of, several in all.

    Lines have the ids `profile <group>`, bands `interval <group>`.
    """
    found = pools_of(runs)
    if found is None:
        return None
    layout, pools = found
    shown = [run for pool in pools.values() for run in pool.runs]
    if len(shown) == sum(len(pool.scores) for pool in pools.values()):
        return None
    low, high = _limits(list(pools.values()))
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="Performance profiles",
            x_label="human-normalised score",
            y_label="runs that score higher",
            notes=pool_notes(layout, pools),
        )
        for place, pool in pools.items():
            panel = panels[place]
            for key, games in pool.scores.items():
                draw_profile(panel, games, layout.look(key), low, key.id)
            panel.axvline(0, **RANDOM, gid="random play")
            if high > 1:
                panel.axvline(1, **HUMAN, gid="human")
            panel.set_xscale("asinh", linear_width=LINEAR)
            panel.set(xlim=(low, high), ylim=(0, 1.02), ylabel="")
            panel.xaxis.set_major_locator(FixedLocator(TICKS))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.yaxis.set_major_formatter(PercentFormatter(1))
        handles = legend_handles(layout, shown, lw=2, ms=5)
        legend(figure, [*handles, gap(), *scale_handles(high > 1)])
        texts = [WEIGHED, intervals_text(pools, "bands"), scored_text(pools), games_text(pools)]
        footnote(figure, " ".join([*texts, left_out_text(layout)]))
    return figure


def draw_profile(
    panel: Axes, games: Sequence[np.ndarray], look: tuple[str, str], low: float, name: str
) -> None:
    """A line that steps down at each score, from `low` on, and its band, which steps there too."""
    color, marker = look
    scores = np.concatenate(games)
    heights = np.unique(np.append(scores, low))
    ends = bands(
        games,
        lambda drawn: performance_profile(drawn, heights),
        rng=np.random.default_rng(0),
        repeats=REPEATS,
    )
    if not np.isnan(ends[0]).any():
        below, above = np.clip(ends, 0, 1)
        band = draw_band(panel, heights, below, above, color, step="post")
        band.set_gid(f"interval {name}")
    weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in games])
    sns.ecdfplot(
        x=scores,
        weights=weights,
        complementary=True,
        ax=panel,
        color=color,
        lw=1.8,
        marker=marker,
        ms=5,
        mec="white",
        mew=0.6,
        markevery=max(len(scores) // 6, 1),
        zorder=4,
    )
    panel.lines[-1].set_gid(f"profile {name}")


def _limits(pools: Sequence[Pool]) -> tuple[float, float]:
    """What all scores and random play lie within, with a margin."""
    scores = [each for pool in pools for games in pool.scores.values() for each in games]
    low, high = min(0.0, *map(np.min, scores)), max(map(np.max, scores))
    return low - 0.02, 1.2 * max(high, 0.01)
