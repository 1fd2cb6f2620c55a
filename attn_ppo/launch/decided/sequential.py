"""Group-sequential permutation tests of several lambdas against 0, from arrays of scores alone.

The model is AdaStop (Mathieu, Della Vecchia, Shilova, Medeiros, Kohler, Maillard, Preux 2024,
arXiv:2306.10882): scores come in batches, each look at them permutes within batches, and what may
be wrongly decided is spent over the looks. Ours differs where a sweep does:

- A comparison has two questions. Does the score *differ* from that at lambda 0 (two-sided)? Is what
  is left of it above random play *more than a share* `kept` of that at lambda 0 (one-sided)? The
  second is an equivalence test: it compares s - random with kept * (s_0 - random).
- The statistic is Welch's t, so that cells with unlike spread may be compared (Janssen 1997).
- Over the comparisons of each question: Holm's step-down of Bonferroni, which holds whatever ties
  them, as all share the scores at lambda 0 (Maurer and Bretz 2013 for group-sequential tests).
- Of the error 80% is spent over the looks that the budget has for all comparisons, as the square of
  their number, so that most is there when scores are; and the rest over those that follow, ever
  less, as runs are saved or the budget is raised. What permutations are too few for at one look is
  left for the next.

decide: scores of all comparisons -> what is decided at which look. Everything is deterministic: the
permutations are enumerated, or where there are more than MOST_PATHS drawn with a fixed seed.
"""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from attn_ppo.launch.decided.welch import Floats, welch

ERROR = 0.05  # of each question: the chance of any wrong answer among all comparisons
MOST_PATHS = 20_000
PLANNED_SHARE = 0.8  # of the error, for the looks that were planned
HOPELESS = 0.1  # chance of a decision below which no more is tried
_SEED = 20_240

LOWER, HIGHER, NO_DROP = "lower", "higher", "no drop beyond the margin"


class Spending(NamedTuple):
    """How much error there is, and over how many looks most of it: those that were planned."""

    planned: int
    error: float = ERROR


class Batch(NamedTuple):
    """As many scores of either, (n,) with n >= 2, that came between two looks."""

    ours: Floats
    at_zero: Floats


class Comparison(NamedTuple):
    """A lambda against 0: its batches, and what random play scores (None: no second question)."""

    batches: Sequence[Batch]
    random: float | None = None


class Step(NamedTuple):
    """What one look says of a comparison; a boundary that can't be reached yet is infinite."""

    n: int  # scores of either so far
    mean: float
    mean_at_zero: float
    statistic: float  # differs where its size is at or above the boundary
    boundary: float
    kept_statistic: float | None  # more than `kept` is left where it is at or above the boundary
    kept_boundary: float | None


class Verdict(NamedTuple):
    """Where a comparison stands: "" while it is undecided."""

    decision: str  # LOWER, HIGHER, NO_DROP or ""
    within_margin: bool  # whether more than `kept` is left, for certain
    steps: Sequence[Step]


def decide(
    comparisons: Mapping[str, Comparison],
    *,
    kept: float,
    spending: Spending,
    most_paths: int = MOST_PATHS,
) -> dict[str, Verdict]:
    """The verdict on each comparison, of all that the sweep makes, also of those without a batch.

    A look is a batch of every comparison that has so many; what one decides is never taken back.
    """
    questions = _questions(comparisons, kept, spending, most_paths)
    looks = max((len(c.batches) for c in comparisons.values()), default=0)
    steps: dict[str, list[Step]] = {key: [] for key in comparisons}
    decided: dict[str, tuple[str, bool]] = {}
    for look in range(1, looks + 1):
        here = [k for k, c in comparisons.items() if k not in decided and len(c.batches) >= look]
        differs, keeps = (question.answered(here, look) for question in questions)
        for key in here:
            step = _step(comparisons[key], look, differs[key], keeps.get(key))
            steps[key].append(step)
            within = key in questions[1].found
            if key in questions[0].found:
                decided[key] = (HIGHER if step.mean > step.mean_at_zero else LOWER, within)
            elif within:
                decided[key] = (NO_DROP, within)
    return {key: Verdict(*decided.get(key, ("", False)), steps[key]) for key in comparisons}


def spent(look: int, spending: Spending) -> float:
    """The part of the error that may be spent up to a look, the first being 1."""
    planned, error = spending
    if look <= planned:
        return error * PLANNED_SHARE * (look / planned) ** 2
    return error * (PLANNED_SHARE + (1 - PLANNED_SHARE) * (1 - planned / look))


def boundaries(paths: Sequence[Floats], spending: Spending) -> list[float]:
    """For each look the smallest value with which the error is kept; infinite where there is none.

    `paths` has for the k-th look the statistics (paths, k) of the permutations of its batches. Of
    these at most spent(k, spending) may have reached a boundary by then.
    """
    found: list[float] = []
    for look, values in enumerate(paths, start=1):
        left = (values[:, :-1] < np.array(found)).all(axis=1)
        allowed = math.floor(spent(look, spending) * len(values) + 1e-9) - int((~left).sum())
        found.append(_smallest(values[left, -1], allowed))
    return found


def statistics(batches: Sequence[Batch], most_paths: int = MOST_PATHS) -> list[Floats]:
    """Welch's t at each look, (paths, look), under permutations within batches: see _labels."""
    sizes = tuple(len(batch.ours) for batch in batches)
    values = [np.concatenate(batch) for batch in batches]
    centre = values[0].mean() if values else 0.0
    values = [each - centre for each in values]
    looks, whole = range(1, len(sizes) + 1), np.empty((0, 0))
    if _are_drawn(sizes, most_paths):  # labels of fewer batches are then the first of these
        whole = welch(values, _labels(sizes, most_paths))
    return [
        whole[:, :look]
        if _are_drawn(sizes[:look], most_paths)
        else welch(values[:look], _labels(sizes[:look], most_paths))
        for look in looks
    ]


