"""Final score against attention entropy: a panel a game, a dot a run, a cross a lambda's mean.

The study's second figure (Nikulin et al. 2019), from the evaluation on fresh games where there is
one; the study took the entropy of the last training minibatch.
"""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke

from analysis.panels import (
    QUIET,
    footnote,
    grid,
    inexact_text,
    lambda_colors,
    lambda_label,
    seeds_text,
    style,
    unfinished_text,
)
from analysis.runs import Run
from analysis.stats import (
    attention_entropy,
    averaged,
    evaluation_score,
    group,
    is_evaluated,
    lambdas_of,
    mean_sd,
    training_score,
)

CELLS = 49  # of the 7 x 7 attention map
DOT: dict[str, Any] = {"s": 26, "linewidth": 1.1, "alpha": 0.6, "zorder": 3}
CROSS: dict[str, Any] = {"marker": "x", "s": 62, "linewidth": 2.3, "zorder": 5}


def draw_entropy_scatter(runs: Sequence[Run]) -> Figure | None:
    """The figure, None if no run has attention; dots carry the id `run <lambda> <seed>`, crosses
    `mean <lambda>`. Colours are those of all `runs`, with attention or not."""
    colors = lambda_colors(lambdas_of(runs))
    shown = [run for run in runs if not math.isnan(sum(position(run)))]
    if not shown:
        return None
    groups = group(shown)
    with style():
        figure, panels = grid(
            list(dict.fromkeys(game for game, _ in groups)),
            title="Final score and attention entropy",
            x_label="attention entropy (nats, sum over maps)",
            y_label="mean raw score",
        )
        for game, panel in panels.items():
            draw_game(panel, {k[1]: v for k, v in groups.items() if k[0] == game}, colors)
        bound = draw_limits(list(panels.values()), shown)
        handles = legend_handles({x: colors[x] for x in lambdas_of(shown)}, shown)
        figure.legend(handles=handles, loc="outside right center", frameon=False)
        footnote(figure, caption(runs, shown, bound))
    return figure


def position(run: Run) -> tuple[float, float]:
    """Attention entropy and score, both of the evaluation or both of the end of training."""
    score = evaluation_score(run) if is_evaluated(run) else training_score(run)
    return attention_entropy(run), score


def draw_game(panel: Axes, groups: dict[float, list[Run]], colors: dict[float, str]) -> None:
    """Dots, hollow without an evaluation, and the means' crosses, joined in lambda's order."""
    means = []
    for lambda_, members in groups.items():
        for run in members:
            face = colors[lambda_] if is_evaluated(run) else "white"
            dot = panel.scatter(*position(run), **DOT, facecolor=face, edgecolor=colors[lambda_])
            dot.set(gid=f"run {lambda_} {run.config.seed}", clip_on=False)
        used = [position(run) for run in averaged(members)]
        means.append([mean_sd(values)[0] for values in zip(*used, strict=True)])
        cross = panel.scatter(*means[-1], **CROSS, color=colors[lambda_])
        cross.set(gid=f"mean {lambda_}", clip_on=False)
        if len(used) > 1:  # a single run's dot stays visible below its cross
            cross.set_path_effects([Stroke(linewidth=4.2, foreground="white"), Normal()])
    if len(means) > 1:
        panel.plot(*zip(*means, strict=True), color="#bdbdbd", lw=1, zorder=2, gid="path")


def draw_limits(panels: list[Axes], shown: Sequence[Run]) -> str:
    """One x axis from 0 for all panels, with uniform attention marked where it fits; a note on it.

    K maps of 49 cells have at most K ln 49 nats together.
    """
    right = max(position(run)[0] for run in shown)
    maps = {run.config.attention.maps for run in shown}
    if len(maps) > 1:
        bound, note = math.inf, ""
    else:
        bound = maps.pop() * math.log(CELLS)
        note = f"Uniform attention would have {bound:.2f} nats"
    fits = right > 0.75 * bound
    for panel in panels:
        panel.set_xlim(0, max(1.04 * bound if fits else 0, 1.06 * right, 1e-3))
        if fits:
            panel.axvline(bound, color=QUIET, lw=1, ls=(0, (1, 2)), gid="uniform")
    return note and note + (" (dotted)." if fits else ", off to the right.")


def legend_handles(colors: dict[float, str], shown: Sequence[Run]) -> list[Line2D]:
    """A line for each lambda and each kind of mark that is there."""
    handles = [
        Line2D([], [], ls="", marker="o", ms=6, color=color, label=lambda_label(lambda_))
        for lambda_, color in colors.items()
    ]
    mark: dict[str, Any] = {"ls": "", "color": QUIET}
    kinds = []
    if any(is_evaluated(run) for run in shown):
        kinds.append(Line2D([], [], **mark, marker="o", ms=5, label="a run"))
    if not all(is_evaluated(run) for run in shown):
        label = "a run,\nnot evaluated"
        kinds.append(Line2D([], [], **mark, marker="o", ms=5, mfc="white", label=label))
    kinds.append(Line2D([], [], **mark, marker="x", ms=7, mew=2.2, label="mean of seeds"))
    gap = Line2D([], [], ls="", label="")
    return [*handles, gap, *kinds]


def caption(runs: Sequence[Run], shown: Sequence[Run], bound: str) -> str:
    """Where the numbers are from, how many seeds, who is left out and who unfinished."""
    sentences = [f"{seeds_text(shown)} for each λ.".capitalize()]
    if len(lambdas_of(shown)) > 1:
        sentences.append("Grey lines join the λ in ascending order.")
    if any(not is_evaluated(run) for run in shown):
        sentences.append("Hollow: from the end of training, not from fresh games.")
    sentences.append(bound)
    without = sum(run.config.attention.gate == "none" for run in runs)
    if without:
        sentences.append(f"Left out, without attention: {without} run{'s' * (without > 1)}.")
    scoreless = len(runs) - len(shown) - without
    if scoreless:
        sentences.append(f"Left out, no game finished: {scoreless} run{'s' * (scoreless > 1)}.")
    sentences += [unfinished_text(shown), inexact_text(shown)]
    return " ".join(filter(None, sentences))
