"""Final score against attention entropy: a dot a run, a cross a group's mean.

The study's second figure (Nikulin et al. 2019), from the evaluation on fresh games where there is
one. The study's scores are those of the last 100 training games, and its entropy is the mean over
the minibatches of the last update, which metrics.csv has in its last row.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from analysis.captions import (
    count_text,
    inexact_text,
    random_text,
    sd_text,
    seeds_text,
    unfinished_text,
)
from analysis.groups import (
    CELLS,
    Group,
    attention_entropy,
    averaged,
    evaluation_games,
    evaluation_score,
    group,
    is_evaluated,
    lambdas_of,
    last_games,
    mean_sd,
    training_score,
    uniform_entropies,
)
from analysis.layout import Layout, layout_of, left_out_text, legend_handles, with_counts
from analysis.panels import (
    QUIET,
    UNIFORM,
    Place,
    draw_random_play,
    footnote,
    gap,
    grid,
    legend,
    random_handles,
    share_y,
    style,
)
from analysis.runs import Run
from attn_ppo.formats import fixed
from attn_ppo.variants import NO_ATTENTION, Variant

DOT: dict[str, Any] = {"s": 34, "zorder": 3}
CROSS: dict[str, Any] = {"marker": "x", "s": 62, "linewidth": 2.3, "zorder": 5}
LONE: dict[str, Any] = CROSS | {"s": 80, "zorder": 2.8}  # behind the dot of a single run
BAR: dict[str, Any] = {"fmt": "none", "lw": 1.2, "capsize": 3, "zorder": 2.5}
MARGIN = 0.05  # of the range of scores, above and below


def draw_entropy_scatter(runs: Sequence[Run], *, ddof: int = 1) -> Figure | None:
    """The figure, None if no run has attention; dots carry the id `run <group> <seed>`, crosses
    `mean <group>`. Colours are those of all `runs`, with attention or not.

    The bars' SD has n - `ddof` in its denominator.
    """
    having = [run for run in runs if not math.isnan(sum(position(run)))]
    if not having:
        return None
    layout = layout_of(runs, having)
    drawn = [run for run in runs if run.variant not in layout.left_out]
    shown = [run for run in having if run.variant not in layout.left_out]
    with style():
        figure, panels = grid(
            layout.places,
            columns=layout.columns,
            title="Final score and attention entropy",
            x_label="attention entropy (nats, sum over maps)",
            y_label="mean raw score",
            notes=with_counts(layout, shown),
        )
        for place, panel in panels.items():
            draw_panel(panel, [run for run in shown if layout.place(run) == place], layout, ddof)
        bound = draw_limits(layout, panels, shown)
        share_y(panels)
        legend(figure, [*legend_handles(layout, shown, ls="", ms=6), *mark_handles(shown)])
        footnote(figure, f"{caption(drawn, shown, bound, ddof)} {left_out_text(layout)}")
    return figure


def position(run: Run) -> tuple[float, float]:
    """Attention entropy and score, both of the evaluation or both of the end of training."""
    score = evaluation_score(run) if is_evaluated(run) else training_score(run)
    return attention_entropy(run), score


def games(run: Run) -> np.ndarray:
    """(n,) scores of the games that the score at its position is the mean of."""
    return evaluation_games(run) if is_evaluated(run) else last_games(run)


def draw_panel(panel: Axes, runs: Sequence[Run], layout: Layout, ddof: int) -> None:
    """Dots, hollow without an evaluation, the means' crosses with their bars, and random play.

    The means of a variant are joined in lambda's order.
    """
    paths: dict[Variant, list[tuple[float, float]]] = {}
    shown: list[float] = []
    for key, members in group(runs).items():
        color, marker = layout.look(key)
        for run in members:
            look = {"facecolor": color, "edgecolor": "white", "linewidth": 0.7}
            if not is_evaluated(run):
                look = {"facecolor": "white", "edgecolor": color, "linewidth": 1.3}
            dot = panel.scatter(*position(run), **DOT, **look, marker=marker)
            dot.set(gid=f"run {key.id} {run.config.seed}", clip_on=False)
            shown.append(position(run)[1])
        mean, low, high = draw_mean(panel, key, members, color, ddof)
        paths.setdefault(key.variant, []).append(mean)
        shown += [low, high]
    for variant, means in paths.items():
        if len(means) > 1:
            look = {"color": "#bdbdbd", "lw": 1, "zorder": 2}
            panel.plot(*zip(*means, strict=True), **look, gid=f"path {variant.letter}".rstrip())
    known = draw_random_play(panel, runs)
    draw_scores(panel, [*shown, *(score.mean for score in known or [])], with_zero=not known)


def draw_mean(
    panel: Axes, key: Group, members: Sequence[Run], color: str, ddof: int
) -> tuple[tuple[float, float], float, float]:
    """A group's cross and its bar of one SD; returns the cross's place and the bar's ends."""
    used = averaged(members)
    (x, _, _), (y, sd, _) = (mean_sd(v, ddof) for v in zip(*map(position, used), strict=True))
    if len(used) == 1:
        sd = mean_sd(games(used[0]), ddof)[1]
    look = CROSS if len(used) > 1 else LONE
    cross = panel.scatter(x, y, **look, color=color)
    cross.set(gid=f"mean {key.id}", clip_on=False)
    if len(used) > 1:
        cross.set_path_effects([Stroke(linewidth=4.2, foreground="white"), Normal()])
    if math.isnan(sd):
        return (x, y), y, y
    panel.errorbar(x, y, sd, color=color, clip_on=False, **BAR)[2][0].set_gid(f"sd {key.id}")
    return (x, y), y - sd, y + sd


