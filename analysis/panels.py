"""What the figures share: colours, the grid of games, numbers on axes, and writing to disk."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.references import Score, random_score
from analysis.runs import Run
from analysis.stats import averaged, group, variants_in
from analysis.variants import Variant
from attn_ppo.formats import plain, short_number
from attn_ppo.lifecycle.disk import replacing

RAINBOW = ("#7a28b8", "#2b6fd6", "#0b9a9c", "#58901f", "#ee8a0a", "#cc1f2f")
INK, QUIET = "#222222", "#6b6b6b"
COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 2, 6: 2}  # by number of games, 3 for more
LEGEND_INCHES, LEGEND_LINE, CAPTION_INCHES = 1.4, 0.22, 1.2
# A lambda has a colour and a marker, a variant a line style that isn't an unfinished run's dashes.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d")
LINES: tuple[Any, ...] = ("-", (0, (7, 1.5, 1.5, 1.5)), (0, (1.2, 1.4)), (0, (7, 1.5, *(1.5,) * 4)))
DASHES: Any = (0, (4, 2))
RANDOM: dict[str, Any] = {"color": INK, "lw": 1, "ls": (0, (1, 1.6))}
STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#9a9a9a",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "font.size": 9.5,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "pdf.fonttype": 42,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


def lambda_colors(lambdas: Iterable[float]) -> dict[float, str]:
    """A colour for each lambda, violet to red in ascending order, all dark enough on white."""
    ordered = sorted(set(lambdas))
    anchors = np.array([colors.to_rgb(color) for color in RAINBOW])
    at = np.linspace(0, len(anchors) - 1, max(len(ordered), 2))[: len(ordered)]
    rgb = np.stack([np.interp(at, range(len(anchors)), channel) for channel in anchors.T], axis=-1)
    return {lambda_: colors.to_hex(c) for lambda_, c in zip(ordered, rgb, strict=True)}


def lambda_markers(lambdas: Iterable[float]) -> dict[float, str]:
    """A marker for each lambda, so that they are told apart where they cover each other."""
    ordered = sorted(set(lambdas))
    return {lambda_: MARKERS[i % len(MARKERS)] for i, lambda_ in enumerate(ordered)}


def line_style(variant: Variant) -> Any:
    """A variant's line style, solid for that of most runs."""
    return LINES[variant.number % len(LINES)]


def tint(color: str, strength: float) -> str:
    """The colour on white, opaque: what is transparent mixes to colours that no legend has."""
    red, green, blue = (1 - strength * (1 - channel) for channel in colors.to_rgb(color))
    return colors.to_hex((red, green, blue))


def lambda_label(lambda_: float) -> str:
    """`λ = 0.0005`."""
    return f"λ = {plain(lambda_)}"


@contextmanager
def style() -> Iterator[None]:
    """Applies our style to what is drawn and saved inside; the user's matplotlibrc is ignored."""
    with mpl.rc_context():
        mpl.rcdefaults()
        sns.set_style("whitegrid")
        mpl.rcParams.update(STYLE)
        yield


