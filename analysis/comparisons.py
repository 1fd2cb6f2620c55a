"""Each lambda against lambda 0, game by game and over games: numbers and verdicts.

Only finished runs count. Runs that differ in more than the seed are apart: each variant has a
lambda 0 of its own. A game's scores are those of the evaluation where all its runs of the variant
have one, else of the last 100 training games, never of both.

`costs nothing`: a drop of the margin, a share of what lambda 0 scores above random play, is ruled
out at 5 %, and was so for every smaller lambda of the game. `costs`: lower than at lambda 0, with
p < 0.05 after Holm's correction for all comparisons, and the drop may be as large as the margin.
`no claim`: lambda 0 isn't shown to be better than random play, so it has nothing to lose.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from analysis.equivalence import (
    ALPHA,
    Difference,
    Equivalence,
    detectable,
    difference,
    equivalence,
    fixed_sequence,
    holm,
    p_above,
    p_apart,
    seeds_needed,
)
from analysis.groups import (
    attention_entropy,
    evaluation_score,
    is_evaluated,
    lambdas_of,
    order_games,
    training_score,
    variants_in,
)
from analysis.margin import MARGIN
from analysis.runs import Run
from analysis.stats import (
    Interval,
    Statistic,
    bootstrap,
    iqm,
    mean_interval,
    optimality_gap,
    probability_of_improvement,
)
from attn_ppo.atari.reference_scores import normalized, scale
from attn_ppo.variants import Variant

SEED = 0  # of the bootstrap: the same runs give the same numbers
COSTS_NOTHING, COSTS, UNDECIDED, NO_CLAIM = "costs nothing", "costs", "undecided", "no claim"
NONE_HERE, NONE_AT_ZERO = "no finished run", "no finished run of λ = 0"
ONE_SEED, SMALLER = "a single seed", "a smaller λ isn't shown to cost nothing"
AT_RANDOM = "λ = 0 isn't shown to be better than random play"
ALONE = "lower by itself, but not after correction for all comparisons"
FEW = "too few seeds, or too far apart"
NO_RANDOM = "random play isn't known: python -m analysis.random_play measures it"

NOTHING = Interval(math.nan, math.nan, math.nan, 0)


class Comparison(NamedTuple):
    """A lambda above 0 of one game against lambda 0, raw scores."""

    variant: Variant
    game: str
    lambda_: float
    scored: str  # evaluation, training
    steps: int  # agent steps of training
    score: Interval
    base: Interval
    random: float
    margin: float  # in raw score, of these runs
    difference: Difference
    p: float  # the larger of Welch's and that with the variance of all lambdas
    p_corrected: float  # by Holm, of all comparisons
    kept: Equivalence  # share of what lambda 0 has above random play
    improvement: Interval
    entropy: float  # nats
    base_entropy: float
    entropy_difference: Difference
    detectable: float  # drop that so many seeds show four times of five
    seeds_needed: float  # in each group, to rule out the margin four times of five
    verdict: str
    why: str  # of an undecided one and of no claim


class OverGames(NamedTuple):
    """A lambda above 0 against lambda 0 over games, in human-normalised scores."""

    variant: Variant
    lambda_: float
    games: tuple[str, ...]  # in which every lambda of the variant has a finished run
    iqm: Interval
    base_iqm: Interval
    difference: Interval
    gap: Interval  # optimality gap: how far below a human's, 1 at most
    base_gap: Interval
    improvement: Interval
    everywhere: str  # the verdict on all games together


class Cell(NamedTuple):
    """What the finished runs of a game, variant and lambda have: a number a seed, without nan."""

    scores: np.ndarray
    normalized: np.ndarray
    entropies: np.ndarray


class Played(NamedTuple):
    """A game of a variant: its cells by lambda, 0 and all others of the variant among them."""

    variant: Variant
    game: str
    scored: str
    steps: int
    random: float
    cells: dict[float, Cell]


def compare(
    runs: Sequence[Run], margin: float = MARGIN
) -> tuple[list[Comparison], list[OverGames]]:
    """All comparisons with lambda 0: variants, games in their order, lambdas ascending."""
    every = [game for variant in variants_in(runs) for game in _played(runs, variant)]
    rows = [_compare(of, each, margin) for of in every for each in of.cells if each > 0]
    corrected = holm([row.p for row in rows])
    rows = [row._replace(p_corrected=float(p)) for row, p in zip(rows, corrected, strict=True)]
    found = []
    for of in every:
        mine = [row for row in rows if (row.variant, row.game) == (of.variant, of.game)]
        passed = fixed_sequence([row.kept.p_drop for row in mine])
        found += [_judged(row, of, good) for row, good in zip(mine, passed, strict=True)]
    return found, _all_over_games(every, found)


def _played(runs: Sequence[Run], variant: Variant) -> list[Played]:
    """The games of a variant."""
    members = [run for run in runs if run.variant == variant]
    found = []
    for game in order_games(run.config.env for run in members):
        here = [run for run in members if run.config.env == game]
        finished = [
            run for run in sorted(here, key=lambda run: run.config.seed) if not run.unfinished
        ]
        scored = "evaluation" if finished and all(map(is_evaluated, finished)) else "training"
        if scored == "training":
            finished = [replace(run, evaluation=None) for run in finished]
        cells = {
            each: _cell([run for run in finished if run.config.lambda_ == each], scored)
            for each in sorted({0.0, *lambdas_of(members)})
        }
        ends = scale(game, here[0].config.protocol)  # a variant has one protocol
        random = ends.random if ends else math.nan
        found.append(Played(variant, game, scored, here[0].config.total_steps, random, cells))
    return found


def _cell(runs: Sequence[Run], scored: str) -> Cell:
    score = evaluation_score if scored == "evaluation" else training_score
    scores = [score(run) for run in runs]
    on_scale = [
        normalized(each, run.config.env, run.config.protocol)
        for each, run in zip(scores, runs, strict=True)
    ]
    return Cell(_known(scores), _known(on_scale), _known(map(attention_entropy, runs)))


def _compare(of: Played, lambda_: float, margin: float) -> Comparison:
    base, other = of.cells[0.0], of.cells[lambda_]
    raw = margin * (mean_interval(base.scores).value - of.random)
    return Comparison(
        variant=of.variant,
        game=of.game,
        lambda_=lambda_,
        scored=of.scored,
        steps=of.steps,
        score=mean_interval(other.scores),
        base=mean_interval(base.scores),
        random=of.random,
        margin=raw,
        difference=difference(base.scores, other.scores),
        p=p_apart(base.scores, other.scores, [cell.scores for cell in of.cells.values()]),
        p_corrected=math.nan,
        kept=equivalence(base.scores, other.scores, margin, floor=of.random),
        improvement=_improvement([base.scores], [other.scores]),
        entropy=mean_interval(other.entropies).value,
        base_entropy=mean_interval(base.entropies).value,
        entropy_difference=difference(base.entropies, other.entropies),
        detectable=detectable(base.scores, other.scores),
        seeds_needed=seeds_needed(base.scores, other.scores, raw),
        verdict=UNDECIDED,
        why="",
    )


def _judged(row: Comparison, of: Played, passed: bool) -> Comparison:
    """With its verdict; `passed`: no drop of the margin here, nor at any smaller lambda."""
    if row.base.n == 0:
        return row._replace(why=NONE_AT_ZERO)
    if row.score.n == 0:
        return row._replace(why=NONE_HERE)
    if min(row.base.n, row.score.n) == 1:
        return row._replace(why=ONE_SEED)
    if p_above(of.cells[0.0].scores, row.random) >= ALPHA:
        return row._replace(verdict=NO_CLAIM, why=AT_RANDOM)
    if passed:
        return row._replace(verdict=COSTS_NOTHING)
    if row.kept.costs_nothing:
        return row._replace(why=SMALLER)
    if row.difference.value < 0 and row.p_corrected < ALPHA:
        return row._replace(verdict=COSTS)
    if row.difference.value < 0 and row.difference.p < ALPHA:
        return row._replace(why=ALONE)
    return row._replace(why=NO_RANDOM if math.isnan(row.random) else FEW)


def _all_over_games(every: Sequence[Played], rows: Sequence[Comparison]) -> list[OverGames]:
    found = []
    for variant in dict.fromkeys(of.variant for of in every):
        games = [of for of in every if of.variant == variant]
        lambdas = [each for each in games[0].cells if any(len(g.cells[each].scores) for g in games)]
        shared = [g for g in games if all(len(g.cells[each].normalized) for each in lambdas)]
        for lambda_ in (each for each in games[0].cells if each > 0):
            mine = [row for row in rows if (row.variant, row.lambda_) == (variant, lambda_)]
            known = shared if {0.0, lambda_} <= set(lambdas) else []
            found.append(_over_games(variant, lambda_, known, mine))
    return found


def _over_games(
    variant: Variant, lambda_: float, games: Sequence[Played], rows: Sequence[Comparison]
) -> OverGames:
    base = [of.cells[0.0].normalized for of in games]
    other = [of.cells[lambda_].normalized for of in games]
    count = len(games)

    def of_both(statistic: Statistic) -> tuple[Interval, Interval, Interval]:
        """Of lambda, of lambda 0, and of the first less the second."""
        if not games:
            return NOTHING, NOTHING, NOTHING
        apart = bootstrap(
            [*base, *other],
            lambda scores: statistic(scores[count:]) - statistic(scores[:count]),
            rng=np.random.default_rng(SEED),
        )
        alone = [
            bootstrap(scores, statistic, rng=np.random.default_rng(SEED))
            for scores in (other, base)
        ]
        return alone[0], alone[1], apart

    middle, gap = of_both(iqm), of_both(optimality_gap)
    return OverGames(
        variant=variant,
        lambda_=lambda_,
        games=tuple(of.game for of in games),
        iqm=middle[0],
        base_iqm=middle[1],
        difference=middle[2],
        gap=gap[0],
        base_gap=gap[1],
        improvement=_improvement(base, other),
        everywhere=_together([row.verdict for row in rows]),
    )


def _together(verdicts: Sequence[str]) -> str:
    """The verdict on all games with a claim.

    That nothing is lost in any needs no correction: each game is tested at 5 %, and all must pass.
    """
    claimed = [verdict for verdict in verdicts if verdict != NO_CLAIM]
    if not claimed:
        return NO_CLAIM
    if COSTS in claimed:
        return COSTS
    return COSTS_NOTHING if set(claimed) == {COSTS_NOTHING} else UNDECIDED


def _improvement(base: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> Interval:
    there = bool(base) and all(len(scores) for scores in (*base, *other))
    return probability_of_improvement(base, other) if there else NOTHING


def _known(numbers: Iterable[float]) -> np.ndarray:
    found = np.array(list(numbers), dtype=float)
    return found[~np.isnan(found)]
