"""Final scores per game and lambda beside random play and the study's, as CSV and Markdown."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.groups import (
    attention_entropy,
    averaged,
    evaluation_games,
    evaluation_score,
    group,
    last_games,
    mean_sd,
    training_score,
)
from analysis.references import Score, is_like_the_study, random_score, study_score
from analysis.runs import Run
from attn_ppo.formats import fixed, plain, short_number
from attn_ppo.lifecycle.disk import write_atomically

MEASURES = {
    "evaluation_score": evaluation_score,
    "training_score": training_score,
    "attention_entropy": attention_entropy,
}
HEADINGS = (
    "game",
    "λ",
    "seeds",
    "score, evaluation",
    "score, last 100 training games",
    "attention entropy (nats)",
    "agent steps",
    "random play",
    "study's score",
)
MOST_KEYS = 3  # with columns of their own in Markdown
BEFORE_KEYS = "training_games_max"  # the last column that is always there


def score_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a group: n, mean and SD over seeds of each measure, random play, the study's numbers.

    `seeds` are those in the means, `unfinished` how many of the group's runs are not whole,
    `inexact` how many were once resumed on other versions or another machine. `variant` is empty
    where all runs share their settings, else each key that differs has a column, at the end.
    `*_games_*`: of how many games a run's score is the mean; `random_score_sd` is over games too.
    What isn't there (an SD of one seed, a game that the study lacks) is nan.
    """
    rows = []
    for (game, lambda_, variant), members in group(runs).items():
        used = averaged(members)
        row: dict[str, Any] = {"env": game, "lambda": lambda_, "seeds": len(used)}
        row["unfinished"] = sum(bool(run.unfinished) for run in members)
        row["inexact"] = sum(bool(run.inexact_at) for run in members)
        for name, measure in MEASURES.items():
            mean, sd, count = mean_sd(measure(run) for run in used)
            row |= {f"{name}_mean": mean, f"{name}_sd": sd, f"{name}_seeds": count}
        row |= _ends("env_steps", [run.env_steps for run in used])
        known = study_score(game, lambda_) if all(map(is_like_the_study, used)) else None
        row |= _mean_sd("study_score", known)
        row |= {"variant_letter": variant.letter, "variant": variant.name}
        row |= _mean_sd("random_score", random_score(used[0]))  # one variant, one protocol
        row |= _ends("evaluation_games", [len(evaluation_games(r)) for r in used if r.evaluation])
        row |= _ends("training_games", [len(last_games(run)) for run in used])
        rows.append(row | variant.values)
    return pd.DataFrame(rows)


def _ends(name: str, numbers: Sequence[int]) -> dict[str, int]:
    return {f"{name}_min": min(numbers, default=0), f"{name}_max": max(numbers, default=0)}


def _mean_sd(name: str, score: Score | None) -> dict[str, float]:
    mean, sd = (score.mean, score.sd) if score else (math.nan, math.nan)
    return {f"{name}_mean": mean, f"{name}_sd": sd}


def to_markdown(table: pd.DataFrame) -> str:
    """The table as Markdown; `-` where nan, `*` for unfinished seeds, `†` for inexact ones.

    Where there are several variants, a column has their letters. Up to three keys that differ have
    columns; of more a note for each letter has them.
    """
    keys = _keys(table)
    shown = keys if len(keys) <= MOST_KEYS else []
    headings = [*HEADINGS[:2], *["settings"] * bool(keys), *shown, *HEADINGS[2:]]
    lines = [f"| {' | '.join(headings)} |", "| --- |" + " ---: |" * (len(headings) - 1)]
    for row in table.to_dict("records"):
        marks = "*" * bool(row["unfinished"]) + "†" * bool(row["inexact"])
        cells = [row["env"], plain(row["lambda"]), *[row["variant_letter"]] * bool(keys)]
        cells += [row[key] for key in shown]
        cells.append(f"{row['seeds']}{marks}")
        for name in MEASURES:
            cell = plus_minus(row[f"{name}_mean"], row[f"{name}_sd"])
            fewer = 0 < row[f"{name}_seeds"] < row["seeds"]
            cells.append(f"{cell} (n = {row[f'{name}_seeds']})" if fewer else cell)
        cells.append(_range(short_number(row[f"env_steps_{end}"]) for end in ("min", "max")))
        for name in ("random_score", "study_score"):
            cells.append(plus_minus(row[f"{name}_mean"], row[f"{name}_sd"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes(table), ""])


def _keys(table: pd.DataFrame) -> list[str]:
    """The keys in which variants differ."""
    columns = list(table.columns)
    return columns[columns.index(BEFORE_KEYS) + 1 :]


def notes(table: pd.DataFrame) -> list[str]:
    """Notes on how to read the table, as list items."""
    lines = [
        "- Mean ± SD over seeds (n - 1 in the denominator); raw scores of whole games.",
        f"- Games that a run's score is the mean of: {_games(table)}.",
        "- Random play: mean ± SD over games, under the same protocol.",
        "- Study: Nikulin et al. 2019, Table 1: 5 seeds, last 100 training games, 10M agent steps;",
        "  SDs converted to n - 1 in the denominator. Its numbers are shown only beside runs with",
        "  its settings and, within a hundredth, its steps.",
    ]
    if len(_keys(table)) > MOST_KEYS:
        named = dict.fromkeys(zip(table["variant_letter"], table["variant"], strict=True))
        lines += [f"- Settings {letter}: {name}" for letter, name in named]
    if any(table["unfinished"]):
        lines.append(
            "- \\* unfinished runs: left out of the mean unless the row has no finished one."
        )
    if any(table["inexact"]):
        lines.append("- † with runs resumed inexactly, on other versions or another machine.")
    return lines


def _games(table: pd.DataFrame) -> str:
    """`evaluation 20, training 37 to 100`."""
    texts = []
    for kind in ("evaluation", "training"):
        ends = [
            games
            for games in zip(table[f"{kind}_games_min"], table[f"{kind}_games_max"], strict=True)
            if games[1]
        ]
        if ends:
            few, many = min(few for few, _ in ends), max(many for _, many in ends)
            texts.append(f"{kind} {_range([str(few), str(many)])}")
    return ", ".join(texts) or "none"


def _range(ends: Iterable[str]) -> str:
    """`20`, or `4 to 20`."""
    return " to ".join(dict.fromkeys(ends))


def plus_minus(mean: float, sd: float) -> str:
    """`131 ± 52`, `4.27 ± 0.31`, `131 ± -` without an SD, `-` without a mean."""
    if math.isnan(mean):
        return "-"
    digits = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2
    return f"{fixed(mean, digits)} ± {'-' if math.isnan(sd) else fixed(sd, digits)}"


def save_score_table(table: pd.DataFrame, stem: Path) -> list[Path]:
    """Writes `<stem>.csv`, empty where nan, and `<stem>.md`, each whole or not at all."""
    texts = {"csv": table.to_csv(index=False, float_format="%.8g"), "md": to_markdown(table)}
    paths = [stem.with_suffix(f".{kind}") for kind in texts]
    stem.parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths
