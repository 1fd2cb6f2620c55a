"""One group of seeds against another: difference, 'costs nothing', and what few seeds can't show.

Groups are of one game: `base` is what another, as a lambda is, is held against. They are taken as
independent. A seed gives two lambdas the same first weights and the same games, which training has
forgotten long before its end (docs/statistics.md has the correlation), and pairs cost half of the
degrees of freedom. Tests are Welch's, whose error rates docs/statistics.md has by simulation.

That a difference isn't significant says nothing: 'no drop' comes only from a test against a margin.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtrinc, stdtr, stdtrit

from analysis.stats import CONFIDENCE
from attn_ppo.interpret.believe.bootstrap import holm as holm  # for all p-values of a table

ALPHA = 0.05  # of each one-sided test
POWER = 0.8
MOST_SEEDS = 1000  # beyond which `seeds_needed` doesn't look
FAR = 1e6  # beyond which an interval's end counts as infinite


class Difference(NamedTuple):
    """`other` less `base`, its 95 % interval, and the two-sided p of their being alike.

    All but the value are nan where either group has a single seed.
    """

    value: float
    low: float
    high: float
    p: float


class Equivalence(NamedTuple):
    """Whether `other` is as good as `base` within a margin.

    `value`, `low` and `high`: the difference or, with a floor, the share that's kept, with the 90 %
    interval that belongs to two one-sided tests at 5 %. `p_drop` is of a drop of the margin or
    more, `p_gain` of a gain of it or more: small ones rule these out.
    """

    value: float
    low: float
    high: float
    p_drop: float
    p_gain: float
    verdict: str  # equivalent, worse, better, undecided

    @property
    def p(self) -> float:
        """Of both one-sided tests together, which is that of equivalence."""
        return max(self.p_drop, self.p_gain)

    @property
    def costs_nothing(self) -> bool:
        """Whether a drop of the margin or more is ruled out, at 5 %; a gain may be there."""
        return self.p_drop < ALPHA


def difference(base: np.ndarray, other: np.ndarray, *, paired: bool = False) -> Difference:
    """Of the means, by Welch's t; of `paired` seeds, in the same order, by Student's."""
    if paired:
        base, other = np.zeros(len(base)), np.subtract(other, base)
    found = _contrast(base, other)
    half = found.t(CONFIDENCE) * found.error
    return Difference(found.value, found.value - half, found.value + half, found.p)


def equivalence(
    base: np.ndarray, other: np.ndarray, margin: float, *, floor: float | None = None
) -> Equivalence:
    """Two one-sided Welch tests (Schuirmann 1987) of a difference of `margin` in means.

    With a `floor`, such as the score of random play, the margin is a share of what `base` has above
    it: at 0.1, `other` must have more than 0.9 and less than 1.1 of that. The share is tested as
    mean(other) - share * mean(base), both above the floor, so that the margin's own error counts;
    its interval is Fieller's, infinite where `base` isn't clearly above the floor.

    The verdict is `equivalent` where the interval is within the margins, else `worse` or `better`
    where it's wholly on one side of no difference.
    """
    if floor is None:
        found = _contrast(base, other)
        half = found.t(1 - 2 * ALPHA) * found.error
        value, low, high, same = found.value, found.value - half, found.value + half, 0.0
        p_drop, p_gain = found.shifted(margin).p_above, found.shifted(-margin).p_below
    else:
        base, other = np.subtract(base, floor), np.subtract(other, floor)
        value, same = _ratio(base, other), 1.0
        low, high = _fieller(base, other)
        p_drop = _contrast(base, other, 1 - margin).p_above
        p_gain = _contrast(base, other, 1 + margin).p_below
    if max(p_drop, p_gain) < ALPHA:
        verdict = "equivalent"
    else:
        verdict = "worse" if high < same else "better" if low > same else "undecided"
    return Equivalence(value, low, high, p_drop, p_gain, verdict)


def p_apart(base: np.ndarray, other: np.ndarray, family: Sequence[np.ndarray]) -> float:
    """Two-sided p of alike means: the larger of Welch's and that with the variance of a `family`.

    The family is all groups of the game, these two among them, each with its own mean. By Welch's
    alone, three seeds that happen to be close together pass for a group without spread: where
    agents come in two kinds, a table of 30 then has a false p below 0.05 in four of ten studies,
    Holm's correction or not.
    """
    own, sizes = _contrast(base, other), [len(scores) - 1 for scores in family if len(scores) > 1]
    if math.isnan(own.error):
        return math.nan
    parts = [np.var(scores, ddof=1) for scores in family if len(scores) > 1]
    variance = float(np.average(parts, weights=sizes)) * (1 / len(base) + 1 / len(other))
    pooled = _Contrast(own.value, math.sqrt(variance), float(sum(sizes)))
    return max(own.p, pooled.p)


def p_above(scores: np.ndarray, floor: float) -> float:
    """One-sided p of a mean no higher than `floor`; nan for a single seed."""
    return _contrast(np.full(len(scores), floor), scores).p_above


def fixed_sequence(p: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Which hypotheses are rejected: each until the first that isn't, none after it.

    Tested in an order that was fixed beforehand, here ascending lambda, all at `alpha`, the chance
    of any wrong rejection is at most `alpha`: no correction is due (Maurer, Hothorn, Lehmacher
    1995).
    """
    passed = np.cumprod([bool(each < alpha) for each in p])
    return [bool(each) for each in passed]


