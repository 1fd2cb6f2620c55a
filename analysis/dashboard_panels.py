"""The workspace of a project on W&B as data: `workspace` lists its sections, panels and groups.

Curves are averaged over what differs in nothing but the seed: W&B's table groups runs by game,
lambda and the settings in which the runs differ. Those averages are W&B's, over a sample of 100
runs; the section of means is drawn from `analysis.aggregates`, which averages all.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from analysis.aggregates import name_of
from analysis.groups import group
from analysis.panels import lambda_colors
from analysis.runs import Run
from analysis.wandb_account import Place
from attn_ppo.formats import plain
from attn_ppo.variants import settings_of

STEPS = "env_steps"
MOST_RUNS = 100  # in a panel, W&B's own limit
COLUMNS = 3
# Title, and what it shows, over agent steps.
SCORE = {
    "Score, last 100 games": "episode_return",
    "Human-normalised score": "learning/human_normalised",
}
ATTENTION = {
    "Attention entropy (nats)": "attention_entropy",
    "Overlap of the maps": "map_overlap",
    "How much maps differ between samples": "map_movement",
    "Policy entropy (nats)": "policy_entropy",
}
LEARNING = {
    "Value loss": "value_loss",
    "Policy loss": "policy_loss",
    "Explained variance": "explained_variance",
    "Approximate KL": "approx_kl",
    "Clip fraction": "clip_fraction",
    "Gradient norm": "grad_norm",
    "Length of games": "episode_length",
    "Learning rate": "learning_rate",
    "Agent steps a second": "env_steps_per_second",
}
# Of finished runs: what is on either axis.
AGAINST = {
    "Score against entropy of attention": ("evaluation/attention_entropy", "evaluation/score_mean"),
    "Score against λ": ("lambda", "evaluation/score_mean"),
    "Entropy of attention against λ": ("lambda", "evaluation/attention_entropy"),
}
BELIEVE = {
    "How much more attention is on the object than by chance": "believe/lift",
    "Share of frames in which it is seen": "believe/seen",
    "Attention and what the agent acts on agree": "believe/agreement",
    "... as much as maps of other times": "believe/agreement_shifted",
    "Change of the policy under uniform attention (KL, nats)": "believe/uniform_kl",
    "What acting depends on the object": "believe/importance",
}
MEDIA = {
    "While it learned": ("video/training",),
    "Games of the finished agents": ("video/game", "video/saliency"),
}
# Measure, its name in aggregates, and which numbers of it are lines.
MEANS = (
    ("mean score", "score", ("mean",)),
    ("95 % interval of the mean score", "score", ("low", "high")),
    ("mean entropy of attention", "entropy", ("mean",)),
    ("seeds", "score", ("n",)),
)
ABOUT = """Runs are grouped by game, λ and the settings in which they differ; a group averages seeds
alone. W&B averages a sample of 100 runs at most: the section *Means over all seeds* has all of them
(`python -m analysis.aggregates`). Agent steps are decisions of the agent over all its games."""
TABLE = (
    "config:env.value",
    "config:lambda.value",
    "config:seed.value",
    "run:state",
    "summary:env_steps",
    "summary:episode_return",
    "summary:evaluation/score_mean",
    "summary:evaluation/human_normalised",
    "summary:evaluation/attention_entropy",
    "summary:believe/lift",
    "summary:believe/agreement",
)


class Groups(NamedTuple):
    """What a project's runs are grouped by."""

    sweeps: list[str]
    names: list[str]  # as aggregates call them
    games: list[str]
    lambdas: list[float]
    keys: list[str]  # dotted settings in which they differ, beside game, lambda and seed


def groups_of(runs: Sequence[Run]) -> Groups:
    """The groups of these runs."""
    found = group(runs)
    names = [name_of(key.game, key.lambda_, key.variant.letter) for key in found]
    settings = [settings_of(run.config) for run in runs]
    values: dict[str, set[Any]] = {}
    for key, value in (pair for each in settings for pair in each):
        values.setdefault(key, set()).add(value)
    keys = sorted(key for key, several in values.items() if len(several) > 1)
    games, lambdas = dict.fromkeys(key.game for key in found), {key.lambda_ for key in found}
    sweeps = sorted({run.config.name for run in runs})
    return Groups(sweeps, names, list(games), sorted(lambdas), keys)


