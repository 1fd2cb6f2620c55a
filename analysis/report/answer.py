"""The answer: claims in words, their intervals for the figure, and cells of the score table."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from analysis.claims import claims
from analysis.claims_table import notes
from analysis.claims_words import kept
from analysis.comparisons import COSTS, COSTS_NOTHING, ONE_SEED, Comparison, OverGames
from analysis.groups import Group
from analysis.report.curves import Places
from analysis.report.values import Value, cell, column, items, number, rounded, section, table
from analysis.runs import Run
from attn_ppo.formats import fixed, plain

NOT_HERE = "Loss that can be told"  # a note on a column of claims.md alone
TONES = {COSTS_NOTHING: "good", COSTS: "bad"}  # of a verdict; the others are open


class Answers(NamedTuple):
    """What the page says first, and what it rests on."""

    words: list[Value]  # one a variant
    differences: list[Value]  # of the figure
    cells: dict[Group, dict[str, Value]]  # of the score table, by column
    margin: str
    warning: str
    section: Value


def answers_of(runs: Sequence[Run], places: Places, margin: float) -> Answers:
    """What the runs say to the question, with that margin, a share of what is learned."""
    found = claims(runs, margin=margin)
    words = [
        {"variant": places.variant(each.variant), "headline": each.headline, "more": each.more}
        for each in found.answers
    ]
    over = [row for row in found.over if len(row.games) > 1]
    known = [row for row in found.comparisons if not math.isnan(row.kept.value)]
    return Answers(
        words,
        [*(_over_games(row, places) for row in over), *(_of_game(row, places) for row in known)],
        {Group(row.game, row.lambda_, row.variant): _cells(row) for row in found.comparisons},
        margin_words(margin) if known else "",
        warning(found.left_out, len(runs)),
        section("statistics", "How the answer was reached", _rests_on(over, margin)),
    )


def margin_words(margin: float) -> str:
    """How to read the figure."""
    return (
        f"Costs nothing: a drop of {plain(100 * margin)} % or more of what is learned at λ = 0, "
        "its score above random play, is ruled out at 5 %, here and at every smaller λ: the whole "
        "bar lies right of the dashed line. Dots: means over seeds. Bars: 90 % intervals, as "
        "belong to two one-sided tests; over games 95 %."
    )


def warning(left_out: int, runs: int) -> str:
    """That the scores of runs are missing that would count."""
    if not left_out:
        return ""
    are = "is" if left_out == 1 else "are"
    return f"{left_out} of {runs} runs {are} not finished and left out of this: it may change."


def _of_game(row: Comparison, places: Places) -> Value:
    """A row of the figure, in per cent of what is learned at lambda 0."""
    change, low, high = (100 * (each - 1) for each in row.kept[:3])
    lines = [f"score {_with_ends(row.score)}, at λ = 0 {_with_ends(row.base)}"]
    lines += [f"keeps {_kept(row)} of what is learned at λ = 0"]
    lines += [] if math.isnan(row.p_corrected) else [f"p = {_p(row)} of no difference, corrected"]
    lines += [f"n = {row.score.n} and {row.base.n} seeds, {row.scored}"]
    seeds = min(row.score.n, row.base.n)
    return _row(row, places, row.game, seeds, (change, low, high), row.verdict, row.why, lines)


def _over_games(row: OverGames, places: Places) -> Value:
    """The same over games, in human-normalised scores."""
    lines = [f"human-normalised {_with_ends(row.iqm)}, at λ = 0 {_with_ends(row.base_iqm)}"]
    lines += [f"interquartile mean over {len(row.games)} games, n ≥ {row.iqm.n} seeds"]
    seeds = min(row.iqm.n, row.base_iqm.n)
    return _row(row, places, None, seeds, row.difference[:3], row.everywhere, "", lines)


def _row(
    row: Comparison | OverGames,
    places: Places,
    game: str | None,
    seeds: int,
    ends: Sequence[float],
    verdict: str,
    why: str,
    lines: Sequence[str],
) -> Value:
    value, low, high = map(number, ends)
    told = [f"{game or 'all games'} λ = {plain(row.lambda_)}", *lines]
    return {
        "game": None if game is None else places.game(game),
        "lambda": places.lambda_(row.lambda_),
        "variant": places.variant(row.variant),
        "value": value,
        "low": low,
        "high": high,
        "seeds": seeds,
        "verdict": "one seed" if why == ONE_SEED else verdict,
        "tone": _tone(verdict),
        "told": [*told, f"{verdict}: {why}" if why else verdict],
    }


def _cells(row: Comparison) -> dict[str, Value]:
    verdict = "one seed" if row.why == ONE_SEED else row.verdict
    return {
        "difference": cell(_with_ends(row.difference, signed=True), row.difference.value),
        "p": cell(_p(row), row.p_corrected),
        "kept": cell(_kept(row), row.kept.value),
        "verdict": cell(verdict, tone=_tone(row.verdict)),
    }


def _rests_on(over: Sequence[OverGames], margin: float) -> list[Value]:
    """The table over games, and notes."""
    heads = [
        column("lambda", "λ"),
        column("settings", "settings", left=True),
        column("games", "games"),
        column("n", "n", "seeds, of the game that has fewest"),
        column("iqm", "interquartile mean", "of human-normalised scores, 95 % interval"),
        column("difference", "difference to λ = 0"),
        column("gap", "short of a human", "optimality gap: the mean of what lacks to 1"),
        column("improvement", "better than λ = 0", "how probably a run scores above one of λ = 0"),
        column("verdict", "all games", left=True),
    ]
    rows = [
        [
            cell(plain(row.lambda_), row.lambda_),
            cell(row.variant.letter),
            cell(len(row.games)),
            cell(row.iqm.n),
            cell(_with_ends(row.iqm), row.iqm.value),
            cell(_with_ends(row.difference, signed=True), row.difference.value),
            cell(_with_ends(row.gap), row.gap.value),
            cell(_with_ends(row.improvement), row.improvement.value),
            cell(row.everywhere, tone=_tone(row.everywhere)),
        ]
        for row in over
    ]
    told = [note for note in notes(margin) if not note.startswith(NOT_HERE)]
    return [*[table(heads, rows)] * bool(rows), items(told, quiet=True)]


def _tone(verdict: str) -> str:
    return TONES.get(verdict, "open")


def _p(row: Comparison) -> str:
    p = row.p_corrected
    return "-" if math.isnan(p) else "< 0.001" if p < 0.0005 else fixed(p, 3)


def _kept(row: Comparison) -> str:
    """`97 % [91, 103]`; without an end that isn't known."""
    return "-" if math.isnan(row.kept.value) else kept(row)


def _with_ends(of: Any, *, signed: bool = False) -> str:
    """`11.9 [10.4, 13.3]`, of a difference with its sign; `-` where unknown."""
    plus = "+" if signed and of.value > 0 else ""
    ends = "" if math.isnan(of.low) else f" [{rounded(of.low)}, {rounded(of.high)}]"
    return f"{plus}{rounded(of.value)}{ends}"
