"""The verdict as figures: measures against lambda, objects, and methods, each beside chance.

A row of panels is a game and settings; each lambda has a colour. Dots are means, bars 95 %
intervals: over seeds, of a single seed over its games.
"""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.panels import (
    DASHES,
    INK,
    QUIET,
    agg_figure,
    footnote,
    lambda_label,
    lambda_looks,
    legend,
    style,
)
from attn_ppo.formats import plain
from attn_ppo.interpret.believe.bootstrap import Interval
from attn_ppo.interpret.believe.randomised import SIMILAR
from attn_ppo.interpret.believe.verdict import Row
from attn_ppo.interpret.believe.verdict_measures import BESIDE, MEASURES

CHANCE: dict[str, Any] = {"color": INK, "lw": 1, "ls": DASHES, "zorder": 1.5}
DOT: dict[str, Any] = {"ms": 6, "mew": 0.7, "mec": "white", "capsize": 2.5, "lw": 1.3, "zorder": 3}
# Measures drawn against lambda, and what stands beside each as other marks.
AGAINST_LAMBDA = {
    "score": (),
    "lift": ("lift_fixed", "lift_own_mean", "lift_untrained"),
    "seen": (),
    "information": ("information_untrained",),
    "agreement": ("timeless", "screen", "best"),
    "uniform": ("importance",),
}
UNTRAINED = ("*", "an untrained agent")
MARKS = {
    "lift_fixed": ("_", "best fixed cell"),
    "lift_own_mean": ("+", "its own mean map"),
    "lift_untrained": UNTRAINED,
    "information_untrained": UNTRAINED,
    "timeless": ("x", "attention, shifted in time"),
    "screen": ("1", "what is bright or moves"),
    "best": ("D", "the best saliency method that passes"),
    "importance": ("s", "the key object edited"),
}
PANEL, ROW, LINE = 2.7, 2.5, 0.24  # inches: a panel's width, a row's height, that of a name in it
Look = tuple[str, str]  # colour and marker
Looks = dict[float, Look]
SPREAD = 0.55  # of a line, over which the lambdas of a name are spread


def draw_against_lambda(rows: Sequence[Row]) -> Figure | None:
    """Measures over lambda, a column each."""
    places = _places(rows)
    shown = [n for n in AGAINST_LAMBDA if any(not math.isnan(r.cells[n].mean) for r in rows)]
    looks = _looks(rows)
    with style():
        figure = agg_figure(PANEL * len(shown) + 1, ROW * len(places) + 1.1)
        figure.suptitle("What attention says, against λ", x=0.01, ha="left", fontsize=14)
        panels = figure.subplots(len(places), len(shown), squeeze=False)
        for line, (place, members) in zip(panels, places.items(), strict=True):
            for panel, name in zip(line, shown, strict=True):
                _over_lambda(panel, name, members, looks)
            title = f"{place}: {members[0].key}" if members[0].key else place
            game_title(line[0], title)
        for panel in panels[-1]:
            panel.set_xlabel("λ")
        beside = dict.fromkeys(MARKS[n] for name in shown for n in AGAINST_LAMBDA[name])
        marks = [_mark_handle(*mark) for mark in beside]
        legend(figure, [_chance_handle("chance: even attention, or 0"), *marks])
        footnote(
            figure,
            f"Beside each game its key object, whose edits change the policy most. "
            f"{bars(_seeds(rows))}",
        )
    return figure


def draw_objects(rows: Sequence[Row]) -> Figure | None:
    """Importance of each object beside attention's lift on it; None where neither is known."""
    reads = {
        "importance: KL(π ‖ π edited), nats": ("importance", None),
        "attention's share / the object's area": ("lift", None),
        "attention's share": ("share", None),
    }
    names = {p: _known(m, "objects", ("importance", "lift")) for p, m in _places(rows).items()}
    if not any(names.values()):
        return None
    title, about = "Which objects matter, and which are attended", "Grey: what even attention has."
    return _by_name(rows, names, "objects", reads, title, about)