def detectable(base: np.ndarray, other: np.ndarray) -> float:
    """The drop that so many seeds, so far apart, would show with a power of 80 %, one-sided at 5 %.

    Also the smallest margin that they'd clear with that power if nothing were lost.
    """
    found = _contrast(base, other)
    if math.isnan(found.error) or found.error == 0:
        return found.error
    return found.error * _noncentral(found.freedom)


def seeds_needed(base: np.ndarray, other: np.ndarray, margin: float) -> float:
    """Seeds in each group to rule out a drop of `margin` with a power of 80 % if nothing is lost.

    By the SDs of these seeds; inf beyond 1000, nan where a group has a single seed.
    """
    spread = np.var(base, ddof=1) + np.var(other, ddof=1) if _both(base, other) else math.nan
    if math.isnan(spread) or margin <= 0:
        return math.nan

    def enough(n: int) -> bool:
        return math.sqrt(spread / n) * _noncentral(2 * n - 2) <= margin

    numbers = range(2, MOST_SEEDS + 1)
    place = bisect_left(numbers, True, key=enough)
    return numbers[place] if place < len(numbers) else math.inf


class _Contrast(NamedTuple):
    """A weighted difference of two means, its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float

    def shifted(self, by: float) -> "_Contrast":
        return self._replace(value=self.value + by)

    def t(self, level: float) -> float:
        return float(stdtrit(self.freedom, (1 + level) / 2))

    @property
    def p_above(self) -> float:
        """Of its being 0 or less."""
        if math.isnan(self.error):
            return math.nan
        if self.error == 0:
            return 0.0 if self.value > 0 else 1.0
        return float(stdtr(self.freedom, -self.value / self.error))

    @property
    def p_below(self) -> float:
        """Of its being 0 or more."""
        return self._replace(value=-self.value).p_above

    @property
    def p(self) -> float:
        """Of its being 0, two-sided."""
        return min(2 * min(self.p_above, self.p_below), 1.0)


def _contrast(base: np.ndarray, other: np.ndarray, scale: float = 1.0) -> _Contrast:
    """mean(other) - scale * mean(base), freedom by Welch and Satterthwaite."""
    value = _mean(other) - scale * _mean(base)
    if not _both(base, other):
        return _Contrast(value, math.nan, math.nan)
    parts = [
        (factor**2 * float(np.var(scores, ddof=1)) / len(scores), len(scores) - 1)
        for scores, factor in ((base, scale), (other, 1.0))
    ]
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return _Contrast(value, 0.0, float(len(base) + len(other) - 2))
    return _Contrast(value, math.sqrt(variance), variance**2 / sum(v**2 / f for v, f in parts))


def _fieller(base: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The shares of mean(base) that mean(other) can't be told from, each tested at 5 %."""
    if not _both(base, other) or _mean(base) <= 0:
        return math.nan, math.nan
    at = _ratio(base, other)

    def outside(share: float, sign: int) -> float:
        found = _contrast(base, other, share)
        return sign * found.value - found.t(1 - 2 * ALPHA) * found.error

    def end(sign: int) -> float:
        """The low end, below which `other` is above a share (1), or the high one (-1)."""
        far = at - sign * FAR
        if outside(far, sign) <= 0:
            return -sign * math.inf
        found: Any = brentq(outside, at, far, (sign,))
        return found

    return end(1), end(-1)


def _ratio(base: np.ndarray, other: np.ndarray) -> float:
    below = _mean(base)
    return _mean(other) / below if below > 0 else math.nan


def _noncentral(freedom: float) -> float:
    """How many standard errors off the truth must be for a t-test at 5 % to have its power."""
    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - ALPHA)))


def _both(base: np.ndarray, other: np.ndarray) -> bool:
    return min(len(base), len(other)) > 1


def _mean(scores: np.ndarray) -> float:
    return float(np.mean(scores)) if len(scores) else math.nan
