"""Score over training: a line a lambda or variant (mean over seeds), a band of one SD.

The study's first figure (Nikulin et al. 2019), with agent steps below and emulator frames above.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.groups import (
    LAST_GAMES,
    POINTS,
    averaged,
    group,
    group_of,
    interpolate,
    last_games,
    mean_curve,
    score_range,
    scored_updates,
)
from analysis.layout import layout_of, left_out_text, legend_handles
from analysis.panels import (
    DASHES,
    count_text,
    draw_random_play,
    footnote,
    gap,
    grid,
    inexact_text,
    legend,
    random_handles,
    random_text,
    seeds_text,
    share_y,
    style,
    tick_number,
    tint,
    unfinished_text,
)
from analysis.runs import Run
from attn_ppo.config import FRAMES_PER_STEP

MARKS = 8  # on a mean's line
FRAMES_AXIS = 14.5  # points that it takes, so that its label is level with the titles


def draw_reward_curves(runs: Sequence[Run]) -> Figure:
    """The figure; its lines have the ids `mean <group>` and `seed <group> <seed>`, bands `sd`."""
    layout = layout_of(runs, runs)
    drawn = [run for run in runs if run.variant not in layout.left_out]
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="Score during training",
            x_label="agent steps",
            y_label="mean raw score of the last 100 games",
            notes=layout.notes,
            above=FRAMES_AXIS,
        )
        for number, (key, members) in enumerate(group(drawn).items()):
            panel, (color, marker) = panels[layout.place(members[0])], layout.look(key)
            draw_group(panel, members, color)
            draw_mean(panel, members, color, marker, number)
        # A run ends with the last whole update, a little before its total: show the round number.
        last = max(r.env_steps if r.unfinished else r.config.total_steps for r in drawn)
        for place, panel in panels.items():
            draw_random_play(panel, [run for run in drawn if layout.place(run) == place])
            draw_axes(panel, last)
        share_y(panels)
        at_random = random_handles(drawn)
        colors = legend_handles(layout, drawn, ms=5, lw=2)
        legend(figure, [*colors, *[gap()] * bool(at_random), *at_random])
        footnote(figure, f"{caption(drawn)} {left_out_text(layout)}")
    return figure


def draw_group(panel: Axes, members: Sequence[Run], color: str) -> None:
    """The seeds of a group as far as each goes, and the band of their SD over what they share."""
    for run in members:
        draw_seed(panel, run, color)
    curve = mean_curve(averaged(members))
    if curve is None or len(curve.scores) < 2:
        return
    low, high = curve.mean - curve.sd, curve.mean + curve.sd
    band = panel.fill_between(curve.env_steps, low, high, color=tint(color, 0.1), lw=0, zorder=1)
    band.set_gid(f"sd {group_of(members[0]).id}")
    for edge in (low, high):  # over all bands, which hide each other
        panel.plot(curve.env_steps, edge, color=tint(color, 0.5), lw=0.7, zorder=2.2)


def draw_mean(panel: Axes, members: Sequence[Run], color: str, marker: str, number: int) -> None:
    """A group's mean with its markers; dashed while none of its runs is finished.

    Markers are at updates; `number` moves them, so that those of lines that cover each other don't.
    """
    curve, key = mean_curve(averaged(members)), group_of(members[0])
    if curve is None:
        return
    begun = all(run.unfinished for run in members)
    updates, _ = scored_updates(averaged(members)[0])
    step = max(3, len(updates) // MARKS)
    marked = updates[(step // 2 + number * step * 3 // 8) % step :: step]
    marked = marked[(marked >= curve.env_steps[0]) & (marked <= curve.env_steps[-1])]
    marked = marked if len(marked) else curve.env_steps[-1:]
    (line,) = panel.plot(
        curve.env_steps,
        curve.mean,
        color=color,
        lw=1.7,
        ls=DASHES if begun else "-",
        marker=marker,
        ms=5,
        mec="white",
        mew=0.6,
        markevery=[int(np.abs(curve.env_steps - at).argmin()) for at in marked],
        zorder=4,
        clip_on=False,  # or a marker at the end is half a one
    )
    line.set_gid(f"mean {key.id}")


def draw_seed(panel: Axes, run: Run, color: str) -> None:
    """One run's thin line, dashed with an open end if it is unfinished.

    A cross is where it was resumed on other versions or another machine.
    """
    ends, key = score_range(run), group_of(run)
    if ends is None:
        return
    env_steps = np.linspace(*ends, POINTS) if ends[0] < ends[1] else np.array(ends[:1])
    scores = interpolate(run, env_steps)
    (line,) = panel.plot(env_steps, scores, color=tint(color, 0.45), lw=0.7, zorder=2)
    line.set_gid(f"seed {key.id} {run.config.seed}")
    crosses = [step for step in run.inexact_at if ends[0] <= step <= ends[1]]
    if crosses:
        at = np.array(crosses, dtype=float)
        (cross,) = panel.plot(at, interpolate(run, at), "x", ms=6, mew=1.5, color=color, zorder=5)
        cross.set_gid(f"inexact {key.id} {run.config.seed}")
    if run.unfinished:
        line.set(linestyle=DASHES, lw=1, color=tint(color, 0.8), zorder=3)
        (end,) = panel.plot(
            env_steps[-1:], scores[-1:], "o", ms=4, color=color, mfc="white", zorder=5
        )
        end.set_gid(f"end {key.id} {run.config.seed}")


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
        axes.append(top.xaxis)
    for axis in axes:
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_number(value)))


def caption(runs: Sequence[Run]) -> str:
    """What lines, bands and dashes are, over how many seeds and games, and which are unfinished."""
    several = any(len(averaged(members)) > 1 for members in group(runs).values())
    text = f"Lines: mean over {seeds_text(runs)}. Bands: ±1 SD. Thin lines: single seeds."
    first = text if several else "One seed a line."
    begun = [key for key, members in group(runs).items() if all(r.unfinished for r in members)]
    unfinished = unfinished_text(runs)
    dashed = "Dashed lines are not in a mean if another seed has finished." if unfinished else ""
    of_begun = "Dashed means: no seed has finished yet." if begun else ""
    inexact = inexact_text(runs, " (cross)")
    parts = [first, games_text(runs), random_text(runs), unfinished, dashed, of_begun, inexact]
    return " ".join(filter(None, parts))


def games_text(runs: Sequence[Run]) -> str:
    """How many games a point is the mean of, and what that means for the first points."""
    text = "The first 100 games of a run favour short ones, which are over first."
    counts = {len(last_games(run)) for run in runs} - {0}
    if counts and min(counts) < LAST_GAMES:
        text += f" At its end a line is the mean of {count_text(counts)} training games."
    return text
