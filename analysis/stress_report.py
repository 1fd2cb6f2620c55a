"""What changed games cost: losses -> a Loss for each group of runs and change; table, figure."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.captions import count_text, seeds_text, unfinished_text
from analysis.groups import Group, group, group_of
from analysis.layout import Layout, layout_of, left_out_text, legend_handles
from analysis.panels import (
    INK,
    Place,
    agg_figure,
    fill,
    footnote,
    lambda_label,
    legend,
    style,
)
from analysis.runs import Run
from attn_ppo.formats import columns, fixed
from attn_ppo.interpret.believe.bootstrap import Interval, interval
from attn_ppo.interpret.believe.games import UNCHANGED

HEADS = ["game", "change", "lambda", "score", "changed", "lost", "95 % interval", "over"]
DODGE = 0.72  # of the room of a change that its lambdas share


class Played(NamedTuple):
    """The raw scores of a run's games, (games,), with one change or none."""

    run: Run
    change: str
    scores: np.ndarray


class Loss(NamedTuple):
    """What a change costs the agents of one game, lambda and settings."""

    group: Group
    change: str
    unchanged: float  # mean over seeds of the mean score
    changed: float
    percent: Interval  # of the unchanged score; negative where the change is a gain
    seeds: dict[int, float]  # the same of each seed alone


def losses(played: Sequence[Played]) -> list[Loss]:
    """In the order of groups, and in each of the changes; seeds that score 0 have no loss."""
    runs = list({id(each.run): each.run for each in played}.values())
    scores = {(id(each.run), each.change): each.scores for each in played}
    changes = list(dict.fromkeys(each.change for each in played if each.change != UNCHANGED.name))
    found = []
    for key, members in group(runs).items():
        for change in changes:
            pairs = {
                run.config.seed: (scores[id(run), UNCHANGED.name], scores[id(run), change])
                for run in members
                if (id(run), change) in scores
            }
            if pairs:
                found.append(_loss(key, change, pairs))
    return found


def _loss(key: Group, change: str, pairs: dict[int, tuple[np.ndarray, np.ndarray]]) -> Loss:
    before, after = (
        float(np.mean([scores.mean() for scores in every]))
        for every in zip(*pairs.values(), strict=True)
    )
    lost = {seed: lost_percent(*pair) for seed, pair in pairs.items()}
    percent = interval([[[each] for each in games] for games in lost.values()])
    means = {seed: float(games.mean()) for seed, games in lost.items()}
    return Loss(key, change, before, after, percent, means)


def lost_percent(unchanged: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """(games,) numbers with the mean 100 (1 - mean changed / mean unchanged), nan for no score.

    Their spread is that of this ratio over matched games, to first order.
    """
    if not unchanged.mean():
        return np.full(len(unchanged), math.nan)
    ratio = changed.mean() / unchanged.mean()
    return 100 * (1 - ratio + (ratio * unchanged - changed) / unchanged.mean())


def stress_table(found: Sequence[Loss]) -> pd.DataFrame:
    """A row a loss: scores, what is lost in per cent of the unchanged one, its 95 % interval."""
    return pd.DataFrame(
        {
            "env": loss.group.game,
            "lambda": loss.group.lambda_,
            "settings": loss.group.variant.name,
            "change": loss.change,
            "score_unchanged": loss.unchanged,
            "score_changed": loss.changed,
            "lost_percent": loss.percent.mean,
            "lost_percent_low": loss.percent.low,
            "lost_percent_high": loss.percent.high,
            "seeds": loss.percent.seeds,
            "games": loss.percent.games,
        }
        for loss in found
    )


def table_lines(found: Sequence[Loss]) -> list[str]:
    """The same for a terminal."""
    return columns([HEADS, *_cells(found)]) + _alone(found)


def table_markdown(found: Sequence[Loss]) -> str:
    """The same as a Markdown table."""
    rows = [HEADS, ["---", "---", *["---:"] * (len(HEADS) - 2)], *_cells(found)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, *("\n" + line for line in _alone(found))]) + "\n"


def _cells(found: Sequence[Loss]) -> list[list[str]]:
    """The lambdas of a change below each other."""
    rows = []
    order = list(dict.fromkeys((loss.group.game, loss.change) for loss in found))
    for loss in sorted(found, key=lambda loss: order.index((loss.group.game, loss.change))):
        key, percent = loss.group, loss.percent
        lambda_ = " ".join([lambda_label(key.lambda_), key.variant.letter]).rstrip()
        interval_text = f"{_percent(percent.low)} to {_percent(percent.high)}"
        over = f"{percent.seeds} seeds" if percent.seeds > 1 else f"{percent.games} games"
        scores = [fixed(loss.unchanged, 1), fixed(loss.changed, 1)]
        lost = [f"{_percent(percent.mean)} %", interval_text, over]
        rows.append([key.game, loss.change, lambda_, *scores, *lost])
    return rows


