"""Comparisons with lambda 0 as tables: for the terminal, as data frames, as Markdown."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from analysis.claims_words import kept, p_text, percent, seeds_text
from analysis.comparisons import FEW, Comparison, OverGames
from analysis.equivalence import Difference
from analysis.stats import Interval
from attn_ppo.formats import columns, fixed, plain

HEADS = ("game", "λ", "seeds", "score", "at λ = 0", "left above random", "difference")
HEADS += ("p, Holm", "loss that can be told", "better than λ = 0", "entropy (nats)", "verdict")
IN_TEXT = (0, 1, 2, 3, 4, 5, 7, 8, 11)  # of HEADS, for a terminal
OVER_HEADS = ("λ", "games", "interquartile mean", "at λ = 0", "difference", "short of a human")
OVER_HEADS += ("better than λ = 0", "all games")


def frame(rows: Sequence[Comparison]) -> pd.DataFrame:
    """A row a comparison; scores are raw, `kept` and what follows are shares of what lambda 0 has
    above random play; `improvement` is the probability that a run scores above one of lambda 0."""
    found = []
    for row in rows:
        cells: dict[str, Any] = {
            "env": row.game,
            "lambda": row.lambda_,
            "variant_letter": row.variant.letter,
            "variant": row.variant.name,
            "scored": row.scored,
            "env_steps": row.steps,
            "seeds": row.score.n,
            "base_seeds": row.base.n,
            "random": row.random,
            "margin": row.margin,
            **_interval("score", row.score),
            **_interval("base", row.base),
            **_interval("difference", row.difference),
            "p_welch": row.difference.p,
            "p": row.p,
            "p_corrected": row.p_corrected,
            "kept": row.kept.value,
            "kept_low": row.kept.low,
            "kept_high": row.kept.high,
            "p_drop": row.kept.p_drop,
            "p_gain": row.kept.p_gain,
            "equivalence": row.kept.verdict,
            **_interval("improvement", row.improvement),
            "entropy": row.entropy,
            "base_entropy": row.base_entropy,
            **_interval("entropy_difference", row.entropy_difference),
            "detectable": row.detectable,
            "seeds_needed": row.seeds_needed,
            "verdict": row.verdict,
            "why": row.why,
        }
        found.append(cells)
    return pd.DataFrame(found)


def frame_over_games(rows: Sequence[OverGames]) -> pd.DataFrame:
    """A row each variant and lambda; `seeds` of the game that has fewest."""
    found = []
    for row in rows:
        cells: dict[str, Any] = {
            "lambda": row.lambda_,
            "variant_letter": row.variant.letter,
            "variant": row.variant.name,
            "games": " ".join(row.games),
            "seeds": row.iqm.n,
            "base_seeds": row.base_iqm.n,
            **_interval("iqm", row.iqm),
            **_interval("base_iqm", row.base_iqm),
            **_interval("difference", row.difference),
            **_interval("optimality_gap", row.gap),
            **_interval("base_optimality_gap", row.base_gap),
            **_interval("improvement", row.improvement),
            "verdict": row.everywhere,
        }
        found.append(cells)
    return pd.DataFrame(found)


def to_text(rows: Sequence[Comparison]) -> str:
    """For the terminal."""
    lines = [[cells[place] for place in IN_TEXT] for cells in [HEADS, *map(_cells, rows)]]
    return "\n".join(columns([[f"{cell} " for cell in line] for line in lines])) + "\n"


def markdown(
    answer: str, rows: Sequence[Comparison], over: Sequence[OverGames], margin: float
) -> str:
    """Answer, tables and notes."""
    parts = ["# Up to which λ does sharpening attention cost nothing?", answer]
    if rows:
        parts += ["## Game by game", _table(HEADS, map(_cells, rows))]
    if any(row.games for row in over):
        parts += ["## Over games", _table(OVER_HEADS, map(_cells_over_games, over))]
        parts.append(f"Games: {', '.join(over[0].games)}.")
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes(margin))]) + "\n"


def notes(margin: float) -> list[str]:
    """How to read the tables."""
    return [
        "Brackets: 95 % intervals over seeds by Student's t, of differences by Welch's; over games "
        "with a bootstrap's error, stratified by game; 90 % for what is left, as belongs to two "
        "one-sided tests at 5 %.",
        f"Costs nothing: a loss of {percent(margin)} % or more of what λ = 0 scores above random "
        "play is ruled out by a one-sided test at 5 %, here and at every smaller λ of the game; "
        "tested in this order no correction is due. That holds for each game; for all games "
        "together too, where every one must pass.",
        "Costs: lower than λ = 0, p < 0.05 after Holm's correction for all comparisons of the "
        "table; p is the larger of Welch's and of that with the variance of all λ of the game. "
        "Undecided: neither. A p that isn't small is no sign that nothing is lost.",
        "Left above random: the score less random play's, over the same of λ = 0.",
        "Loss that can be told: the drop, as a share of the score above random play, that so many "
        "seeds, as far apart as these, would show in a one-sided test at 5 % four times of five.",
        "Better than λ = 0: the probability that a run scores above one of λ = 0.",
        "Over games: human-normalised scores, 0 for random play and 1 for a human.",
        "Seeds of two λ are not paired: they have no more in common than first weights.",
    ]


def _cells(row: Comparison) -> list[str]:
    variant = f" {row.variant.letter}" if row.variant.letter else ""
    change = "-"
    if not math.isnan(row.entropy + row.base_entropy):
        change = f"{fixed(row.base_entropy, 2)} → {fixed(row.entropy, 2)}"
    return [
        f"{row.game}{variant}",
        plain(row.lambda_),
        seeds_text(row).removesuffix(" seeds"),
        _number(row.score),
        _number(row.base),
        "-" if math.isnan(row.kept.value) else kept(row),
        _number(row.difference),
        "-" if math.isnan(row.p_corrected) else p_text(row.p_corrected).removeprefix("= "),
        _detectable(row),
        _share(row.improvement),
        change,
        row.verdict + f": {row.why}" * (row.why not in ("", FEW)),
    ]


def _detectable(row: Comparison) -> str:
    """`23 %`, of the score above random play."""
    loss = row.detectable / (row.base.value - row.random)
    return f"{percent(loss)} %" if math.isfinite(loss) and loss >= 0 else "-"


def _cells_over_games(row: OverGames) -> list[str]:
    variant = f" {row.variant.letter}" if row.variant.letter else ""
    return [
        f"{plain(row.lambda_)}{variant}",
        str(len(row.games)),
        *(_number(each, 3) for each in (row.iqm, row.base_iqm, row.difference, row.gap)),
        _share(row.improvement),
        row.everywhere,
    ]


def _number(of: Interval | Difference, digits: int | None = None) -> str:
    """`11.9 [10.4, 13.3]`; so many decimals that the value has three digits."""
    if math.isnan(of.value):
        return "-"
    if digits is None:
        largest = max(abs(each) for each in of[:3] if not math.isnan(each))
        digits = 0 if largest >= 100 else 1 if largest >= 10 else 2
    ends = f" [{fixed(of.low, digits)}, {fixed(of.high, digits)}]"
    return fixed(of.value, digits) + ends * (not math.isnan(of.low))


def _share(of: Interval) -> str:
    """`31 % [10, 63]`."""
    if math.isnan(of.value):
        return "-"
    ends = f" [{percent(of.low)}, {percent(of.high)}]" if not math.isnan(of.low) else ""
    return f"{percent(of.value)} %{ends}"


def _interval(name: str, of: Interval | Difference) -> dict[str, float]:
    return {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join([*rows, *(f"| {' | '.join(line)} |" for line in lines)])