def grid(
    games: Sequence[str], *, title: str, x_label: str, y_label: str
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with an empty panel for each game, 3 rows x 2 for six, sharing x."""
    columns = COLUMNS.get(len(games), 3)
    rows = math.ceil(len(games) / columns)
    width, height = {1: 6.0, 2: 4.4}.get(columns, 3.7), {1: 3.7, 2: 3.0}.get(rows, 2.7)
    figure = agg_figure(width * columns + LEGEND_INCHES, height * rows + 1.0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=14)
    cells = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for cell in cells[len(games) :]:
        cell.remove()
    panels = dict(zip(games, cells, strict=False))
    for index, (game, panel) in enumerate(panels.items()):
        panel.set_title(game, loc="left")
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_number(value, 10_000)))
        panel.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        if index + columns >= len(games):  # also the panel above an empty cell
            panel.tick_params(labelbottom=True)
            panel.set_xlabel(x_label)
    if rows == 1:
        panels[games[0]].set_ylabel(y_label)
    else:
        figure.supylabel(y_label, fontsize=10, color=INK)
    return figure, panels


def agg_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, with an Agg canvas: pyplot and its backend play no part."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """The legend to the right of the panels; the figure grows where they are lower than it."""
    lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
    figure.set_figheight(max(figure.get_figheight(), LEGEND_LINE * lines + CAPTION_INCHES))
    figure.legend(handles=handles, loc="outside right center", frameon=False)


def footnote(figure: Figure, text: str) -> None:
    """Small text below the panels, wrapped to the figure's width."""
    characters = int(figure.get_figwidth() * 14)
    wrapped = "\n".join(textwrap.wrap(unbroken(text), characters, break_long_words=False))
    figure.supxlabel(wrapped, x=0.01, ha="left", fontsize=8.5, color=QUIET)


def unbroken(text: str) -> str:
    """The text with no-break spaces around `=`, after a number, and between `seed` and its number.

    So a caption never ends a line between a value and its name or unit.
    """
    return re.sub(
        r"(?<==) | (?==)|(?<=\d) (?!seed)(?=[^\W\d])|(?<=seed) (?=\d)", "\N{NO-BREAK SPACE}", text
    )


def variant_handles(runs: Sequence[Run]) -> list[Line2D]:
    """Legend entries for the variants, none where there is but one."""
    handles = []
    for variant in variants_in(runs):
        label = f"{variant.letter}: " + "\n     ".join(variant.name.split(" "))
        handles.append(Line2D([], [], ls=line_style(variant), color=QUIET, lw=1.4, label=label))
    return [gap(), *handles] if len(handles) > 1 else []


def gap() -> Line2D:
    """An empty line in a legend."""
    return Line2D([], [], ls="", label="")


def draw_random_play(panel: Axes, members: Sequence[Run]) -> list[Score]:
    """A line at the score of random play for each protocol of a panel's runs, if it is known."""
    known = list(dict.fromkeys(s for run in members if (s := random_score(run))))
    for score in known:
        panel.axhline(score.mean, **RANDOM, zorder=1.5, gid="random play")
    return known


def random_handles(runs: Sequence[Run]) -> list[Line2D]:
    """The legend entry for those lines, if there are any."""
    known = any(random_score(run) for run in runs)
    return [Line2D([], [], **RANDOM, label="random play")] if known else []


def random_text(runs: Sequence[Run]) -> str:
    """Over how many games random play's mean is; empty if it isn't known."""
    counts = {score.n for run in runs if (score := random_score(run))}
    return f"Random play: mean of {count_text(counts)} games." if counts else ""


def count_text(counts: Iterable[int]) -> str:
    """`20`, or `4 to 20`."""
    few, many = min(counts := set(counts)), max(counts)
    return f"{few}" if few == many else f"{few} to {many}"


def tick_number(value: float, plain_below: float = 1_000) -> str:
    """A tick exactly: 750, 20k, 2.5M; numbers below `plain_below` without a letter."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(scale, plain_below):
            return f"{value / scale:.6g}{letter}"
    return f"{value:.6g}"


def seeds_text(runs: Sequence[Run]) -> str:
    """How many seeds the means are over: `5 seeds`, `2 to 5 seeds`."""
    counts = {len(averaged(members)) for members in group(runs).values()}
    return f"{count_text(counts)} seed{'s' * (max(counts) > 1)}"


def unfinished_text(runs: Sequence[Run], at_most: int = 3) -> str:
    """The unfinished runs in a line, the first few by name; empty if all are finished."""
    names = [f"{run.label}, {run.unfinished}" for run in runs if run.unfinished]
    if len(names) > at_most:
        names = [*names[: at_most - 1], f"and {len(names) - at_most + 1} more"]
    return f"Unfinished: {'; '.join(names)}." if names else ""


def inexact_text(runs: Sequence[Run], sign: str = "", at_most: int = 3) -> str:
    """The runs that weren't resumed exactly in a line, with the steps; empty if there are none."""
    named = [
        f"{run.label} at {', '.join(map(short_number, run.inexact_at))} agent steps"
        for run in runs
        if run.inexact_at
    ]
    if len(named) > at_most:
        named = [*named[: at_most - 1], f"and {len(named) - at_most + 1} more"]
    return f"Resumed inexactly{sign}: {'; '.join(named)}." if named else ""


def save(figure: Figure, stem: Path) -> list[Path]:
    """Writes `<stem>.png` and `<stem>.pdf`, each whole or not at all; returns the paths.

    The same figure gives the same bytes: no dates inside.
    """
    written = []
    stem.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it costs as much as drawing, and would be done twice
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path = stem.with_suffix(f".{kind}")
        with replacing(path) as temporary, style():
            figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
        written.append(path)
    return written
