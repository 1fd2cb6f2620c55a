"""What the figures share: lambda's colours, the grid of games, numbers on axes, and files."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.outputs import KINDS
from analysis.references import Score, human_score, random_score
from analysis.runs import Run
from attn_ppo.formats import plain
from attn_ppo.lifecycle.disk import replacing
from attn_ppo.variants import ONLY, Variant

LAMBDA_MAP, LAMBDA_ENDS = "magma", (0.05, 0.68)  # near black to light red, 3:1 on white
DPI = 150
INK, QUIET = "#222222", "#6b6b6b"
COLUMNS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 2, 6: 2}  # by number of games, 3 for more
LEGEND_INCHES, LEGEND_LINE, LEGEND_LETTER, CAPTION_INCHES = 1.4, 0.22, 0.075, 1.2
NOTE_LINE, NOTE_LETTERS = 11.0, 13.5  # points a line above a panel, letters in an inch of it
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d")
NEAR = 0.25  # of a y axis, by which it grows so that a human's score is on it
DASHES: Any = (0, (4, 2))
RANDOM: dict[str, Any] = {"color": INK, "lw": 1, "ls": (0, (1, 1.6))}
HUMAN: dict[str, Any] = {"color": INK, "lw": 1, "ls": (0, (6, 2, 1, 2))}
UNIFORM: dict[str, Any] = {"color": QUIET, "lw": 1, "ls": (0, (5, 2))}
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
    "svg.hashsalt": "attn_ppo",  # ids that are the same each time
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


class Place(NamedTuple):
    """A panel: a game, and where its variants don't share it, one of them."""

    game: str
    variant: Variant = ONLY


def lambda_colors(lambdas: Iterable[float]) -> dict[float, str]:
    """A colour for each lambda, ascending, as `#rrggbb`: the greater, the lighter, in even steps.

    Lambda 0 is the reference and nearly black; without it no other lambda is. All have a contrast
    of 3 to 1 or more on white, and keep their order in grey and for the colour-blind.
    """
    ordered = sorted(set(lambdas))
    missing = 0 not in ordered
    at = np.linspace(*LAMBDA_ENDS, max(len(ordered) + missing, 2))[missing:]
    shades = sns.color_palette(LAMBDA_MAP, as_cmap=True)(at)
    return {each: colors.to_hex(shade) for each, shade in zip(ordered, shades, strict=False)}


def lambda_looks(lambdas: Iterable[float]) -> dict[float, tuple[str, str]]:
    """Colour and marker of each lambda; the circle is that of lambda 0."""
    chosen = lambda_colors(lambdas)
    first = 0 not in chosen
    return {
        each: (color, MARKERS[number % len(MARKERS)])
        for number, (each, color) in enumerate(chosen.items(), start=first)
    }


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
    places: Sequence[Place | None],
    *,
    columns: int,
    title: str,
    x_label: str,
    y_label: str,
    notes: Mapping[Place, str] | None = None,
    above: float = 0,
) -> tuple[Figure, dict[Place, Axes]]:
    """A figure with an empty panel for each place, row by row; None leaves its cell empty.

    They share x, and those of a game y. `notes` stand between a panel and its title, `above` leaves
    so many points for an axis on top of those in the first row.
    """
    rows = math.ceil(len(places) / columns)
    width, height = {1: 6.0, 2: 4.4}.get(columns, 3.7), {1: 3.7, 2: 3.0}.get(rows, 2.7)
    wrapped = {p: _wrapped(text, width - 0.7) for p, text in (notes or {}).items() if text}
    lines = max((text.count("\n") + 1 for text in wrapped.values()), default=0)
    room, above = lines * NOTE_LINE, above + NOTE_LINE * bool(above and lines)
    figure = agg_figure(width * columns + LEGEND_INCHES, (height + room / 72) * rows + 1.0)
    figure.suptitle(title, x=0.01, ha="left", fontsize=14)
    panels = fill(figure, places, columns, sharex=True)
    for index, place in enumerate(places):
        if place is None:
            continue
        cell = panels[place]
        _head(cell, place.game, wrapped.get(place, ""), room, above if index < columns else 0)
        cell.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_number(value, 10_000)))
        cell.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        if not any(places[index + columns :: columns]):  # also the panel above an empty cell
            cell.tick_params(labelbottom=True)
            cell.set_xlabel(x_label)
    if rows == 1:
        next(iter(panels.values())).set_ylabel(y_label)
    else:
        figure.supylabel(y_label, fontsize=10, color=INK)
    return figure, panels


