"""The verdict as tables: on the terminal, as CSV and as Markdown.

A game's lambdas stand side by side, measures below each other.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from attn_ppo.formats import columns, fixed, plain
from attn_ppo.interpret.believe.bootstrap import Interval
from attn_ppo.interpret.believe.phrases import number, of_lambda
from attn_ppo.interpret.believe.verdict import Comparison, Row, best_method
from attn_ppo.interpret.believe.verdict_measures import MEASURES
from attn_ppo.lifecycle.disk import write_atomically

OF_EACH = {  # of single agents, and how they are called in that table
    "score": "score",
    "entropy": "attention entropy",
    "stays": "strongest cell stays, steps",
    "lift": "lift",
    "lift_own_mean": "its own mean",
    "lift_fixed": "best fixed cell",
    "lift_as_high": "shifts as high",
    "information_more": "information, more than untrained",
    "agreement": "agreement",
    "uniform": "KL, uniform",
    "uniform_score": "score lost, uniform, %",
    "own_mean_score": "frozen, %",
}

NOTES = (
    "Mean and 95 % interval: over seeds by Student's t; of a single seed over its games and blocks "
    "of 50 steps, which says nothing of other seeds.",
    "The key object of a game is the one whose edits change the policy most, in the mean over all "
    "its agents. An edit moves, freezes or removes it in the real game; KL(pi || pi edited).",
    "Lift: attention on the key object over what a map even over all pixels has there; below it "
    "that of the best cell that never moves, known only afterwards, and of the map's own mean. "
    "Shifts as high: the share of shifts in time of the map with as great a lift.",
    "Strongest cell stays: for how many steps in a row, the mean over maps; a game's end cuts it. "
    "Of a map that doesn't move, what it leaves visible is all that the agent sees, so that it "
    "agrees with cause by construction.",
    "Key object seen: 0 for even attention, 1 for the best cell at each step.",
    "Agreement: Spearman's correlation of a map's mass on objects with their importance, over "
    "steps and objects; shifted in time it is what knowing the objects alone earns. The best "
    "method is the best by the same numbers, which flatters it, of those that pass the sanity "
    "check for all agents of the column.",
    "Agreement between methods: Spearman's correlation of two saliency methods' |map| at the same "
    "step, over patches of 6x6 pixels, the mean over steps and pairs; of one method, or of what "
    "stands beside the methods, the mean over the other methods.",
    "Polarity: Spearman's correlation of what a signed map says that objects add to the "
    "log-probability of the action with what is lost when they are removed.",
    "Sensitivity: how much noise of one grey level changes a map, in units of its own size, the "
    "median over steps, as is the KL of the policy under that noise.",
    "p: Welch's t against the smallest lambda, corrected by Holm for all tests of this table.",
)


def to_text(rows: Sequence[Row]) -> str:
    """For the terminal: a block a game and settings."""
    blocks = []
    for head, members in games_of(rows):
        cells = [[head, *map(head_of, members)], *cells_of(members)]
        blocks.append(
            "\n".join(f"{line}" for line in columns([[f"{c} " for c in r] for r in cells]))
        )
        blocks.append(_passing(members))
    return "\n".join(filter(None, blocks)) + "\n"


def to_markdown(rows: Sequence[Row], comparisons: Sequence[Comparison], words: str) -> str:
    """Verdict, tables of the measures, of objects and of methods, comparisons, and notes."""
    parts = ["# Verdict", words]
    for head, members in games_of(rows):
        heads = [*map(head_of, members)]
        parts += [f"## {head}", _table(["measure", *heads], cells_of(members))]
        parts.append(_table(["each agent", *OF_EACH.values()], _each(members)))
        if members[0].key:
            parts.append(
                _table(["KL if edited (nats)", *heads], _objects(members, "importance", 3))
            )
        parts.append(_table(["attention's lift on", *heads], _objects(members, "lift", 2)))
        parts.append(_table(["agreement of", *heads], _methods(members, "agreement")))
        parts.append(
            _table(["deletion over random, nats", *heads], _methods(members, "deletion", 3))
        )
        parts.append(_table(["agreement with other methods", *heads], _methods(members, "between")))
        parts.append(_table(["polarity of", *heads], _methods(members, "polarity")))
        parts.append(_table(["sensitivity of", *heads], _methods(members, "sensitivity")))
        parts.append(_passing(members))
    if comparisons:
        parts.append("## Against the smallest λ")
        heads = ["game", "measure", "λ", "difference", "p, corrected"]
        parts.append(_table(heads, [_comparison(each) for each in comparisons]))
    return "\n\n".join([*filter(None, parts), "\n".join(f"- {note}" for note in NOTES)]) + "\n"


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """A row each game, settings and lambda; nan where unknown."""
    found = []
    for row in rows:
        cells: dict[str, Any] = {
            "env": row.game,
            "settings": row.settings,
            "lambda": row.lambda_,
            "seeds": len(row.seeds),
            "object": row.key,
            "best_method": best_method(row),
            "passing": " ".join(name for name, share in row.passes.items() if share == 1),
        }
        for name, of in row.cells.items():
            cells |= {name: of.mean, f"{name}_low": of.low, f"{name}_high": of.high}
            cells[f"{name}_n"] = of.seeds
        found.append(cells)
    return pd.DataFrame(found)


def parts_frame(rows: Sequence[Row], part: str) -> pd.DataFrame:
    """A row each game, settings, lambda and object or method (`part`: objects, methods)."""
    found = []
    for row in rows:
        for name, measures in getattr(row, part).items():
            cells: dict[str, Any] = {
                "env": row.game,
                "settings": row.settings,
                "lambda": row.lambda_,
                "seeds": len(row.seeds),
                part.removesuffix("s"): name,
            }
            for what, of in measures.items():
                cells |= {what: of.mean, f"{what}_low": of.low, f"{what}_high": of.high}
            if part == "methods":
                cells["passes"] = row.passes.get(name, math.nan)
            found.append(cells)
    return pd.DataFrame(found)


def save_tables(
    rows: Sequence[Row], comparisons: Sequence[Comparison], words: str, stem: Path
) -> list[Path]:
    """Writes <stem>.md, <stem>.csv, <stem>_objects.csv, <stem>_methods.csv; returns the paths."""
    frames = {"": to_frame(rows)} | {
        f"_{part}": parts_frame(rows, part) for part in ("objects", "methods")
    }
    texts = {f"{stem.name}.md": to_markdown(rows, comparisons, words)}
    for name, frame in frames.items():
        texts[f"{stem.name}{name}.csv"] = frame.to_csv(index=False, float_format="%.6g")
    stem.parent.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(stem.parent / name, text)
    return [stem.parent / name for name in texts]


def games_of(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each game and settings, with what they are called."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row.game} {row.settings}".strip(), []).append(row)
    return list(found.items())


def head_of(row: Row) -> str:
    """What a column is called: `λ = 0.0005, 5 seeds`."""
    seeds = len(row.seeds)
    return f"{of_lambda(row)}, {seeds} seed{'s' * (seeds > 1)}"


def cells_of(rows: Sequence[Row]) -> list[list[str]]:
    """A line a measure: its title, then a cell a row; without those that no row has."""
    lines = []
    for name, measure in MEASURES.items():
        cells = [row.cells[name] for row in rows]
        if not all(math.isnan(cell.mean) for cell in cells):
            title = measure.title.replace("key object", rows[0].key or "key object")
            title = f"{title} ({rows[0].key})" if name == "lift" else title
            lines.append([title, *(_number(cell, measure.digits) for cell in cells)])
    return lines


def _each(rows: Sequence[Row]) -> list[list[str]]:
    """A line an agent."""
    return [
        [
            f"{of_lambda(row)}, seed {seed}",
            *(_alone(row.each[name][at], MEASURES[name].digits) for name in OF_EACH),
        ]
        for row in rows
        for at, seed in enumerate(row.seeds)
    ]


def _alone(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else fixed(value, digits)


def _number(cell: Interval, digits: int) -> str:
    return number(cell, digits)


def _objects(rows: Sequence[Row], what: str, digits: int) -> list[list[str]]:
    names = dict.fromkeys(name for row in rows for name in row.objects)
    lines = [[n, *(number(row.of_object(n, what), digits) for row in rows)] for n in names]
    return [line for line in lines if set(line[1:]) != {"-"}]


def _methods(rows: Sequence[Row], what: str, digits: int = 2) -> list[list[str]]:
    names = dict.fromkeys(name for row in rows for name in row.methods)
    lines = [[n, *(number(row.of_method(n, what), digits) for row in rows)] for n in names]
    return [line for line in lines if set(line[1:]) != {"-"}]


def _passing(rows: Sequence[Row]) -> str:
    """Which methods pass the sanity check, for how many of the agents."""
    shares: dict[str, list[float]] = {}
    for row in rows:
        for name, share in row.passes.items():
            shares.setdefault(name, []).append(share)
    if not shares:
        return ""
    told = (
        f"{name} {'yes' if min(each) == 1 else 'no' if max(each) == 0 else 'partly'}"
        for name, each in shares.items()
    )
    return f"Changed by new weights: {', '.join(told)}."


def _comparison(each: Comparison) -> list[str]:
    measure = MEASURES[each.measure]
    p = "one seed" if math.isnan(each.p) else fixed(each.p, 3)
    game = f"{each.game} {each.settings}".strip()
    return [game, measure.title, plain(each.lambda_), number(each.apart, measure.digits), p]


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    rows += [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join(rows) if len(rows) > 2 else ""