def _alone(found: Sequence[Loss]) -> list[str]:
    alone = any(loss.percent.seeds < 2 for loss in found)
    return ["One seed: no interval over seeds, but over its games."] * alone


def draw_stress(runs: Sequence[Run], found: Sequence[Loss]) -> Figure:
    """The figure: a panel a game, a row a change, a dot with its interval a lambda.

    Dots carry the id `lost <group> <change>`, a seed's `seed <group> <change> <seed>`.
    """
    layout = layout_of(runs, runs)
    shown = [run for run in runs if run.variant not in layout.left_out]
    with style():
        figure, panels = _grid(layout, found, shown)
        for place, panel in panels.items():
            of_place = [loss for loss in found if _place(layout, loss.group) == place]
            _draw_panel(panel, of_place, layout)
        legend(figure, legend_handles(layout, shown, ls="", ms=6))
        footnote(figure, f"{_caption(shown, found)} {left_out_text(layout)}")
    return figure


def _grid(
    layout: Layout, found: Sequence[Loss], shown: Sequence[Run]
) -> tuple[Figure, dict[Place, Axes]]:
    places, width = layout.places, {1: 6.4, 2: 5.2}.get(layout.columns, 4.6)
    rows = math.ceil(len(places) / layout.columns)
    groups = max(len({group_of(r) for r in shown if layout.place(r) == p}) for p in places if p)
    changes = max(len(_changes(found, place.game)) for place in places if place)
    height = changes * (0.18 + 0.13 * groups) + 0.9
    figure = agg_figure(width * layout.columns, height * rows + 1.1)
    figure.set_layout_engine("constrained", w_pad=0.1)
    figure.suptitle("Score lost in changed games", x=0.01, ha="left", fontsize=14)
    panels = fill(figure, places, layout.columns)
    for place, cell in panels.items():
        title = f"{place.game} {place.variant.letter}".rstrip()
        cell.set_title(title, loc="left")
        cell.set_xlabel("score lost, % (negative: gained)")
    return figure, panels


def _draw_panel(panel: Axes, found: Sequence[Loss], layout: Layout) -> None:
    changes = list(dict.fromkeys(loss.change for loss in found))
    groups = list(dict.fromkeys(loss.group for loss in found))
    step = DODGE / max(len(groups), 1)
    for loss in found:
        color, marker = layout.look(loss.group)
        middle = (len(groups) - 1) / 2
        y = changes.index(loss.change) + step * (groups.index(loss.group) - middle)
        name, percent = f"{loss.group.id} {loss.change}", loss.percent
        for seed, lost in loss.seeds.items() if len(loss.seeds) > 1 else ():
            dot = panel.scatter(lost, y, s=9, color=color, alpha=0.5, lw=0, zorder=2.5)
            dot.set_gid(f"seed {name} {seed}")
        panel.plot([percent.low, percent.high], [y, y], color=color, lw=1.4, zorder=2)
        look: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.7, "zorder": 3}
        dot = panel.scatter(percent.mean, y, s=38, color=color, marker=marker, **look)
        dot.set_gid(f"lost {name}")
    panel.axvline(0, color=INK, lw=0.9, zorder=1.5)
    for row in range(1, len(changes)):
        panel.axhline(row - 0.5, color="#e6e6e6", lw=0.7, zorder=1)
    panel.set_yticks(range(len(changes)), changes)
    panel.set_ylim(len(changes) - 0.5, -0.5)
    panel.grid(visible=False, axis="y")
    panel.tick_params(axis="y", length=0, labelcolor=INK)
    low, high = panel.get_xlim()
    panel.set_xlim(min(low, -10), max(high, 10))


def _changes(found: Sequence[Loss], game: str) -> list[str]:
    return list(dict.fromkeys(loss.change for loss in found if loss.group.game == game))


def _place(layout: Layout, key: Group) -> Place:
    place = Place(key.game, key.variant)
    return place if place in layout.places else Place(key.game)


def _caption(shown: Sequence[Run], found: Sequence[Loss]) -> str:
    each = "λ and settings" if any(run.variant.settings for run in shown) else "λ"
    games = {loss.percent.games for loss in found}
    sentences = [f"{seeds_text(shown)} for each {each}.".capitalize()]
    sentences.append(f"{count_text(games)} games with each change, on the seeds of unchanged ones.")
    sentences.append("Bars: 95 % intervals, each for itself,")
    several = any(loss.percent.seeds > 1 for loss in found)
    alone = any(loss.percent.seeds < 2 for loss in found)
    over = ["over seeds"] * several + ["over a single seed's games"] * alone
    sentences.append(f"{', or '.join(over)}.")
    return " ".join(filter(None, [*sentences, unfinished_text(shown)]))


def _percent(number: float) -> str:
    return "-" if math.isnan(number) else fixed(number, 0)
