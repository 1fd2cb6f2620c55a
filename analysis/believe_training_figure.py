"""Where attention lies over training, as a figure: `draw_training`.

A panel each for attention's entropy, the information of its peak on the key object's place, and
attention's lift on each object; a line a lambda, over its seeds.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.believe_figures import CHANCE, DOT, bars, game_title
from analysis.believe_training import Course, Point
from analysis.panels import (
    QUIET,
    agg_figure,
    footnote,
    lambda_label,
    lambda_looks,
    legend,
    style,
    tick_number,
)

COLUMNS = 4
WIDTH, HEIGHT = 2.75, 2.3  # inches of a panel
UNTRAINED: dict[str, Any] = {"color": QUIET, "lw": 1.2, "ls": (0, (1, 1.6)), "zorder": 1.6}
Panel = tuple[str, str]  # object and measure


def draw_training(courses: Sequence[Course], keys: Mapping[str, str]) -> Figure | None:
    """The figure; None without courses. `keys`: the key object of each game."""
    blocks = _blocks(courses, keys)
    if not blocks:
        return None
    lines = [math.ceil(len(panels) / COLUMNS) for panels in blocks.values()]
    columns = min(COLUMNS, max(map(len, blocks.values())))
    looks = lambda_looks(course.lambda_ for course in courses)
    with style():
        figure = agg_figure(WIDTH * columns + 1, HEIGHT * sum(lines) + 1.3)
        figure.suptitle("Where attention lies, over training", x=0.01, ha="left", fontsize=14)
        cells = figure.subplots(sum(lines), columns, squeeze=False)
        first = 0
        for (game, panels), count in zip(blocks.items(), lines, strict=True):
            block = cells[first : first + count].ravel().tolist()
            _draw_block(block, game, panels, looks)
            first += count
        drawn = [
            Line2D([], [], color=color, marker=marker, lw=1.5, label=lambda_label(lambda_))
            for lambda_, (color, marker) in looks.items()
        ]
        even = Line2D([], [], **CHANCE, label="chance: even attention")
        legend(figure, [*drawn, even, Line2D([], [], **UNTRAINED, label="an untrained agent")])
        footnote(
            figure,
            "Lift: attention on an object over what a map even over all pixels has there. "
            f"Information: of the strongest cell and the object's place. {bars(_seeds(courses))}",
        )
    return figure


def _blocks(
    courses: Sequence[Course], keys: Mapping[str, str]
) -> dict[str, dict[Panel, list[Course]]]:
    """The panels of each game and settings, those of its key object first."""
    blocks: dict[str, dict[Panel, list[Course]]] = {}
    for course in courses:
        key = keys.get(course.game, "")
        own = (("", "entropy"), (key, "information"), (key, "lift"))
        panel = (course.object, course.measure)
        if panel in own or course.measure == "lift":
            block = blocks.setdefault(f"{course.game} {course.settings}".strip(), {})
            block.setdefault(panel, []).append(course)
    for game, block in blocks.items():
        key = keys.get(game.partition(" ")[0], "")
        first = [("", "entropy"), (key, "information"), (key, "lift")]
        order = [*(each for each in first if each in block), *block]
        blocks[game] = {panel: block[panel] for panel in dict.fromkeys(order)}
    return blocks


def _draw_block(
    cells: Sequence[Axes],
    game: str,
    panels: Mapping[Panel, Sequence[Course]],
    looks: Mapping[float, tuple[str, str]],
) -> None:
    for cell, (name, members) in zip(cells, panels.items(), strict=False):
        _draw(cell, name, members, looks)
    for cell in cells[len(panels) :]:
        cell.remove()
    for cell in cells[max(len(panels) - COLUMNS, 0) : len(panels)]:
        cell.set_xlabel("agent steps")
    game_title(cells[0], game)


def _draw(
    panel: Axes,
    name: Panel,
    members: Sequence[Course],
    looks: Mapping[float, tuple[str, str]],
) -> None:
    """The lambdas' lines, beside one another, and what even attention and no training have."""
    last = max(point.env_steps for course in members for point in course.points)
    for number, course in enumerate(members):
        color, marker = looks[course.lambda_]
        known = [point for point in course.points if not math.isnan(point.value.mean)]
        means = np.array([point.value.mean for point in known])
        ends = np.array([[point.value.low, point.value.high] for point in known]).T
        aside = 0.012 * last * (number - (len(members) - 1) / 2)
        steps = [point.env_steps + aside for point in known]
        off = np.nan_to_num(np.abs(ends - means))
        dots: dict[str, Any] = DOT | {"ls": "-"}
        drawn = panel.errorbar(steps, means, off, fmt=marker, color=color, **dots)
        drawn[0].set_gid(f"{course.measure} {course.object} {course.lambda_}")
    for what, look in (("even", CHANCE), ("untrained", UNTRAINED)):
        steps, means = _mean_over(members, what)
        panel.plot(steps, means, gid=what, **look)
    panel.set_xlim(0, 1.04 * last)
    panel.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_number(value)))
    panel.set_title(_title(name), loc="left", fontsize=9, fontweight="normal")
    panel.margins(y=0.12)


def _mean_over(members: Sequence[Course], what: str) -> tuple[list[int], list[float]]:
    """Of what controls have at each moment, the mean over lambdas."""
    at: dict[int, list[float]] = {}
    for point in (point for course in members for point in course.points):
        value = getattr(point, what)
        if not math.isnan(value):
            at.setdefault(point.env_steps, []).append(value)
    return sorted(at), [float(np.mean(at[steps])) for steps in sorted(at)]


def _title(name: Panel) -> str:
    thing, measure = name
    titles = {
        "entropy": "attention entropy (nats)",
        "information": f"{thing}: information (nats)",
        "lift": f"{thing}: lift",
    }
    return titles[measure]


def _seeds(courses: Sequence[Course]) -> set[int]:
    points: list[Point] = [point for course in courses for point in course.points]
    return {max(point.value.seeds, 1) for point in points}