def draw_methods(rows: Sequence[Row]) -> Figure | None:
    """Agreement with cause, deletion against random, and sanity of each method."""
    reads = {
        "agreement with cause": ("agreement", 0.0),
        "deletion over random, nats": ("deletion", 0.0),
        "likeness after layers are drawn anew": ("similarity", SIMILAR),
    }
    whats = ("agreement", "deletion", "similarity")
    names = {place: _known(members, "methods", whats) for place, members in _places(rows).items()}
    if not any(names.values()):
        return None
    about = (
        f"Right of {plain(SIMILAR)} a method fails: its maps hardly depend on what was learned. "
        "Crosses: the agreement of the same maps shifted in time."
    )
    return _by_name(rows, names, "methods", reads, "Which maps say what the agent acts on", about)


FIGURES: dict[str, Callable[[Sequence[Row]], Figure | None]] = {
    "lambda": draw_against_lambda,
    "objects": draw_objects,
    "methods": draw_methods,
}


def _by_name(
    rows: Sequence[Row],
    names: dict[str, list[str]],
    part: str,
    reads: Mapping[str, tuple[str, float | None]],
    title: str,
    about: str,
) -> Figure:
    """Panels with a line for each object or method; `reads` are label -> measure, chance."""
    places, looks = _places(rows), _looks(rows)
    heights = [max(len(each), 2) for each in names.values()]
    with style():
        figure = agg_figure(
            1.35 * PANEL * len(reads) + 2.2, LINE * sum(heights) + 0.75 * len(heights) + 1.4
        )
        figure.suptitle(title, x=0.01, ha="left", fontsize=14)
        panels = figure.subplots(len(places), len(reads), squeeze=False, height_ratios=heights)
        for line, (place, members) in zip(panels, places.items(), strict=True):
            line[0].set_title(place, loc="left")
            for panel, (label, (what, chance)) in zip(line, reads.items(), strict=True):
                _lines(panel, names[place], members, part, what, looks, named=panel is line[0])
                if chance is not None:
                    panel.axvline(chance, **CHANCE, gid="chance")
                panel.set_xlabel(label)
                panel.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        drawn = any(chance is not None for _, chance in reads.values())
        lambdas = [
            Line2D([], [], color=color, marker=marker, ls="", label=lambda_label(each))
            for each, (color, marker) in looks.items()
        ]
        legend(figure, [*lambdas, *[_chance_handle("chance, or the threshold")] * drawn])
        footnote(figure, f"{about} {bars(_seeds(rows))}")
    return figure


