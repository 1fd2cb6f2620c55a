"""What sharper attention costs: the share of lambda 0's score that's kept, against entropy.

Lambdas are joined in their order, each with its value beside it. The share is of what lambda 0
scores above random play, and has the interval of `python -m analysis.claims`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from analysis.captions import seeds_text
from analysis.equivalence import Equivalence, equivalence
from analysis.groups import (
    Group,
    attention_entropy,
    evaluation_score,
    group,
    is_evaluated,
    known_range,
    training_score,
)
from analysis.layout import Layout, layout_of, left_out_text, legend_handles, with_counts
from analysis.margin import MARGIN
from analysis.panels import QUIET, RANDOM, footnote, gap, grid, legend, style
from analysis.runs import Run
from attn_ppo.atari.reference_scores import scale
from attn_ppo.formats import fixed, plain

MARGIN_LINE: dict[str, Any] = {"color": QUIET, "lw": 1, "ls": (0, (5, 2)), "zorder": 1.5}
LOWEST, HIGHEST = -0.5, 2.0  # shares at which bars are cut
ABOVE = 0.22  # for the values above bars
APART = 0.035  # of the width, which a value beside a dot takes


class Point(NamedTuple):
    """A lambda: attention's entropy in nats, and the share of lambda 0's score that it keeps."""

    entropy: float
    kept: Equivalence | None  # None for lambda 0, which has 1


def draw_frontier(runs: Sequence[Run], *, margin: float = MARGIN) -> Figure | None:
    """The figure, None where no game has finished runs with attention at lambda 0 and another.

    Dots have the ids `kept <group>`, bars `interval <group>`, lines `path`. `margin` is the drop
    that counts as nothing.
    """
    finished = [r for r in runs if not r.unfinished and known_range(r)]
    having = [r for r in finished if not math.isnan(attention_entropy(r))]
    points = frontier(having, margin)
    shown = [r for key, members in group(having).items() if key in points for r in members]
    if not shown:
        return None
    layout = layout_of(runs, shown)
    shown = [run for run in shown if run.variant not in layout.left_out]
    right = max(points[key].entropy for key in group(shown))
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="What sharper attention costs",
            x_label="attention entropy (nats, sum over maps)",
            y_label="share kept of the score at λ = 0",
            notes=with_counts(layout, shown),
        )
        for place, panel in panels.items():
            keys = group(run for run in shown if layout.place(run) == place)
            _draw(panel, {key: points[key] for key in keys}, layout, right)
            panel.axhline(1 - margin, **MARGIN_LINE, gid="margin")
        lows, highs = zip(*(panel.get_ylim() for panel in panels.values()), strict=True)
        for panel in panels.values():
            panel.set_xlim(0, 1.12 * right)
            panel.set_ylim(min(*lows, 0), max(highs) + ABOVE)
        handles = [*legend_handles(layout, shown, ls="", ms=6), gap()]
        label = f"{fixed(100 * margin, 0)} % less"
        handles.append(Line2D([], [], **MARGIN_LINE, label=label))
        legend(figure, [*handles, Line2D([], [], **RANDOM, label="random play")])
        footnote(figure, f"{caption(shown, margin)} {left_out_text(layout)}")
    return figure


def frontier(runs: Sequence[Run], margin: float) -> dict[Group, Point]:
    """The points of each game and variant with a lambda beside 0; no others."""
    groups, points = group(runs), {}
    for key, members in groups.items():
        base = groups.get(key._replace(lambda_=0.0), [])
        of_game = [run for k, each in groups.items() if k[::2] == key[::2] for run in each]
        ends = scale(key.game, members[0].config.protocol)
        if not base or ends is None or len({run.config.lambda_ for run in of_game}) < 2:
            continue
        measure = evaluation_score if all(map(is_evaluated, of_game)) else training_score
        one, other = (np.array([measure(run) for run in each]) for each in (base, members))
        kept = equivalence(one, other, margin, floor=ends.random) if key.lambda_ > 0 else None
        points[key] = Point(float(np.mean([attention_entropy(run) for run in members])), kept)
    return points


def _draw(panel: Axes, points: Mapping[Group, Point], layout: Layout, right: float) -> None:
    """Dots with bars and the lambdas' values, joined in their order."""
    shown = {}
    named: list[float] = []
    for key, (entropy, kept) in points.items():
        color, marker = layout.look(key)
        value = top = kept.value if kept else 1.0
        shown[key] = entropy, value
        if kept and not math.isnan(kept.low):
            ends = np.clip([kept.low, kept.high], LOWEST, HIGHEST)
            top = float(ends[1])
            (bar,) = panel.plot([entropy] * 2, ends, color=color, lw=1.3, zorder=2.5)
            bar.set_gid(f"interval {key.id}")
        look: dict[str, Any] = {"color": color, "ms": 7, "mec": "white", "mew": 0.7, "zorder": 3}
        (dot,) = panel.plot(entropy, value, marker, **look)
        dot.set_gid(f"kept {key.id}")
        if all(abs(entropy - other) > APART * right for other in named):
            look = {"color": color, "rotation": 90, "ha": "center", "va": "bottom", "fontsize": 8}
            offset: dict[str, Any] = {"xytext": (0, 5), "textcoords": "offset points"}
            panel.annotate(plain(key.lambda_), (entropy, top), **offset, **look)
            named.append(entropy)
    (path,) = panel.plot(*zip(*shown.values(), strict=True), color="#bdbdbd", lw=1, zorder=2)
    path.set_gid("path")
    panel.axhline(0, **RANDOM, zorder=1.5, gid="random play")
    panel.yaxis.set_major_formatter(PercentFormatter(1))


def caption(shown: Sequence[Run], margin: float) -> str:
    """What shares and bars are, and how to read them."""
    less = fixed(100 * margin, 0)
    seeds = f"{seeds_text(shown)} for each λ".capitalize()
    return (
        f"{seeds}, finished runs only. Grey lines join the λ in ascending order. Scores are "
        "counted from random play. Bars: 90 % intervals over seeds, those of two tests at 5 %: a "
        f"bar wholly above the dashed line rules out a drop of {less} %. A single seed has no bar."
    )
