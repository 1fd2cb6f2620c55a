"""Score over training: a panel a game, a line a lambda (mean over seeds), a band of one SD.

The study's first figure (Nikulin et al. 2019), with agent steps below and emulator frames above.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.panels import (
    footnote,
    grid,
    inexact_text,
    lambda_colors,
    lambda_label,
    seeds_text,
    style,
    tick_number,
    unfinished_text,
)
from analysis.runs import Run
from analysis.stats import POINTS, averaged, group, interpolate, lambdas_of, mean_curve, score_range
from attn_ppo.config import FRAMES_PER_STEP


def draw_reward_curves(runs: Sequence[Run]) -> Figure:
    """The figure; its lines have the ids `mean <lambda>` and `seed <lambda> <seed>`, bands `sd`."""
    groups, colors = group(runs), lambda_colors(lambdas_of(runs))
    with style():
        figure, panels = grid(
            list(dict.fromkeys(game for game, _ in groups)),
            title="Score during training",
            x_label="agent steps",
            y_label="mean raw score of the last 100 games",
        )
        for (game, lambda_), members in groups.items():
            draw_group(panels[game], members, colors[lambda_])
        # A run ends with the last whole update, a little before its total: show the round number.
        last = max(r.env_steps if r.unfinished else r.config.total_steps for r in runs)
        for panel in panels.values():
            draw_axes(panel, last)
        handles = [Line2D([], [], color=colors[x], lw=2.2, label=lambda_label(x)) for x in colors]
        figure.legend(handles=handles, loc="outside right center", frameon=False)
        footnote(figure, caption(runs))
    return figure


def draw_group(panel: Axes, members: Sequence[Run], color: str) -> None:
    """The seeds of one lambda as far as each goes, their mean and band over what they share."""
    used, lambda_ = averaged(members), members[0].config.lambda_
    for run in members:
        draw_seed(panel, run, color)
    curve = mean_curve(used)
    if curve is None:
        return
    (line,) = panel.plot(curve.env_steps, curve.mean, color=color, lw=1.7, zorder=4)
    line.set_gid(f"mean {lambda_}")
    if len(curve.scores) > 1:
        low, high = curve.mean - curve.sd, curve.mean + curve.sd
        band = panel.fill_between(curve.env_steps, low, high, color=color, alpha=0.13, lw=0)
        band.set_gid(f"sd {lambda_}")


def draw_seed(panel: Axes, run: Run, color: str) -> None:
    """One run's thin line, dashed with an open end if it is unfinished.

    A cross is where it was resumed on other versions or another machine.
    """
    ends = score_range(run)
    if ends is None:
        return
    env_steps = np.linspace(*ends, POINTS) if ends[0] < ends[1] else np.array(ends[:1])
    scores = interpolate(run, env_steps)
    (line,) = panel.plot(env_steps, scores, color=color, lw=0.6, alpha=0.35)
    line.set_gid(f"seed {run.config.lambda_} {run.config.seed}")
    crosses = [step for step in run.inexact_at if ends[0] <= step <= ends[1]]
    if crosses:
        at = np.array(crosses, dtype=float)
        (cross,) = panel.plot(at, interpolate(run, at), "x", ms=6, mew=1.5, color=color, zorder=5)
        cross.set_gid(f"inexact {run.config.lambda_} {run.config.seed}")
    if run.unfinished:
        line.set(linestyle=(0, (4, 2)), lw=1, alpha=0.9)
        (end,) = panel.plot(
            env_steps[-1:], scores[-1:], "o", ms=4, color=color, mfc="white", zorder=5
        )
        end.set_gid(f"end {run.config.lambda_} {run.config.seed}")


def draw_axes(panel: Axes, last: float) -> None:
    """Steps from 0 to `last` in k and M; above the first row the same in emulator frames."""
    panel.set_xlim(0, last)
    axes = [panel.xaxis]
    place = panel.get_subplotspec()
    if place and place.is_first_row():
        to, back = (
            (lambda steps: steps * FRAMES_PER_STEP),
            (lambda frames: frames / FRAMES_PER_STEP),
        )
        top = panel.secondary_xaxis("top", functions=(to, back))
        top.set_xlabel("emulator frames", loc="right")
        panel.set_title(panel.get_title("left"), loc="left", y=1, pad=20.5)  # level with that label
        axes.append(top.xaxis)
    for axis in axes:
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_number(value)))


def caption(runs: Sequence[Run]) -> str:
    """What lines, bands and dashes are, how many seeds, and which runs are unfinished."""
    several = any(len(averaged(members)) > 1 for members in group(runs).values())
    text = f"Lines: mean over {seeds_text(runs)}. Bands: ±1 SD. Thin lines: single seeds."
    unfinished = unfinished_text(runs)
    dashed = "Dashed lines are not in a mean if another seed has finished." if unfinished else ""
    first = text if several else "One seed a line."
    return " ".join(filter(None, [first, unfinished, dashed, inexact_text(runs, " (cross)")]))
