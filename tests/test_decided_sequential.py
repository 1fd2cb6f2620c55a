"""The sequential test itself: statistic, boundaries, step-down, and how often it errs."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from attn_ppo.launch.decided import sequential
from attn_ppo.launch.decided.sequential import (
    HIGHER,
    LOWER,
    NO_DROP,
    Batch,
    Comparison,
    Spending,
    Step,
)

LOW, HIGH = np.array([1.0, 2, 3]), np.array([7.0, 8, 9])
APART = Batch(LOW, HIGH)
FIVE = np.arange(1.0, 6), np.arange(6.0, 11)
# One rank exchanged: after {1..5} and {6..10} the most extreme of the C(10, 5) = 252 splits.
NEARLY = np.array([1.0, 2, 3, 4, 6]), np.array([5.0, 7, 8, 9, 10])


def decided(*comparisons: Comparison, looks: int = 1, error: float = 0.05, **more) -> list[str]:
    named = {str(number): each for number, each in enumerate(comparisons)}
    spending = Spending(looks, error)
    verdicts = sequential.decide(named, kept=0.9, spending=spending, **more)
    return [verdict.decision for verdict in verdicts.values()]


def test_the_statistic_is_welchs_t_of_all_scores_so_far():
    first = Batch(np.array([3.0, 9, 4]), np.array([1.0, 2, 6]))
    second = Batch(np.array([8.0, 8, 2]), np.array([2.0, 1, 1]))
    alone, both = sequential.statistics([first, second])
    assert alone.shape == (20, 1)  # C(6, 3)
    assert both.shape == (400, 2)
    ours, theirs = np.concatenate([first.ours, second.ours]), np.r_[1.0, 2, 6, 2, 1, 1]
    welch: Any = stats.ttest_ind(ours, theirs, equal_var=False)
    assert both[0] == pytest.approx([alone[0, 0], welch.statistic])
    # means 16/3 and 3; squared deviations 62/3 and 14: (31/3 + 7) / 3 = 52/9
    assert alone[0, 0] == pytest.approx((16 / 3 - 3) / math.sqrt(52 / 9))


def test_every_split_counts_once_and_the_observed_is_the_first():
    (values,) = sequential.statistics([APART])
    assert values[0, 0] == values.min()  # nothing is lower than 1, 2, 3 against 7, 8, 9
    assert (values == values[0, 0]).sum() == 1
    assert sorted(values[:, 0]) == pytest.approx(sorted(-values[:, 0]))


def test_scores_without_spread_have_a_statistic():
    same, other = np.full(3, 2.0), np.full(3, 5.0)
    assert sequential.statistics([Batch(same, same)])[0][0, 0] == 0
    assert sequential.statistics([Batch(same, other)])[0][0, 0] == -1e6
    assert decided(Comparison([Batch(same, same)] * 5)) == [""]


@pytest.mark.parametrize(
    ("error", "boundary"),
    [
        # Of one planned look 80% is spent; of 20 splits 2 are as extreme as the observed.
        (0.125, 7.34846923),  # 0.1 * 20 = 2: 6 / sqrt(2 / 3)
        (0.124, math.inf),  # 0.0992 * 20 = 1.98
    ],
)
def test_the_boundary_is_the_smallest_that_keeps_the_error(error, boundary):
    paths = [np.abs(values) for values in sequential.statistics([APART])]
    assert sequential.boundaries(paths, Spending(1, error)) == pytest.approx([boundary])


def test_what_a_look_can_t_spend_is_left_for_the_next():
    paths = [np.abs(values) for values in sequential.statistics([APART, APART])]
    # 2 of 400 paths are as extreme as the observed; 80% is spent up to the second look
    spending = Spending(2, 0.00625)
    assert sequential.boundaries(paths, spending)[1] == paths[1][0, 1]  # 0.005 * 400 = 2
    assert sequential.boundaries(paths, spending._replace(error=0.0062))[1] == math.inf  # 1.98


def test_never_more_than_the_error_reaches_a_boundary():
    rng = np.random.default_rng(1)
    # Whole scores, so that some permutations are equal; of 20 ** 4 the fourth look draws 20,000.
    batches = [Batch(*rng.integers(0, 20, (2, 3)).astype(float)) for _ in range(4)]
    paths = [np.abs(values) for values in sequential.statistics(batches)]
    assert [len(values) for values in paths] == [20, 400, 8000, 20_000]
    found = sequential.boundaries(paths, Spending(3, 0.3))
    parts = [float((v >= found[: v.shape[1]]).any(1).mean()) for v in paths]
    assert all(part <= most for part, most in zip(parts, [0.0267, 0.107, 0.24, 0.255], strict=True))
    assert parts[2] > 0.2  # and not far below it, or it would rarely decide
    wider = sequential.boundaries(paths, Spending(3, 0.4))
    assert all(b <= a for a, b in zip(found, wider, strict=True))


def test_of_several_comparisons_each_has_its_share_and_what_goes_leaves_its_own():
    # Of 0.025 one planned look spends 0.02. Of 252 splits 2 are as extreme as FIVE, 4 as NEARLY.
    # Alone 0.02 * 252 = 5.04: both differ. Of two, 2.52: FIVE differs, which leaves 5.04 to NEARLY.
    five, nearly = Comparison([Batch(*FIVE)]), Comparison([Batch(*NEARLY)])
    nothing, none_yet = Comparison([Batch(FIVE[0], FIVE[0])]), Comparison([])
    assert decided(five, error=0.025) == decided(nearly, error=0.025) == [LOWER]
    assert decided(Comparison([Batch(*FIVE[::-1])]), error=0.025) == [HIGHER]
    assert decided(nearly, nothing, error=0.025) == ["", ""]
    assert decided(nearly, five, error=0.025) == [LOWER, LOWER]
    assert decided(nearly, none_yet, error=0.025) == ["", ""]  # which counts as well
    assert decided(five, none_yet, error=0.025) == [LOWER, ""]


def test_more_than_a_share_is_left_or_not():
    zero = np.array([100.0, 101, 102, 103, 104])
    # 90% of 100..104 is 90..93.6: all of ours is above. 2% is no difference that 5 seeds show.
    near = Comparison([Batch(zero - 2, zero)], random=0.0)
    assert decided(near) == [NO_DROP]
    # Above random play, 98, there are 2 to 6: 90% of it is 1.8 to 5.4, and of ours 0 to 4 is left.
    assert decided(Comparison([Batch(zero - 2, zero)], random=98.0)) == [""]
    assert decided(Comparison([Batch(zero - 2, zero)])) == [""]  # not asked
    # 93..97 are lower than 100..104, and yet above 90%
    (both,) = sequential.decide(
        {"": Comparison([Batch(zero - 7, zero)], 0.0)}, kept=0.9, spending=Spending(1)
    ).values()
    assert (both.decision, both.within_margin) == (LOWER, True)


def test_what_was_decided_stays_and_later_batches_change_nothing():
    batches = [Batch(*FIVE), Batch(*FIVE[::-1])]
    (verdict,) = sequential.decide(
        {"": Comparison(batches)}, kept=0.9, spending=Spending(1)
    ).values()
    assert verdict.decision == LOWER
    assert len(verdict.steps) == 1


def test_the_same_scores_decide_the_same_in_any_order_of_comparisons():
    rng = np.random.default_rng(3)
    cells = {
        name: Comparison([Batch(rng.normal(-shift, 1, 3), rng.normal(0, 1, 3)) for _ in range(4)])
        for name, shift in {"a": 0, "b": 2, "c": 4}.items()
    }
    options = {"kept": 0.9, "spending": Spending(4)}
    forward = sequential.decide(cells, **options)
    backward = sequential.decide(dict(reversed(cells.items())), **options)
    assert forward == backward
    assert forward == sequential.decide(cells, **options)
    assert [v.decision for v in forward.values()][2] == LOWER


@pytest.mark.parametrize(
    ("seeds", "comparisons", "planned", "sides", "look"),
    [
        (5, 1, 2, 2, 1),  # 0.01 * 252 = 2.5 >= 2
        (5, 2, 2, 2, 2),  # 1.3
        (5, 2, 2, 1, 1),
        (3, 1, 2, 2, 2),  # 0.01 * 20 = 0.2; 0.04 * 400 = 16
        (3, 2, 4, 2, 2),  # 0.01 / 2 * 400 = 2
        (3, 3, 4, 2, 3),  # 1.3; of 8000 more
        (2, 1, 2, 1, 2),  # 0.04 * 36 = 1.4
        (2, 1, 2, 2, 3),  # 1.4; 0.05 * (0.8 + 0.2 / 3) * 216 = 9.4
    ],
)
def test_the_first_look_that_could_decide(seeds, comparisons, planned, sides, look):
    options = {"planned": planned, "sides": sides}
    assert sequential.first_look(seeds, comparisons, 10, **options) == look
    assert sequential.first_look(seeds, comparisons, look - 1, **options) is None


def test_what_is_spent():
    spending = Spending(2, 0.1)
    # 0.08 * (1/2)^2, 0.08; then 0.08 + 0.02 * (1 - 2/3), 0.08 + 0.02 * (1 - 2/4): never 0.1
    expected = [0.02, 0.08, 0.0866667, 0.09]
    assert [sequential.spent(k, spending) for k in (1, 2, 3, 4)] == pytest.approx(expected)
    assert 0.0999 < sequential.spent(1000, spending) < 0.1


def test_no_hope():
    step = Step(n=3, mean=1, mean_at_zero=1, statistic=0, boundary=9, kept_statistic=None,
                kept_boundary=None)  # fmt: skip
    # needed 1.96; at 6 seeds (0 + 1) * sqrt(2) = 1.41 of it: (1.41 - 1.96) / sqrt(1/2) = -0.77, 22%
    assert not sequential.is_hopeless(step, 6, 1)
    # of 10 comparisons needed 2.81: -1.97, 2.4%
    assert sequential.is_hopeless(step, 6, 10)
    assert not sequential.is_hopeless(step._replace(statistic=-2.0), 6, 10)  # (4.24 - 2.81) / 0.71
    assert not sequential.is_hopeless(step._replace(kept_statistic=2.0), 6, 10)
    assert sequential.is_hopeless(step._replace(statistic=9.0), 3, 1)  # no more to come


SKEWED = "exponential"


def of_twice(kind: str, left: float, sweeps: int, looks: int) -> list[list[str]]:
    """Decisions of sweeps of two lambdas, of whose scores about 10 above random play so much is
    left; the spread is 4."""
    rng, found = np.random.default_rng(0), []
    draw = {
        "normal": lambda: rng.normal(10, 4, (looks, 3)),
        SKEWED: lambda: rng.exponential(4, (looks, 3)) + 6,
    }[kind]
    for _ in range(sweeps):
        zero = draw()
        ours = [left * draw() for _ in range(2)]
        pairs = [[Batch(a, b) for a, b in zip(one, zero, strict=True)] for one in ours]
        compared = (Comparison(pair, 0.0) for pair in pairs)
        found.append(decided(*compared, looks=looks, most_paths=400))
    return found


@pytest.mark.parametrize("kind", ["normal", SKEWED])
def test_a_difference_that_is_none_is_found_in_at_most_one_sweep_of_twenty(kind):
    found = of_twice(kind, left=1.0, sweeps=400, looks=3)
    wrong = sum(any(d in (LOWER, HIGHER) for d in each) for each in found)
    # At most 5%; of 400 sweeps 20, with 3 standard errors, 3 * sqrt(400 * 0.05 * 0.95) = 13.1.
    assert wrong <= 33
    assert wrong >= 4  # and it isn't kept by never deciding


@pytest.mark.parametrize("kind", ["normal", SKEWED])
def test_a_drop_of_the_margin_passes_in_at_most_one_sweep_of_twenty(kind):
    found = of_twice(kind, left=0.9, sweeps=400, looks=3)
    assert sum(NO_DROP in each for each in found) <= 33


def test_a_large_drop_is_found():
    found = of_twice("normal", left=0.2, sweeps=100, looks=4)
    assert sum(each == [LOWER, LOWER] for each in found) >= 75  # 8 of 10 lost, at a spread of 4