def fill(
    figure: Figure, places: Sequence[Place | None], columns: int, *, sharex: bool = False
) -> dict[Place, Axes]:
    """An empty panel for each place of a figure, row by row; None leaves its cell empty."""
    rows = math.ceil(len(places) / columns)
    cells = figure.subplots(rows, columns, sharex=sharex, squeeze=False)
    panels: dict[Place, Axes] = {}
    for place, cell in zip_longest(places, cells.ravel()):
        if place is None:
            cell.remove()
        else:
            panels[place] = cell
    return panels


def _head(panel: Axes, title: str, note: str, room: float, above: float) -> None:
    """A panel's title and below it the note, `above` points over the panel."""
    panel.set_title(title, loc="left", y=1, pad=6 + above + room)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    look: dict[str, Any] = {"va": "top", "fontsize": 8.5, "color": QUIET, "linespacing": 1.15}
    if note:
        panel.annotate(note, (0, 1), (0, 4 + above + room), **place, **look, gid="settings")


def _wrapped(text: str, inches: float) -> str:
    letters = int(inches * NOTE_LETTERS)
    return "\n".join(
        part
        for line in text.split("\n")
        for part in textwrap.wrap(unbroken(line), letters, break_on_hyphens=False)
    )


def share_y(panels: Mapping[Place, Axes]) -> None:
    """Panels of one game get one y axis that holds what is in all of them."""
    for game in {place.game for place in panels}:
        of_game = [panel for place, panel in panels.items() if place.game == game]
        lows, highs = zip(*(panel.get_ylim() for panel in of_game), strict=True)
        for panel in of_game:
            panel.set_ylim(min(lows), max(highs))


def agg_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, with an Agg canvas: pyplot and its backend play no part."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """The legend to the right of the panels; the figure grows where there isn't room for it."""
    lines = [line for handle in handles for line in str(handle.get_label()).split("\n")]
    wider = LEGEND_LETTER * max(map(len, lines)) + 0.4 - LEGEND_INCHES
    figure.set_figwidth(figure.get_figwidth() + max(0, wider))
    figure.set_figheight(max(figure.get_figheight(), LEGEND_LINE * len(lines) + CAPTION_INCHES))
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


def draw_humans(panels: Mapping[Place, Axes], shown: Mapping[Place, Sequence[Run]]) -> list[Run]:
    """A line at a human's score where it is on a panel's y axis or near, which then grows.

    Returns for each game whose human is above its axis one of its runs.
    """
    above: dict[str, Run] = {}
    for place, panel in panels.items():
        low, high = panel.get_ylim()
        human = human_score(shown[place][0])
        if human is not None and human > high + NEAR * (high - low):
            above[place.game] = shown[place][0]
        elif human is not None:
            panel.set_ylim(low, max(high, human + 0.02 * (high - low)))
            panel.axhline(human, **HUMAN, zorder=1.5, gid="human")
    return list(above.values())


def human_handles(panels: Mapping[Place, Axes]) -> list[Line2D]:
    """The legend entry for those lines, if there are any."""
    drawn = any(line.get_gid() == "human" for panel in panels.values() for line in panel.lines)
    return [Line2D([], [], **HUMAN, label="a human")] if drawn else []


def uniform_handle() -> Line2D:
    """The legend entry for a line at uniform attention."""
    return Line2D([], [], **UNIFORM, label="uniform attention")


def tick_number(value: float, plain_below: float = 1_000) -> str:
    """A tick exactly: 750, 20k, 2.5M; numbers below `plain_below` without a letter."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(scale, plain_below):
            return f"{value / scale:.6g}{letter}"
    return f"{value:.6g}"


def save(figure: Figure, stem: Path, kinds: Iterable[str] = ("png", "pdf")) -> list[Path]:
    """Writes `<stem>.<kind>` for each kind of KINDS, whole or not at all; returns the paths.

    The same figure gives the same bytes: no dates inside.
    """
    written = []
    stem.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(DPI)  # text that is rendered finer is a little wider
    with style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it costs as much as drawing, and would be done twice
    for kind in kinds:
        path = stem.with_suffix(f".{kind}")
        with replacing(path) as temporary, style():
            figure.savefig(temporary, format=kind, dpi=DPI, metadata=KINDS[kind])
        written.append(path)
    return written