def draw_scores(panel: Axes, scores: Iterable[float], with_zero: bool) -> None:
    """A y axis that holds all `scores`, those of random play among them, else also 0.

    So that differences that are small beside what agents learn, and beside the bars, look small.
    """
    scores = [*scores, *[0.0] * with_zero]
    low, high = min(scores), max(scores)
    margin = MARGIN * (high - low) or 1.0
    panel.set_ylim(low - margin, high + margin)


def draw_limits(layout: Layout, panels: Mapping[Place, Axes], shown: Sequence[Run]) -> str:
    """One x axis from 0 for all panels, with uniform attention marked where it fits; a note on it.

    K maps of 49 cells have at most K ln 49 nats together.
    """
    right = max(position(run)[0] for run in shown)
    bounds = {
        place: uniform_entropies(r for r in shown if layout.place(r) == place) for place in panels
    }
    fits = {bound for each in bounds.values() for bound in each if right > 0.75 * bound}
    for place, panel in panels.items():
        panel.set_xlim(0, max(*(1.04 * bound for bound in fits), 1.06 * right, 1e-3))
        for bound in bounds[place] & fits:
            panel.axvline(bound, **UNIFORM, gid="uniform")
    every = uniform_entropies(shown)
    if len(every) > 1:
        return f"Uniform attention (dashed where it fits): {fixed(math.log(CELLS), 2)} nats a map."
    (bound,) = every
    where = " (dashed)" if fits else ", off to the right"
    return f"Uniform attention would have {fixed(bound, 2)} nats{where}."


def mark_handles(shown: Sequence[Run]) -> list[Line2D]:
    """A legend's entry for each kind of mark that is there."""
    mark: dict[str, Any] = {"ls": "", "color": QUIET}
    kinds = []
    if any(is_evaluated(run) for run in shown):
        kinds.append(Line2D([], [], **mark, marker="o", ms=5, label="a run"))
    if not all(is_evaluated(run) for run in shown):
        label = "a run,\nnot evaluated"
        kinds.append(Line2D([], [], **mark, marker="o", ms=5, mfc="white", label=label))
    kinds.append(Line2D([], [], **mark, marker="x", ms=7, mew=2.2, label="mean of seeds"))
    return [gap(), *kinds, *random_handles(shown)]


def caption(runs: Sequence[Run], shown: Sequence[Run], bound: str, ddof: int) -> str:
    """Where the numbers are from, how many seeds, who is left out and who unfinished."""
    each = "λ and settings" if any(run.variant.settings for run in shown) else "λ"
    sentences = [f"{seeds_text(shown)} for each {each}.".capitalize(), games_text(shown)]
    sentences += [bars_text(shown, ddof), random_text(shown)]
    if len(lambdas_of(shown)) > 1:
        sentences.append("Grey lines join the λ in ascending order.")
    sentences.append(bound)
    without = sum(run.config.attention.gate == "none" for run in runs)
    if without:
        left_out = f"Left out, without attention: {without} run{'s' * (without > 1)}."
        sentences.append(f"{left_out} With {NO_ATTENTION} there's no entropy.")
    scoreless = len(runs) - len(shown) - without
    if scoreless:
        sentences.append(f"Left out, no game finished: {scoreless} run{'s' * (scoreless > 1)}.")
    sentences += [unfinished_text(shown), inexact_text(shown)]
    return " ".join(filter(None, sentences))


def games_text(shown: Sequence[Run]) -> str:
    """How many games a run's score is the mean of, fresh ones or the last of training."""
    fresh = {len(games(run)) for run in shown if is_evaluated(run)} - {0}
    trained = {len(games(run)) for run in shown if not is_evaluated(run)} - {0}
    sentences = []
    if fresh:
        sentences.append(f"A run's score: mean of {count_text(fresh)} fresh games.")
    if not all(is_evaluated(run) for run in shown):
        of = f" {count_text(trained)}" if trained else ""
        sentences.append(f"Hollow: of the last{of} training games, not of fresh ones.")
    return " ".join(sentences)


def bars_text(shown: Sequence[Run], ddof: int) -> str:
    """What the bars are over: seeds, or the games of a single one."""
    sizes = [averaged(members) for members in group(shown).values()]
    lone = [games(used[0]) for used in sizes if len(used) == 1]
    over = ["over seeds"] if any(len(used) > 1 for used in sizes) else []
    if any(len(each) > 1 for each in lone):
        over.append("of a single seed over its games" if over else "over a seed's games")
    return f"Bars: {sd_text(ddof)}, {', '.join(over)}." if over else ""
