"""Final scores per game and lambda beside the study's, as CSV and Markdown.

The study: Nikulin, Kosch, Steuer, Cunningham 2019, 'Regularization and visualization of attention
in reinforcement learning agents', Table 1: mean and SD over 5 seeds of the score of the last 100
training games after 10M agent steps (40M frames). study_results.csv is that table.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.runs import Run
from analysis.stats import (
    attention_entropy,
    averaged,
    evaluation_score,
    group,
    mean_sd,
    training_score,
)
from attn_ppo.config import fixed, plain, short_number
from attn_ppo.lifecycle.disk import write_atomically

STUDY_FILE = Path(__file__).with_name("study_results.csv")
STUDY_STEPS = 10_000_000
NOTHING = (math.nan, math.nan)
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
    "study's score",
)


def score_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a game and lambda: n, mean and SD over seeds of each measure, the study's numbers.

    `seeds` are those in the means, `unfinished` how many of the group's runs are not whole,
    `inexact` how many were once resumed on other versions or another machine.
    What isn't there (an SD of one seed, a game that the study lacks) is nan.
    """
    study = {(game, lambda_): numbers for game, lambda_, *numbers in read_study()}
    rows = []
    for (game, lambda_), members in group(runs).items():
        used = averaged(members)
        row = {"env": game, "lambda": lambda_, "seeds": len(used)}
        row["unfinished"] = sum(bool(run.unfinished) for run in members)
        row["inexact"] = sum(bool(run.inexact_at) for run in members)
        for name, measure in MEASURES.items():
            mean, sd, count = mean_sd(measure(run) for run in used)
            row |= {f"{name}_mean": mean, f"{name}_sd": sd, f"{name}_seeds": count}
        steps = [run.env_steps for run in used]
        row |= {"env_steps_min": min(steps), "env_steps_max": max(steps)}
        known = study.get((game, lambda_)) if all(map(is_like_the_study, used)) else None
        row |= dict(zip(("study_score_mean", "study_score_sd"), known or NOTHING, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def read_study() -> list[tuple[str, float, float, float]]:
    """Table 1: game, lambda, mean and SD of the final score."""
    return list(pd.read_csv(STUDY_FILE).itertuples(index=False, name=None))


def is_like_the_study(run: Run) -> bool:
    """Whether the run has the study's attention and its deterministic games."""
    attention = (run.config.attention.gate, run.config.attention.maps)
    return attention == ("softmax", 2) and run.config.protocol.sticky_actions == 0


def to_markdown(table: pd.DataFrame) -> str:
    """The table as Markdown; `-` where nan, `*` for unfinished seeds, `†` for inexact ones."""
    lines = [f"| {' | '.join(HEADINGS)} |", "| --- |" + " ---: |" * (len(HEADINGS) - 1)]
    for row in table.to_dict("records"):
        marks = "*" * bool(row["unfinished"]) + "†" * bool(row["inexact"])
        cells = [row["env"], plain(row["lambda"]), f"{row['seeds']}{marks}"]
        for name in MEASURES:
            cell = plus_minus(row[f"{name}_mean"], row[f"{name}_sd"])
            fewer = 0 < row[f"{name}_seeds"] < row["seeds"]
            cells.append(f"{cell} (n = {row[f'{name}_seeds']})" if fewer else cell)
        steps = dict.fromkeys(short_number(row[f"env_steps_{end}"]) for end in ("min", "max"))
        study = f"{row['study_score_mean']:g} ± {row['study_score_sd']:g}"
        cells += [" to ".join(steps), "-" if math.isnan(row["study_score_mean"]) else study]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *notes(table), ""])


def notes(table: pd.DataFrame) -> list[str]:
    """Notes on how to read the table, as list items."""
    lines = [
        "- Mean ± SD over seeds (n - 1 in the denominator); raw scores of whole games.",
        "- Study: Nikulin et al. 2019, Table 1: 5 seeds, last 100 training games, 10M agent steps.",
        "  Only beside runs with its attention (softmax, 2 maps) and without sticky actions.",
    ]
    if any(steps < 0.99 * STUDY_STEPS for steps in table["env_steps_max"]):
        lines.append("- Rows with fewer than 10M agent steps can't be held against the study's.")
    if any(table["unfinished"]):
        lines.append(
            "- \\* unfinished runs: left out of the mean unless the row has no finished one."
        )
    if any(table["inexact"]):
        lines.append("- † with runs resumed inexactly, on other versions or another machine.")
    return lines


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
