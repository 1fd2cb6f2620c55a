"""The tables of scores and of runs, and the notes below the first."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.entropy_scatter import games, position
from analysis.groups import Group, averaged, group, is_evaluated, mean_sd
from analysis.report.curves import flags_of, normalized
from analysis.report.values import (
    Value,
    cell,
    column,
    link,
    rounded,
    section,
    shown_path,
    table,
    text,
)
from analysis.runs import Run
from analysis.score_table import notes, plus_minus, score_table
from attn_ppo.config import RunConfig
from attn_ppo.formats import fixed, plain, short_number
from attn_ppo.learning.bands import are_own, bands

OTHERS = "range of our own runs at λ = 0, and of published scores"
ENTROPY = (
    "nats, summed over maps, over all steps of the games of the evaluation, else of the last "
    "updates: mean ± SD over seeds"
)
STUDY = "Nikulin et al. 2019, Table 1, only beside runs with its settings and steps"


def score_rows(runs: Sequence[Run], extra: Mapping[Group, Mapping[str, Value]]) -> Value:
    """The score table, in the order of `score_table`; `extra` are cells by group and column."""
    frame = score_table(runs).to_dict("records")
    at_hand = [run.config for run in runs if run.config.lambda_ == 0]
    rows = []
    for row, (key, members) in zip(frame, group(runs).items(), strict=True):
        cells = {**_cells(row, key, members, at_hand), **extra.get(key, {})}
        rows.append([cells.get(head["key"], cell("-")) for head in COLUMNS])
    shown = [
        number
        for number, head in enumerate(COLUMNS)
        if head["key"] in ALWAYS or any(row[number]["text"] not in ("-", "") for row in rows)
    ]
    kept = [[row[number] for number in shown] for row in rows]
    return {"columns": [COLUMNS[number] for number in shown], "rows": kept}


COLUMNS = (
    column("game", "game", left=True),
    column("lambda", "λ"),
    column("settings", "settings", left=True),
    column("seeds", "n", "seeds in the means; of unfinished ones only where none is finished"),
    column("score", "score", "evaluation on fresh games: mean ± SD over seeds"),
    column("training_score", "score, training", "last 100 training games: mean ± SD over seeds"),
    column("normalized", "human-normalised", "0 random play, 1 a human tester"),
    column("difference", "difference to λ = 0", "of mean scores, with its interval"),
    column("p", "p", "of the difference, corrected for all comparisons"),
    column("kept", "left above random", "of what is learned at λ = 0, its score above random play"),
    column("verdict", "verdict", "by the equivalence test, see the answer", left=True),
    column("entropy", "attention entropy", ENTROPY),
    column("steps", "agent steps"),
    column("random", "random play", "measured under the same protocol: mean ± SD over games"),
    column("others", "others, at as many steps", OTHERS, left=True),
    column("study", "study's score", STUDY),
)
ALWAYS = ("game", "lambda", "seeds")


def _cells(
    row: dict[str, Any], key: Group, members: Sequence[Run], at_hand: Sequence[RunConfig]
) -> dict[str, Value]:
    """Of one group, by column; those `at_hand` are not beside themselves."""

    def pair(name: str) -> Value:
        mean, sd = row[f"{name}_mean"], row[f"{name}_sd"]
        return cell(plus_minus(mean, sd), mean)

    beside = bands(members[0].config, row["env_steps_max"], at_hand)
    human, _, _ = mean_sd(normalized(run, position(run)[1]) for run in averaged(members))
    begun = "*" * bool(row["unfinished"]) + "†" * bool(row["inexact"])
    steps = dict.fromkeys(short_number(row[f"env_steps_{end}"]) for end in ("min", "max"))
    return {
        "game": cell(key.game),
        "lambda": cell(plain(key.lambda_), key.lambda_),
        "settings": cell(key.variant.letter),
        "seeds": cell(f"{row['seeds']}{begun}", row["seeds"]),
        "score": pair("evaluation_score"),
        "training_score": pair("training_score"),
        "normalized": cell("-" if math.isnan(human) else fixed(human, 3), human),
        "entropy": pair("attention_entropy"),
        "steps": cell(" to ".join(steps)),
        "random": pair("random_score"),
        "others": cell(", ".join(map(str, beside))),
        "study": pair("study_score"),
    }


def score_notes(runs: Sequence[Run]) -> list[str]:
    """How to read it: the notes of the score table."""
    lines: list[str] = []
    for line in notes(score_table(runs)):
        if line.startswith("- "):
            lines.append(line.removeprefix("- ").replace("\\*", "*"))
        else:
            lines[-1] += f" {line.strip()}"
    if own := are_own(run.config for run in runs):
        lines.append(
            f"Our own runs that others are held against: {own} of them are these here (the same "
            "game, protocol, steps and seed at λ = 0), and left out."
        )
    return lines


def flags_section(runs: Sequence[Run], root: Path) -> Value:
    """The runs that don't seem to learn, with the likely reason."""
    heads = [column(name, name, left=True) for name in ("run", "flag", "what is seen", "folder")]
    rows = [
        [cell(run.label), cell(flag.kind), cell(flag.told), cell(shown_path(run.folder, root))]
        for run in runs
        for flag in flags_of(run)
    ]
    about = (
        "Flagged is a run that is no better than random play after a fifth of its steps, whose "
        "policy tries nothing any more, or whose attention is the same in all states."
    )
    if not rows:
        return section("flags", "Is it learning?", [text(f"No run is flagged. {about}")])
    flagged = len({row[3]["text"] for row in rows})
    told = f"{flagged} of {len(runs)} runs {'is' if flagged == 1 else 'are'} flagged. {about}"
    return section("flags", "Is it learning?", [text(told), table(heads, rows)])


def runs_section(runs: Sequence[Run], root: Path, out: Path) -> Value:
    """Every run in a line."""
    heads = [
        column("game", "game", left=True),
        column("lambda", "λ"),
        column("settings", "settings", left=True),
        column("seed", "seed"),
        column("score", "score"),
        column(
            "games", "games", "that the score is the mean of; of training without an evaluation"
        ),
        column("normalized", "human-normalised"),
        column("entropy", "attention entropy", "nats, summed over maps"),
        column("steps", "agent steps"),
        column("state", "state", left=True),
        column("folder", "folder", left=True),
    ]
    rows = [[*_run(run), _folder(run, root, out)] for run in runs]
    return section("runs", f"Every run ({len(runs)})", [table(heads, rows)], folded=True)


def _run(run: Run) -> list[Value]:
    entropy, score = position(run)
    human = normalized(run, score)
    return [
        cell(run.config.env),
        cell(plain(run.config.lambda_), run.config.lambda_),
        cell(run.variant.letter),
        cell(run.config.seed),
        cell(rounded(score), score),
        cell(f"{len(games(run))}{'' if is_evaluated(run) else ' of training'}"),
        cell("-" if math.isnan(human) else fixed(human, 3), human),
        cell("-" if math.isnan(entropy) else fixed(entropy, 3), entropy),
        cell(f"{run.env_steps:,}", run.env_steps),
        cell(run.unfinished or "finished"),
    ]


def _folder(run: Run, root: Path, out: Path) -> Value:
    path = shown_path(run.folder, root)
    inside = run.folder.resolve().is_relative_to(root.resolve())
    return cell(path, href=link(run.folder, out)) if inside else cell(path)