def game_title(panel: Axes, title: str) -> None:
    """A row's title, over that of its first panel."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    panel.annotate(title, (0, 1), (0, 22), **place, fontsize=11.5, fontweight="bold")


def _over_lambda(panel: Axes, name: str, rows: Sequence[Row], looks: Looks) -> None:
    measure = MEASURES[name]
    places = np.arange(len(rows))
    chance = _chance(measure.chance, rows)
    if not math.isnan(chance):
        panel.axhline(chance, **CHANCE, gid="chance")
    for at, row in zip(places.tolist(), rows, strict=True):
        _dot(panel, at, row.cells[name], looks[row.lambda_], gid=f"{name} {plain(row.lambda_)}")
        others = AGAINST_LAMBDA[name]
        for number, other in enumerate(others):
            aside = at + 0.14 * (number + 1)
            panel.plot(
                aside,
                row.cells[other].mean,
                MARKS[other][0],
                color=QUIET,
                ms=7,
                mew=1.6,
                mfc="none",
            )
    panel.set_xticks(places, [plain(row.lambda_) for row in rows])
    panel.set_xlim(-0.5, len(rows) - 0.4)
    panel.grid(visible=False, axis="x")
    panel.set_title(measure.title, loc="left", fontsize=9, fontweight="normal")
    panel.margins(y=0.12)


def _lines(
    panel: Axes,
    names: Sequence[str],
    rows: Sequence[Row],
    part: str,
    what: str,
    looks: Looks,
    *,
    named: bool,
) -> None:
    """A dot for each lambda on the line of each name, the first on top."""
    for number, row in enumerate(rows):
        aside = SPREAD * (number / max(len(rows) - 1, 1) - 0.5) if len(rows) > 1 else 0.0
        for line, name in enumerate(names):
            measures = getattr(row, part).get(name, {})
            found = measures.get(what)
            if found is None:
                continue
            look = looks[row.lambda_]
            _dot(panel, line + aside, found, look, upright=False, gid=f"{what} {name}")
            beside = {
                "share": ("even share", "|"),
                "lift": ("even lift", "|"),
                "agreement": ("timeless", "x"),
            }.get(what)
            if beside and beside[0] in measures:
                x = measures[beside[0]].mean
                panel.plot(x, line + aside, beside[1], color=QUIET, ms=5, mew=1.2, zorder=2)
    panel.set_yticks(range(len(names)), names if named else [""] * len(names))
    for label in panel.get_yticklabels():
        label.set_fontstyle("italic" if label.get_text() in BESIDE else "normal")
    panel.set_ylim(max(len(names), 1) - 0.5, -0.5)
    panel.grid(visible=False, axis="y")


def _dot(
    panel: Axes, at: float, of: Interval, look: Look, *, gid: str, upright: bool = True
) -> None:
    """A mean with the bar of its interval, if there is one."""
    if math.isnan(of.mean):
        return
    bar = None if math.isnan(of.low) else [[max(of.mean - of.low, 0)], [max(of.high - of.mean, 0)]]
    place = (at, of.mean) if upright else (of.mean, at)
    bars = {"yerr" if upright else "xerr": bar}
    color, marker = look
    panel.errorbar(*place, **bars, fmt=marker, color=color, **DOT)[0].set_gid(gid)


def _chance(of: float | str, rows: Sequence[Row]) -> float:
    """The number, or the mean of the measure that has this name."""
    if not isinstance(of, str):
        return of
    means = [row.cells[of].mean for row in rows if not math.isnan(row.cells[of].mean)]
    return float(np.mean(means)) if means else math.nan


def _places(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each game and settings."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row.game} {row.settings}".strip(), []).append(row)
    return found


def _known(rows: Sequence[Row], part: str, whats: Sequence[str]) -> list[str]:
    """The objects or methods of which one of these measures is known."""
    names = dict.fromkeys(name for row in rows for name in getattr(row, part))

    def known(name: str) -> bool:
        found = (getattr(row, part).get(name, {}).get(what) for row in rows for what in whats)
        return any(each is not None and not math.isnan(each.mean) for each in found)

    return list(filter(known, names))


def _seeds(rows: Sequence[Row]) -> set[int]:
    return {len(row.seeds) for row in rows}


def _looks(rows: Sequence[Row]) -> Looks:
    return lambda_looks(row.lambda_ for row in rows)


def _chance_handle(label: str) -> Line2D:
    return Line2D([], [], **CHANCE, label=label)


def _mark_handle(marker: str, label: str) -> Line2D:
    look: dict[str, Any] = {"ls": "", "color": QUIET, "mfc": "none", "mew": 1.6, "ms": 7}
    return Line2D([], [], marker=marker, label=label, **look)


def bars(counts: Set[int]) -> str:
    """What the bars are over, of so many seeds a lambda."""
    if counts == {1}:
        return "Bars: 95 % intervals over a single seed's games; they say nothing of other seeds."
    lone = " (of a single seed over its games)" if 1 in counts else ""
    few, many = min(counts - {1}), max(counts)
    told = f"{few}" if few == many else f"{few} to {many}"
    return f"Bars: 95 % intervals over {told} seeds{lone}."
