"""One group of seeds against another: against scipy and by hand; rates in test_error_rates.py."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from analysis.equivalence import (
    detectable,
    difference,
    equivalence,
    fixed_sequence,
    holm,
    p_above,
    p_apart,
    seeds_needed,
)

BASE = np.array([11.0, 12.0, 13.5, 9.0, 10.0])
OTHER = np.array([11.0, 11.5, 12.5, 9.5, 10.4])
FEWER = np.array([7.0, 9.0, 8.5])


def one_sided(base, other, *, alternative) -> float:
    peer: Any = scipy_stats.ttest_ind(other, base, equal_var=False, alternative=alternative)
    return peer.pvalue


def t_test(other) -> Any:
    return scipy_stats.ttest_ind(other, BASE, equal_var=False)


@pytest.mark.parametrize("other", [OTHER, FEWER])
def test_difference_is_welchs(other):
    found, peer = difference(BASE, other), t_test(other)
    ends = peer.confidence_interval()
    assert found == pytest.approx((np.mean(other) - 11.1, ends.low, ends.high, peer.pvalue))


def test_paired_difference_is_students():
    peer: Any = scipy_stats.ttest_rel(OTHER, BASE)
    found = difference(BASE, OTHER, paired=True)
    ends = peer.confidence_interval()
    assert found == pytest.approx((-0.12, ends.low, ends.high, peer.pvalue))


def test_equivalence_is_two_one_sided_tests():
    found = equivalence(BASE, OTHER, 2.0)
    assert found.p_drop == pytest.approx(one_sided(BASE - 2, OTHER, alternative="greater"))
    assert found.p_gain == pytest.approx(one_sided(BASE + 2, OTHER, alternative="less"))
    assert found.p == equivalence(OTHER, BASE, 2.0).p == max(found.p_drop, found.p_gain)
    ends = scipy_stats.ttest_ind(OTHER, BASE, equal_var=False).confidence_interval(0.9)
    assert found[:3] == pytest.approx((-0.12, ends.low, ends.high))
    assert found.verdict == "equivalent"
    assert equivalence(BASE, OTHER, 1.5).verdict == "undecided"  # the interval is -1.9 to 1.6


def test_the_share_above_random_play_is_tested_as_a_whole():
    """At a margin of a tenth, other must have more than 0.9 of what base has above 1."""
    base, other = BASE - 1, OTHER - 1
    found = equivalence(BASE, OTHER, 0.1, floor=1)
    assert found.value == pytest.approx(9.98 / 10.1)
    assert found.p_drop == pytest.approx(one_sided(0.9 * base, other, alternative="greater"))
    assert found.p_gain == pytest.approx(one_sided(1.1 * base, other, alternative="less"))


def test_the_interval_of_a_share_is_what_its_tests_leave():
    base, other = BASE - 1, OTHER - 1
    low, high = equivalence(BASE, OTHER, 0.1, floor=1)[1:3]
    assert one_sided(low * base, other, alternative="greater") == pytest.approx(0.05, abs=1e-6)
    assert one_sided(high * base, other, alternative="less") == pytest.approx(0.05, abs=1e-6)
    # so margins that just don't reach its ends are undecided, and those just beyond are not
    margin = max(1 - low, high - 1)
    assert equivalence(BASE, OTHER, margin * 1.001, floor=1).verdict == "equivalent"
    assert equivalence(BASE, OTHER, margin * 0.999, floor=1).verdict == "undecided"


@pytest.mark.parametrize("floor", [None, 1.0])
def test_what_is_off_is_worse_or_better(floor):
    margin = 0.5 if floor is None else 0.05
    assert equivalence(BASE, BASE - 5, margin, floor=floor).verdict == "worse"
    better = equivalence(BASE, BASE + 5, margin, floor=floor)
    assert (better.verdict, better.costs_nothing) == ("better", True)
    assert not equivalence(BASE, BASE - 5, margin, floor=floor).costs_nothing


def test_a_small_drop_within_the_margin_is_equivalent_and_costs_nothing():
    base, other = np.array([100.0, 101.0, 99.0, 100.0]), np.array([97.0, 98.0, 96.0, 97.0])
    found = equivalence(base, other, 5.0)
    assert found.high < 0  # surely less
    assert (found.verdict, found.costs_nothing) == ("equivalent", True)


def test_without_a_base_above_random_play_nothing_is_known_of_the_share():
    found = equivalence(np.array([0.5, 2.0, 1.0]), np.array([1.5, 3.0, 2.0]), 0.1, floor=1)
    assert (found.low, found.high) == (-math.inf, math.inf)
    below = equivalence(np.array([0.5, 0.7]), np.array([1.5, 3.0]), 0.1, floor=1)
    assert all(map(math.isnan, below[:3]))
    assert {found.verdict, below.verdict} == {"undecided"}


def test_a_single_seed_decides_nothing():
    one = np.array([5.0])
    assert all(map(math.isnan, difference(BASE, one)[1:]))
    assert difference(BASE, one).value == pytest.approx(-6.1)
    for floor in (None, 1.0):
        found = equivalence(BASE, one, 0.1, floor=floor)
        assert found.verdict == "undecided"
        assert not found.costs_nothing
        assert math.isnan(found.p)
    assert math.isnan(p_above(one, 0))
    assert math.isnan(detectable(BASE, one))
    assert math.isnan(seeds_needed(BASE, one, 1.0))


def test_scores_that_are_all_one_number():
    """As Pong's at its best: no error, so what is, is."""
    best = np.full(3, 21.0)
    assert difference(best, best) == (0, 0, 0, 1)
    assert difference(best, best - 1) == (-1, -1, -1, 0)
    assert equivalence(best, best, 0.1, floor=-20.7)[:5] == (1, 1, 1, 0, 0)
    assert equivalence(best, best - 6, 0.1, floor=-21).verdict == "worse"
    assert equivalence(best, best - 4, 0.1, floor=-21).costs_nothing  # 38 of 42 is 0.905
    assert detectable(best, best) == 0
    assert seeds_needed(best, best, 1.0) == 2


