"""A column of metrics over training: a line a group (mean over seeds), a band of one SD, seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.captions import inexact_text, sd_text, seeds_text, unfinished_text
from analysis.groups import (
    POINTS,
    SCORE,
    Curve,
    averaged,
    group,
    group_of,
    interpolate,
    known_range,
    known_updates,
    mean_curve,
)
from analysis.layout import Layout
from analysis.panels import DASHES, Place, tick_number, tint
from analysis.runs import Run
from attn_ppo.config import FRAMES_PER_STEP

MOST_SEEDS = 8  # of a group that each have a line
MARKS = 8  # on a mean's line
FRAMES_AXIS = 14.5  # points that it takes, so that its label is level with the titles


def draw_curves(
    panels: Mapping[Place, Axes],
    layout: Layout,
    runs: Sequence[Run],
    *,
    of: str = SCORE,
    ddof: int = 1,
) -> None:
    """The curves of all groups; lines have the ids `mean <group>` and `seed <group> <seed>`,
    bands `sd <group>`."""
    for number, (key, members) in enumerate(group(runs).items()):
        panel, look = panels[layout.place(members[0])], layout.look(key)
        curve = mean_curve(averaged(members), of=of, ddof=ddof)
        _draw_seeds(panel, members, look[0], of, curve)
        if curve:
            _draw_mean(panel, members, look, number, of, curve)
    for panel in panels.values():
        draw_steps(panel, last_step(runs))


def draw_band(
    panel: Axes,
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    color: str,
    step: Literal["post"] | None = None,
) -> PolyCollection:
    """An opaque band with edges, which are over all bands, for these hide each other."""
    band = panel.fill_between(x, low, high, color=tint(color, 0.1), lw=0, zorder=1, step=step)
    for edge in (low, high):
        style: dict[str, Any] = {"drawstyle": f"steps-{step}" if step else "default"}
        panel.plot(x, edge, color=tint(color, 0.5), lw=0.7, zorder=2.2, **style)
    return band


def draw_steps(panel: Axes, last: float) -> None:
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


def last_step(runs: Sequence[Run]) -> int:
    """Where the axis ends: a run's last update is a little before its total, a round number."""
    return max(run.env_steps if run.unfinished else run.config.total_steps for run in runs)


def mean_look(color: str, marker: str, begun: bool) -> dict[str, Any]:
    """The look of a mean's line, dashed while none of its runs is finished."""
    edge = {"mec": "white", "mew": 0.6, "clip_on": False}  # or a marker at the end is half a one
    ls = DASHES if begun else "-"
    return {"color": color, "lw": 1.7, "ls": ls, "marker": marker, "ms": 5, "zorder": 4, **edge}


def caption(runs: Sequence[Run], ddof: int, *about: str) -> str:
    """What lines, bands and dashes are, over how many seeds; `about`; what's unfinished."""
    sizes = [len(averaged(members)) for members in group(runs).values()]
    lines = f"Lines: mean over {seeds_text(runs)}. Bands: {sd_text(ddof)}."
    thin = ["single seeds"] * (min(sizes) <= MOST_SEEDS)
    thin += [f"of more than {MOST_SEEDS} the lowest and highest"] * (max(sizes) > MOST_SEEDS)
    lines = f"{lines} Thin lines: {', '.join(thin)}."
    several = max(sizes) > 1
    begun = any(all(r.unfinished for r in members) for members in group(runs).values())
    unfinished = unfinished_text(runs)
    parts = [lines if several else "One seed a line.", *about, unfinished]
    parts += ["Dashed lines are not in a mean if another seed has finished."] * bool(unfinished)
    parts += ["Dashed means: no seed has finished yet."] * begun
    return " ".join(filter(None, [*parts, inexact_text(runs, " (cross)")]))


def _draw_seeds(
    panel: Axes, members: Sequence[Run], color: str, of: str, curve: Curve | None
) -> None:
    """The seeds of a group as far as each goes, and the band of their SD over what they share.

    Of more than MOST_SEEDS whole ones the lowest and the highest at each step stand for all.
    """
    many = curve is not None and len(curve.scores) > MOST_SEEDS
    for run in members:
        if not many or run.unfinished or run.inexact_at:
            _draw_seed(panel, run, color, of)
    if curve is None or len(curve.scores) < 2:
        return
    name = group_of(members[0]).id
    for edge in (curve.scores.min(axis=0), curve.scores.max(axis=0)) if many else ():
        (line,) = panel.plot(curve.env_steps, edge, color=tint(color, 0.45), lw=0.7, zorder=2)
        line.set_gid(f"range {name}")
    ends = curve.mean - curve.sd, curve.mean + curve.sd
    draw_band(panel, curve.env_steps, *ends, color).set_gid(f"sd {name}")


def _draw_mean(
    panel: Axes,
    members: Sequence[Run],
    look: tuple[str, str],
    number: int,
    of: str,
    curve: Curve,
) -> None:
    """A group's mean with its markers.

    Markers are at updates; `number` moves them, so that those of lines that cover each other don't.
    """
    updates, _ = known_updates(averaged(members)[0], of)
    step = max(3, len(updates) // MARKS)
    marked = updates[(step // 2 + number * step * 3 // 8) % step :: step]
    marked = marked[(marked >= curve.env_steps[0]) & (marked <= curve.env_steps[-1])]
    marked = marked if len(marked) else curve.env_steps[-1:]
    at = [int(np.abs(curve.env_steps - each).argmin()) for each in marked]
    shown = mean_look(*look, begun=all(run.unfinished for run in members))
    (line,) = panel.plot(curve.env_steps, curve.mean, markevery=at, **shown)
    line.set_gid(f"mean {group_of(members[0]).id}")


def _draw_seed(panel: Axes, run: Run, color: str, of: str) -> None:
    """One run's thin line, dashed with an open end if it is unfinished.

    A cross is where it was resumed on other versions or another machine.
    """
    ends, key = known_range(run, of), group_of(run)
    if ends is None:
        return
    env_steps = np.linspace(*ends, POINTS) if ends[0] < ends[1] else np.array(ends[:1])
    values = interpolate(run, env_steps, of)
    (line,) = panel.plot(env_steps, values, color=tint(color, 0.45), lw=0.7, zorder=2)
    line.set_gid(f"seed {key.id} {run.config.seed}")
    crosses = [step for step in run.inexact_at if ends[0] <= step <= ends[1]]
    if crosses:
        at = np.array(crosses, dtype=float)
        there = interpolate(run, at, of)
        (cross,) = panel.plot(at, there, "x", ms=6, mew=1.5, color=color, zorder=5)
        cross.set_gid(f"inexact {key.id} {run.config.seed}")
    if run.unfinished:
        line.set(linestyle=DASHES, lw=1, color=tint(color, 0.8), zorder=3)
        look = {"ms": 4, "color": color, "mfc": "white", "zorder": 5}
        (end,) = panel.plot(env_steps[-1:], values[-1:], "o", **look)
        end.set_gid(f"end {key.id} {run.config.seed}")
