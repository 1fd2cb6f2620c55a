"""Aggregates over games and seeds, and their intervals: pure functions of arrays of scores.

A score is one number a run. Scores of several games come as a sequence of arrays, (seeds,) each,
or as one array (games, seeds); seeds may differ in number, and games weigh alike. Arrays may have
axes before that of the seeds, (..., seeds), by which the bootstrap's draws go through at once.

The metrics are those of rliable (Agarwal et al. 2021, 'Deep reinforcement learning at the edge of
the statistical precipice'). Intervals are not its percentiles, which hold the truth too seldom
where seeds are few: docs/statistics.md has how often each does.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

CONFIDENCE = 0.95
REPEATS = 2000  # draws of a bootstrap
TRIMMED = 0.25  # of the scores, at either end, that an interquartile mean leaves out

Scores = Sequence[np.ndarray] | np.ndarray
Statistic = Callable[[list[np.ndarray]], np.ndarray]


class Interval(NamedTuple):
    """A number and where the truth lies at 95 %; low and high are nan where that can't be said.

    `n` counts the seeds, of several games those of the game that has fewest.
    """

    value: float
    low: float
    high: float
    n: int


def mean_interval(scores: np.ndarray) -> Interval:
    """The mean over seeds (n,) and its interval by Student's t; without one for a single seed."""
    n = len(scores)
    mean = float(np.mean(scores)) if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    error = float(np.std(scores, ddof=1)) / math.sqrt(n)
    half = error * float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return Interval(mean, mean - half, mean + half, n)


def iqm(scores: Scores) -> np.ndarray:
    """Interquartile mean: of all games' scores together, without the quarter at either end.

    Of N scores floor(N / 4) are left out at either end, as by scipy's trim_mean and by rliable.
    Where games have unequal numbers of seeds, a score weighs the less the more its game has.
    """
    games = _games(scores)
    weights = np.concatenate([np.full(g.shape[-1], 1 / g.shape[-1] / len(games)) for g in games])
    pooled = np.concatenate(games, axis=-1)
    if len({game.shape[-1] for game in games}) == 1:
        ordered, each = np.sort(pooled, axis=-1), weights  # ten times faster, for the bootstrap
    else:
        order = np.argsort(pooled, axis=-1)
        ordered, each = np.take_along_axis(pooled, order, axis=-1), weights[order]
    before = np.cumsum(each, axis=-1) - each
    cut = math.floor(TRIMMED * len(weights)) / len(weights)
    kept = (np.minimum(before + each, 1 - cut) - np.maximum(before, cut)).clip(min=0)
    return (kept * ordered).sum(axis=-1) / kept.sum(axis=-1)


def mean(scores: Scores) -> np.ndarray:
    """Mean over games of the means over seeds."""
    return _game_means(scores).mean(axis=0)


def median(scores: Scores) -> np.ndarray:
    """Median over games of the means over seeds."""
    return np.median(_game_means(scores), axis=0)


def optimality_gap(scores: Scores, target: float = 1.0) -> np.ndarray:
    """By how much scores fall short of `target` in the mean; those beyond it count as reaching it.

    At the target of 1, human-normalised scores fall short of a human's.
    """
    return target - mean([np.minimum(game, target) for game in _games(scores)])