def test_a_group_that_happens_to_have_no_spread_borrows_that_of_others():
    # variances 1, 1 and 16: 6 in the mean, of 6 degrees of freedom; t = 4 / sqrt(6 * 2 / 3) = 2
    base, other = np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0])
    family = [base, other, np.array([0.0, 4.0, 8.0])]
    assert difference(base, other).p < 0.01
    assert p_apart(base, other, family) == pytest.approx(2 * scipy_stats.t.sf(2, 6))
    # unequal groups: (2 * 1 + 1 * 8 + 3 * 20 / 3) / 6 = 5; t = 10 / sqrt(5 * (1 / 3 + 1 / 2))
    two, four = np.array([10.0, 14.0]), np.array([0.0, 2.0, 4.0, 6.0])
    t = 10 / np.sqrt(5 * (1 / 3 + 1 / 2))
    welch = difference(base, two).p
    assert p_apart(base, two, [base, two, four]) == max(welch, 2 * scipy_stats.t.sf(t, 6)) == welch
    family = [base + 10, two, four, np.array([1.0]), np.array([])]  # the last two have no variance
    t = 0.0
    assert p_apart(base + 10, two, family) == pytest.approx(1)
    assert math.isnan(p_apart(base, np.array([1.0]), [base, np.array([1.0])]))


def test_above_random_play_is_a_t_test():
    peer: Any = scipy_stats.ttest_1samp(BASE, 9, alternative="greater")
    assert p_above(BASE, 9) == pytest.approx(peer.pvalue)
    assert p_above(np.zeros(3), 0) == 1  # Enduro: none ever scored


def test_the_fixed_sequence_ends_at_the_first_that_fails():
    assert fixed_sequence([0.01, 0.04, 0.06, 0.001]) == [True, True, False, False]
    assert fixed_sequence([math.nan, 0.01]) == [False, False]
    assert fixed_sequence([0.04], alpha=0.025) == [False]
    assert fixed_sequence([]) == []


def test_holms_correction_is_the_one_of_the_belief_tables():
    assert list(holm([0.03, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])


@pytest.mark.parametrize(("seeds", "factor"), [(3, 3.1), (5, 2.8), (10, 2.6)])
def test_the_detectable_drop_by_simulation(seeds, factor):
    """Of drops of that size 80 % are found by a one-sided test at 5 %; 4000 have an error of 0.6 %.

    Equal SDs of 1: the drop is `factor` standard errors of sqrt(2 / seeds), a t of 2 seeds - 2.
    """
    spread = np.linspace(-1, 1, seeds)
    spread /= spread.std(ddof=1)
    drop = detectable(spread, spread)
    assert drop == pytest.approx(factor * math.sqrt(2 / seeds), rel=0.03)
    noise = np.random.default_rng(0).normal(size=(2, seeds, 4000))
    found: Any = scipy_stats.ttest_ind(noise[0], noise[1] + drop, alternative="less")
    assert np.mean(found.pvalue < 0.05) == pytest.approx(0.8, abs=0.02)


def test_seeds_needed():
    """Two SDs of 1 and a margin of 1: the fewest whose power by scipy is 0.8."""
    spread = np.array([-1.0, 0.0, 1.0])
    needed = seeds_needed(spread, spread, 1.0)
    for seeds, enough in ((needed, True), (needed - 1, False)):
        freedom = 2 * seeds - 2
        limit = scipy_stats.t.ppf(0.95, freedom)
        power = scipy_stats.nct.sf(limit, freedom, 1 / math.sqrt(2 / seeds))
        assert (power >= 0.8) == enough
    assert needed == 14
    assert seeds_needed(spread, spread, 0.05) == math.inf
    assert math.isnan(seeds_needed(spread, spread, 0.0))
