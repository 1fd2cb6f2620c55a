"""Score over games during training: a line a lambda, the interquartile mean of all its runs.

Scores are human-normalised, and games are those in which every line has a finished run.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.curves import FRAMES_AXIS, MARKS, draw_band, draw_steps, last_step, mean_look
from analysis.groups import POINTS, interpolate, known_range
from analysis.layout import left_out_text, legend_handles
from analysis.panels import HUMAN, RANDOM, footnote, gap, grid, legend, share_y, style
from analysis.pooled import games_text, intervals_text, pool_notes, pools_of, scale_handles
from analysis.runs import Run
from analysis.stats import bands, iqm
from attn_ppo.atari.reference_scores import normalized

BAND_POINTS, REPEATS = 26, 200  # straight between them; draws of seeds


def draw_aggregate_curves(runs: Sequence[Run]) -> Figure | None:
    """The figure, None without games that every line has a finished run of.

    Lines have the ids `mean <group>`, bands `interval <group>`.
    """
    found = pools_of(runs)
    if found is None:
        return None
    layout, pools = found
    shown = [run for pool in pools.values() for run in pool.runs]
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="Human-normalised score during training",
            x_label="agent steps",
            y_label="interquartile mean, 1 = a human",
            notes=pool_notes(layout, pools),
            above=FRAMES_AXIS,
        )
        for place, pool in pools.items():
            for number, (key, games) in enumerate(pool.members.items()):
                draw_group(panels[place], games, layout.look(key), number, key.id)
            draw_steps(panels[place], last_step(shown))
            panels[place].axhline(0, **RANDOM, zorder=1.5, gid="random play")
        share_y(panels)
        human = max(panel.get_ylim()[1] for panel in panels.values()) > 1
        for panel in panels.values() if human else ():
            panel.axhline(1, **HUMAN, zorder=1.5, gid="human")
        colors = legend_handles(layout, shown, ms=5, lw=2)
        legend(figure, [*colors, gap(), *scale_handles(human)])
        lines = "Lines: interquartile mean (the middle half) of all games' runs, each the mean of "
        lines += "its last 100 training games."
        texts = [lines, intervals_text(pools, "bands"), games_text(pools), left_out_text(layout)]
        footnote(figure, " ".join(texts))
    return figure


def draw_group(
    panel: Axes,
    games: Sequence[Sequence[Run]],
    look: tuple[str, str],
    number: int,
    name: str,
) -> None:
    """A line over the steps that all its runs have a score at, and its band."""
    firsts, lasts = zip(*(known_range(r) or (0, 0) for each in games for r in each), strict=True)
    first, last = max(firsts), min(lasts)
    if first >= last:
        return
    env_steps = np.linspace(first, last, POINTS)
    curves = [np.stack([on_scale(run, env_steps) for run in each]) for each in games]
    middle = iqm([curve.T for curve in curves])
    few = np.linspace(0, POINTS - 1, BAND_POINTS).astype(int)

    def of_seeds(drawn: Sequence[np.ndarray]) -> np.ndarray:
        """(..., seeds) numbers of seeds in each game -> (..., BAND_POINTS)."""
        return iqm([np.moveaxis(c[:, few][d], -1, -2) for c, d in zip(curves, drawn, strict=True)])

    seeds = [np.arange(len(curve)) for curve in curves]
    low, high = bands(seeds, of_seeds, rng=np.random.default_rng(0), repeats=REPEATS)
    if not np.isnan(low).any():
        draw_band(panel, env_steps[few], low, high, look[0]).set_gid(f"interval {name}")
    step = POINTS // MARKS
    at = slice((step // 2 + number * step * 3 // 8) % step, None, step)
    (line,) = panel.plot(env_steps, middle, markevery=at, **mean_look(*look, begun=False))
    line.set_gid(f"mean {name}")


def on_scale(run: Run, env_steps: np.ndarray) -> np.ndarray:
    """Human-normalised scores at `env_steps` (P,)."""
    zero, one = (normalized(raw, run.config.env, run.config.protocol) for raw in (0, 1))
    return zero + (one - zero) * interpolate(run, env_steps)