def performance_profile(scores: Scores, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """(..., T) share of the runs whose score is above each threshold; games weigh alike."""
    above = [game[..., None, :] > np.asarray(thresholds)[:, None] for game in _games(scores)]
    return mean(above)


def bootstrap(
    scores: Scores,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    repeats: int = REPEATS,
    percentile: bool = False,
) -> Interval:
    """Of a statistic that is one number: seeds are drawn within each game, games stay.

    `statistic` takes a list of arrays (..., seeds), one a game; to compare two groups, the games of
    one and then those of the other. `percentile`: see `bands`.
    """
    games = _games(scores)
    low, high = bands(games, statistic, rng=rng, repeats=repeats, percentile=percentile)
    return Interval(float(statistic(games)), float(low), float(high), min(map(len, games)))


def bands(
    scores: Scores,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    repeats: int = REPEATS,
    percentile: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of each number of a statistic (..., T), by itself; nan where seeds are single.

    By Student's t, whose error and degrees of freedom come from the bootstrap: each game's seeds
    are drawn while the others stay, which gives the game's part of the variance, n / (n - 1) times
    that of the draws; parts add up, and so do degrees of freedom, by Satterthwaite's formula. With
    `percentile` all games are drawn at once, and the ends are the draws' 2.5th and 97.5th
    percentile, as in rliable.
    """
    games = _games(scores)
    value = np.asarray(statistic(games))
    if min(map(len, games)) < 2:
        nothing = np.full(value.shape, np.nan)
        return nothing, nothing
    if percentile:
        drawn = statistic([_drawn(game, repeats, rng) for game in games])
        low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
        return low, high
    parts = []
    for place, game in enumerate(games):
        each = [np.broadcast_to(other, (repeats, len(other))) for other in games]
        each[place] = _drawn(game, repeats, rng)
        parts.append(statistic(each).var(axis=0) * len(game) / (len(game) - 1))
    variance = np.sum(parts, axis=0)
    inverse = sum(part**2 / (len(game) - 1) for part, game in zip(parts, games, strict=True))
    freedom = np.divide(variance**2, inverse, out=np.ones_like(variance), where=variance > 0)
    half = stdtrit(freedom, (1 + CONFIDENCE) / 2) * np.sqrt(variance)
    return value - half, value + half


def probability_of_improvement(base: Scores, other: Scores) -> Interval:
    """How probably a run of `other` scores above one of `base`, ties by half, mean over games.

    In each game it's the Mann-Whitney statistic over the number of pairs, as in rliable. The
    interval is Newcombe's (2006, 'Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic', method 5), with variances added over games: unlike a bootstrap's it has
    a width also where all runs of one are above all of the other.
    """
    pairs = list(zip(_games(base), _games(other), strict=True))
    value = float(np.mean([_share_above(one, two) for one, two in pairs]))
    sizes = [(len(one), len(two)) for one, two in pairs]
    n = min(map(min, sizes))
    if n < 2:
        return Interval(value, math.nan, math.nan, n)
    z = float(ndtri((1 + CONFIDENCE) / 2))

    def beyond(truth: float, sign: int) -> float:
        return sign * (truth - value) - z * math.sqrt(_variance(truth, sizes))

    edge = 1e-9  # at 0 and 1 the variance is 0, which is a root too
    low: Any = brentq(beyond, 0, min(value, 1 - edge), (-1,)) if value > edge else 0.0
    high: Any = brentq(beyond, max(value, edge), 1, (1,)) if value < 1 - edge else 1.0
    return Interval(value, low, high, n)


def _share_above(base: np.ndarray, other: np.ndarray) -> float:
    apart = np.sign(other[:, None] - base)
    return float((1 + apart).mean() / 2)


def _variance(truth: float, sizes: Sequence[tuple[int, int]]) -> float:
    """Of the mean over games with (m, n) seeds, were `truth` the probability in each."""
    skew = (1 - truth) / (2 - truth) + truth / (1 + truth)
    parts = [(1 + ((m + n) / 2 - 1) * skew) / (m * n) for m, n in sizes]
    return truth * (1 - truth) * sum(parts) / len(sizes) ** 2


def _games(scores: Scores) -> list[np.ndarray]:
    """An array a game; a single array (seeds,) is one game."""
    if isinstance(scores, np.ndarray) and scores.ndim == 1:
        return [scores]
    return [np.asarray(game) for game in scores]


def _game_means(scores: Scores) -> np.ndarray:
    """(games, ...) means over seeds."""
    return np.stack([game.mean(axis=-1) for game in _games(scores)])


def _drawn(game: np.ndarray, repeats: int, rng: np.random.Generator) -> np.ndarray:
    """(repeats, seeds) of a game's seeds, with replacement."""
    return game[rng.integers(len(game), size=(repeats, len(game)))]