def first_look(seeds: int, comparisons: int, looks: int, *, planned: int, sides: int) -> int | None:
    """The first of so many looks at `seeds` more scores each that could decide anything.

    At its smallest a permutation's p is `sides` over the number of permutations.
    """
    spending = Spending(planned, ERROR / comparisons)
    for look in range(1, looks + 1):
        paths = min(math.comb(2 * seeds, seeds) ** look, MOST_PATHS)
        if math.floor(spent(look, spending) * paths + 1e-9) >= sides:
            return look
    return None


def is_hopeless(step: Step, most: int, comparisons: int) -> bool:
    """Whether up to `most` scores of either will hardly decide it, so that runs are better spent.

    The chance of a decision at the end if the truth is a standard error better than it looks now:
    stopping for that makes no error more likely. Conditional power: Lan and Wittes 1988.
    """
    if most <= step.n:
        return True
    needed = NormalDist().inv_cdf(1 - ERROR / comparisons / 2)
    kept = -math.inf if step.kept_statistic is None else step.kept_statistic
    nearest = max(abs(step.statistic), kept) + 1
    z = (nearest * math.sqrt(most / step.n) - needed) / math.sqrt(1 - step.n / most)
    return NormalDist().cdf(z) < HOPELESS


class _Question:
    """One question about all comparisons, answered look by look: Holm's step-down."""

    def __init__(self, paths: Mapping[str, Sequence[Floats]], count: int, spending: Spending):
        """`paths` as in `boundaries`; of `count` comparisons, some of which may have none."""
        self.found: set[str] = set()
        self._paths, self._count, self._spending = paths, count, spending
        self._bounds = functools.cache(self._bounds_of)

    def answered(self, keys: Sequence[str], look: int) -> dict[str, tuple[float, float]]:
        """The statistic and the boundary of each; `found` has those that reach it, from here on.

        Those that are left share the error; with each that goes they get more.
        """
        observed = {k: float(self._paths[k][look - 1][0, -1]) for k in keys if k in self._paths}
        told: dict[str, tuple[float, float]] = {}
        left = list(observed)
        while left:
            share = self._spending.error / (self._count - len(self.found))
            told |= {key: (observed[key], self._bounds(key, share)[look - 1]) for key in left}
            new = {key for key in left if told[key][0] >= told[key][1]}
            if not new:
                break
            self.found |= new
            left = [key for key in left if key not in new]
        return told

    def _bounds_of(self, key: str, error: float) -> list[float]:
        return boundaries(self._paths[key], self._spending._replace(error=error))


def _questions(
    comparisons: Mapping[str, Comparison], kept: float, spending: Spending, most_paths: int
) -> tuple[_Question, _Question]:
    """Whether scores differ, and whether more than `kept` is left above random play."""
    differs: dict[str, Sequence[Floats]] = {}
    keeps: dict[str, Sequence[Floats]] = {}
    for key, (batches, random) in comparisons.items():
        differs[key] = [np.abs(values) for values in statistics(batches, most_paths)]
        if random is not None:
            shifted = [Batch(b.ours - random, kept * (b.at_zero - random)) for b in batches]
            keeps[key] = statistics(shifted, most_paths)
    count = len(comparisons)
    return _Question(differs, count, spending), _Question(keeps, count, spending)


def _step(
    comparison: Comparison,
    look: int,
    differs: tuple[float, float],
    keeps: tuple[float, float] | None,
) -> Step:
    ours, at_zero = (
        np.concatenate(scores) for scores in zip(*comparison.batches[:look], strict=True)
    )
    mean, mean_at_zero = float(ours.mean()), float(at_zero.mean())
    statistic = math.copysign(differs[0], mean - mean_at_zero)
    return Step(len(ours), mean, mean_at_zero, statistic, differs[1], *(keeps or (None, None)))


def _smallest(values: Floats, allowed: int) -> float:
    """The smallest of the values that at most `allowed` of them reach."""
    if allowed < 1 or not len(values):
        return math.inf
    falling = np.sort(values)[::-1]
    if len(falling) > allowed:
        falling = falling[falling > falling[allowed]]
    return float(falling[-1]) if len(falling) else math.inf


@functools.lru_cache(256)
def _labels(sizes: tuple[int, ...], most_paths: int) -> list[NDArray[np.bool_]]:
    """Which scores count as ours, (paths, 2 n) for each batch; in the first path those that are.

    All combinations of splits of the batches, or drawn ones; the k-th batch's are drawn alike
    whatever follows it.
    """
    if not _are_drawn(sizes, most_paths):
        splits = [math.comb(2 * n, n) for n in sizes]
        places = np.indices(splits).reshape(len(splits), -1)
        return [_every_split(n)[where] for n, where in zip(sizes, places, strict=True)]
    drawn = []
    for number, n in enumerate(sizes):
        as_observed = np.tile(np.arange(2 * n) < n, (most_paths, 1))
        rng = np.random.default_rng([_SEED, number, n])
        as_observed[1:] = rng.permuted(as_observed[1:], axis=1)
        drawn.append(as_observed)
    return drawn


def _are_drawn(sizes: Sequence[int], most_paths: int) -> bool:
    return math.prod(math.comb(2 * n, n) for n in sizes) > most_paths


def _every_split(n: int) -> NDArray[np.bool_]:
    """(C(2 n, n), 2 n): every choice of n places, the first n places first."""
    chosen = list(itertools.combinations(range(2 * n), n))
    labels = np.zeros((len(chosen), 2 * n), dtype=bool)
    np.put_along_axis(labels, np.array(chosen), True, axis=1)
    return labels
