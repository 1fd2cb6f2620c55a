"""Each lambda over games in three numbers with intervals: IQM, optimality gap, improvement.

The numbers are those of `python -m analysis.claims`: scores are human-normalised, runs finished.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import MaxNLocator

from analysis.groups import Group
from analysis.layout import Layout, left_out_text, settings_texts
from analysis.panels import DASHES, INK, QUIET, agg_figure, footnote, lambda_label, style
from analysis.pooled import (
    Pool,
    games_text,
    intervals_text,
    panel_text,
    pools_of,
    scored_text,
    seeds_of,
)
from analysis.runs import Run
from analysis.stats import Interval, bootstrap, iqm, optimality_gap, probability_of_improvement

PANEL, ROW, HEAD = 3.2, 0.42, 1.1  # inches: a panel's width, the height of a line, and above it
REFERENCE: dict[str, Any] = {"color": QUIET, "lw": 1, "ls": DASHES, "zorder": 1.5}
TITLES = {
    "iqm": "interquartile mean\n(more is better)",
    "gap": "optimality gap: short of a human\n(less is better)",
    "improvement": "probability that a run scores\nhigher than one of λ = 0",
}


class Line(NamedTuple):
    """What is known of a group."""

    key: Group
    seeds: str  # of a game, `5` or `3 to 5`
    values: dict[str, Interval]


def draw_intervals(runs: Sequence[Run]) -> Figure | None:
    """The figure, None without games that every lambda has a finished run of.

    A row of panels is a variant, in each a line a lambda; dots have the ids `<measure> <group>`.
    """
    found = pools_of(runs)
    if found is None:
        return None
    layout, pools = found
    lines = {place: [_line(pool, key) for key in pool.scores] for place, pool in pools.items()}
    measures = [m for m in TITLES if any(m in line.values for of in lines.values() for line in of)]
    with style():
        ratios = [ROW * count + HEAD for count in map(len, lines.values())]
        figure = agg_figure(PANEL * len(measures) + 1.2, sum(ratios) + 1.3)
        figure.suptitle("Human-normalised scores in numbers", x=0.01, ha="left", fontsize=14)
        rows = figure.subfigures(len(lines), 1, squeeze=False, height_ratios=ratios)[:, 0]
        for row, (place, of) in zip(rows, lines.items(), strict=True):
            note = ": ".join([place.game, *panel_text(layout, place, pools[place]).split("\n")])
            row.suptitle(note.rstrip(": "), x=0.01, ha="left", fontsize=9.5, color=QUIET)
            panels = row.subplots(1, len(measures), squeeze=False)[0]
            for panel, measure in zip(panels, measures, strict=True):
                _draw(panel, measure, of, layout, named=panel is panels[0])
        texts = [intervals_text(pools, "bars"), scored_text(pools)]
        footnote(figure, " ".join([*texts, games_text(pools), left_out_text(layout)]))
    return figure


def _line(pool: Pool, key: Group) -> Line:
    """The numbers of a group; the same draws each time."""
    games, base = pool.scores[key], pool.scores.get(key._replace(lambda_=0.0))
    values = {
        "iqm": bootstrap(games, iqm, rng=np.random.default_rng(0)),
        "gap": bootstrap(games, optimality_gap, rng=np.random.default_rng(0)),
    }
    if base is not None and key.lambda_ > 0:
        values["improvement"] = probability_of_improvement(base, games)
    return Line(key, seeds_of(games), values)


def _draw(panel: Axes, measure: str, lines: Sequence[Line], layout: Layout, *, named: bool) -> None:
    """A dot with its bar and number a line, and what to hold it against; nothing without any."""
    if not any(measure in line.values for line in lines):
        panel.set_axis_off()
        return
    for place, line in enumerate(lines):
        if measure not in line.values:
            continue
        value, low, high, _ = line.values[measure]
        color, marker = layout.look(line.key)
        look: dict[str, Any] = {"color": color, "ms": 7, "mec": "white", "mew": 0.7, "zorder": 3}
        (dot,) = panel.plot(value, place, marker, **look)
        dot.set_gid(f"{measure} {line.key.id}")
        if not np.isnan(low):
            (bar,) = panel.plot([low, high], [place, place], color=color, lw=1.6, zorder=2)
            bar.set_gid(f"interval {measure} {line.key.id}")
        panel.annotate(
            number_text(line.values[measure]),
            (value, place),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
            path_effects=[Stroke(linewidth=2, foreground="white"), Normal()],
        )
    reference = 0.5 if measure == "improvement" else lines[0].values[measure].value
    panel.axvline(reference, **REFERENCE, gid="reference")
    panel.set_yticks(range(len(lines)), [_name(line, layout) if named else "" for line in lines])
    panel.set_ylim(len(lines) - 0.5, -0.75)
    panel.set_title(TITLES[measure], loc="left", fontsize=9, fontweight="normal")
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    panel.margins(x=0.22)
    panel.grid(visible=False, axis="y")
    if measure == "improvement":
        panel.set_xlim(-0.08, 1.08)


def number_text(of: Interval) -> str:
    """`0.33 [0.29, 0.36]`."""
    bar = "" if np.isnan(of.low) else f" [{of.low:.2f}, {of.high:.2f}]"
    return f"{of.value:.2f}{bar}"


def _name(line: Line, layout: Layout) -> str:
    variant, count = line.key.variant, f"n = {line.seeds}"
    if layout.by_variant:
        return "\n".join([f"{variant.letter}: {count}", *settings_texts(variant)])
    return f"{lambda_label(line.key.lambda_)}\n{count}"