def workspace(place: Place, groups: Groups, answer: str = "") -> ws.Workspace:
    """The workspace of a project; `answer` is what its runs say of lambda, in words."""
    sections = [
        _section("What the runs say", [_words(answer)], columns=1, rows=1),
        _section("Score", [*map(_curve, SCORE.items()), *map(_against, AGAINST.items())]),
        _section("Means over all seeds", _means(groups)),
        _section("Attention", list(map(_curve, ATTENTION.items()))),
        _section("Whether to believe the maps", list(map(_bar, BELIEVE.items()))),
        _section(
            "Videos", [wr.MediaBrowser(title=t, media_keys=list(k)) for t, k in MEDIA.items()]
        ),
        _section("Learning", list(map(_curve, LEARNING.items())), is_open=False),
    ]
    return ws.Workspace(
        entity=place.entity,
        project=place.project,
        name=f"attn_ppo {one}" if (one := _one(groups)) else "attn_ppo",
        sections=[section for section in sections if section.panels],
        settings=ws.WorkspaceSettings(x_axis=STEPS, max_runs=MOST_RUNS),
        runset_settings=_runs(groups),
    )


def _section(
    name: str, panels: Sequence[Any], *, columns: int = COLUMNS, **more: Any
) -> ws.Section:
    rows = more.pop("rows", 0) or max(1, -(-len(panels) // columns))
    layout = ws.SectionLayoutSettings(columns=columns, rows=min(rows, 4))
    return ws.Section(
        name=name,
        panels=list(panels),
        is_open=more.get("is_open", True),
        layout_settings=layout,
        panel_settings=ws.SectionPanelSettings(x_axis=STEPS),
    )


def _words(answer: str) -> wr.MarkdownPanel:
    return wr.MarkdownPanel(markdown="\n\n".join(filter(None, (answer, ABOUT))))


def _curve(shown: tuple[str, str]) -> wr.LinePlot:
    """A column of metrics over agent steps: each group's mean over seeds, and its range."""
    title, metric = shown
    return wr.LinePlot(
        title=title,
        x=STEPS,
        y=[metric],
        title_x="agent steps",
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
    )


def _means(groups: Groups) -> list[wr.LinePlot]:
    """A panel a game and measure: a line each lambda and variant, as analysis.aggregates has it."""
    return [
        wr.LinePlot(
            title=f"{game}: {title}",
            x=STEPS,
            y=[f"{what}/{name}/{part}" for name in _of(game, groups) for part in parts],
            title_x="agent steps",
            max_runs_to_show=MOST_RUNS,
        )
        for game in groups.games
        for title, what, parts in MEANS
    ]


def _of(game: str, groups: Groups) -> list[str]:
    return [name for name in groups.names if name.startswith(f"{game}/")]


def _against(shown: tuple[str, tuple[str, str]]) -> wr.ScatterPlot:
    """A point a run."""
    title, (x, y) = shown
    axis = wr.Config(x) if x == "lambda" else wr.SummaryMetric(x)
    return wr.ScatterPlot(title=title, x=axis, y=wr.SummaryMetric(y))


def _bar(shown: tuple[str, str]) -> wr.BarPlot:
    """A bar a group, its mean over seeds."""
    title, metric = shown
    return wr.BarPlot(title=title, metrics=[metric], groupby_aggfunc="mean")


def _one(groups: Groups) -> str:
    """The sweep that a workspace is of; "" for one of a whole project."""
    return groups.sweeps[0] if len(groups.sweeps) == 1 else ""


def _runs(groups: Groups) -> ws.RunsetSettings:
    """W&B's table of runs: grouped, in lambda's colours, with the columns to look at first."""
    keys = ["lambda", "env", *groups.keys]
    colors: dict[object, object] = {
        plain(value): color for value, color in lambda_colors(groups.lambdas).items()
    }
    filters = ws.And(ws.Config("name") == one) if (one := _one(groups)) else ""
    return ws.RunsetSettings(
        filters=filters,
        groupby=[ws.Config(key) for key in keys],
        order=[ws.Ordering(ws.Config("lambda")), ws.Ordering(ws.Config("seed"))],
        group_colors=colors,
        pinned_columns=list(TABLE),
    )
