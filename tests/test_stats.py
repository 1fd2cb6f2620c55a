"""Aggregates and their intervals, against rliable's values, scipy, and numbers worked out by hand.

RLIABLE: by rliable 1.2.0 with numpy 2.4.6, scipy 1.17.1, pandas 2.2.3, of ONE and OTHER as
matrices (runs, games): aggregate_iqm, aggregate_mean, aggregate_median, aggregate_optimality_gap,
probability_of_improvement, score_distributions; get_interval_estimates with reps=50000 after
numpy.random.seed(0).
"""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from analysis.stats import (
    bands,
    bootstrap,
    iqm,
    mean,
    mean_interval,
    median,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)

# A game a row, 5 and 4 seeds.
ONE = np.array(
    [[0.12, 0.30, 0.05, 0.22, 0.41], [0.95, 1.10, 0.70, 1.30, 0.85], [2.10, 1.40, 3.00, 0.90, 1.75]]
)
OTHER = np.array([[0.20, 0.10, 0.05, 0.15], [0.95, 0.60, 0.55, 1.00], [1.90, 1.10, 2.20, 0.70]])
RLIABLE = {
    iqm: (0.8788888888888889, 0.6666666666666666),
    mean: (1.01, 0.7916666666666666),
    median: (0.98, 0.775),
    optimality_gap: (0.3, 0.3916666666666666),
}
THRESHOLDS = (0.0, 0.1, 0.3, 0.95, 1.5, 2.0, 3.0)
PROFILE = [1.0, 14 / 15, 11 / 15, 6 / 15, 3 / 15, 2 / 15, 0.0]  # none of 3.00 is above 3


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def difference_of_iqms(games):
    return iqm(games[3:]) - iqm(games[:3])


@pytest.mark.parametrize("metric", RLIABLE, ids=lambda metric: metric.__name__)
def test_metrics_are_rliables(metric):
    assert [metric(ONE), metric(OTHER)] == pytest.approx(RLIABLE[metric], rel=1e-12)
    assert metric(list(ONE)) == metric(ONE)


@pytest.mark.parametrize("count", range(1, 10))
def test_the_interquartile_mean_is_scipys_trimmed_mean(count):
    scores = rng().normal(size=count)
    assert iqm(scores) == pytest.approx(scipy_stats.trim_mean(scores, 0.25), rel=1e-12)


def test_games_weigh_alike_whatever_their_seeds():
    # four seeds of one game weigh 3/24 each, two of the other 6/24; floor(6 / 4) of 6 scores, 4/24,
    # go at either end: 1 and a third of 2 below, two thirds of 20 above;
    # left: 2 by 2/24, 3 and 4 by 3/24, 10 by 6/24, 20 by 2/24: (4 + 9 + 12 + 60 + 40) / 16
    scores = [np.array([4.0, 3.0, 2.0, 1.0]), np.array([10.0, 20.0])]
    assert iqm(scores) == pytest.approx(125 / 16)
    assert mean(scores) == (2.5 + 15) / 2
    # above 3: a quarter of the one game, all of the other
    assert performance_profile(scores, [3.0, 10.0]).tolist() == [(0.25 + 1) / 2, (0 + 0.5) / 2]


def test_draws_go_through_at_once():
    draws = np.stack([ONE, ONE[:, ::-1] + 1])  # (draws, games, seeds)
    games = [draws[:, game] for game in range(3)]
    for metric in RLIABLE:
        assert metric(games) == pytest.approx([metric(ONE), metric(ONE + 1)])
    profiles = performance_profile(games, THRESHOLDS)
    assert profiles.shape == (2, 7)
    assert profiles[0] == pytest.approx(PROFILE)


def test_performance_profile_is_rliables():
    assert performance_profile(ONE, THRESHOLDS) == pytest.approx(PROFILE)


def test_the_gap_to_another_target():
    # 2 - mean of (1, 2 for 3): 2 - 1.5
    assert optimality_gap(np.array([1.0, 3.0]), 2) == 0.5


@pytest.mark.parametrize(
    ("games", "metric", "expected"),
    [
        (ONE, iqm, (0.7366667, 1.0788889)),
        (ONE, mean, (0.802, 1.2360167)),
        (ONE, optimality_gap, (0.25, 0.3526667)),
        ([*OTHER, *ONE], difference_of_iqms, (-0.0388889, 0.4577778)),
    ],
)
def test_percentiles_of_a_stratified_bootstrap_are_rliables(games, metric, expected):
    """Of 20000 draws: the ends' own error is about 1 % of the width."""
    found = bootstrap(games, metric, rng=rng(), repeats=20_000, percentile=True)
    width = expected[1] - expected[0]
    assert (found.low, found.high) == pytest.approx(expected, abs=0.04 * width)


def test_of_a_mean_of_one_game_the_bootstrap_is_students_t():
    found = bootstrap(ONE[0], mean, rng=rng(), repeats=50_000)
    exact = scipy_stats.ttest_1samp(ONE[0], 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.003)
    assert (found.value, found.n) == (pytest.approx(0.22), 5)
    assert mean_interval(ONE[0])[1:3] == pytest.approx((exact.low, exact.high))


def test_of_a_difference_of_means_the_bootstrap_is_welchs_t():
    one, other = np.array([1.0, 5.0, 9.0]), np.array([2.0, 2.5, 3.0, 2.2])
    found = bootstrap([one, other], lambda g: mean(g[1:]) - mean(g[:1]), rng=rng(), repeats=50_000)
    exact = scipy_stats.ttest_ind(other, one, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=0.01)
    assert found.n == 3


def test_a_single_seed_has_no_interval():
    for found in (
        bootstrap([ONE[0], ONE[1][:1]], iqm, rng=rng()),
        bootstrap([ONE[0], ONE[1][:1]], iqm, rng=rng(), percentile=True),
        mean_interval(ONE[0][:1]),
        probability_of_improvement([ONE[0][:1]], [ONE[1]]),
    ):
        assert found.n == 1
        assert not math.isnan(found.value)
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    assert math.isnan(mean_interval(np.array([])).value)


def test_draws_are_those_of_the_generator():
    first, again = (bootstrap(ONE, iqm, rng=rng(), repeats=100) for _ in range(2))
    assert first == again
    other = bootstrap(ONE, iqm, rng=np.random.default_rng(1), repeats=100)
    assert other.low != first.low


def test_bands_are_the_intervals_of_each_number():
    low, high = bands(ONE, lambda g: performance_profile(g, [0.0, 0.3]), rng=rng())
    assert (low[0], high[0]) == (1, 1)  # all are above 0, whatever is drawn
    one = bootstrap(ONE, lambda g: performance_profile(g, [0.3])[..., 0], rng=rng())
    assert (low[1], high[1]) == pytest.approx((one.low, one.high))


def test_probability_of_improvement_is_rliables():
    found = probability_of_improvement(OTHER, ONE)
    assert found.value == pytest.approx(0.6833333333333332)
    assert found.n == 4
    assert probability_of_improvement(ONE, OTHER).value == pytest.approx(1 - found.value)


def test_probability_of_improvement_is_mann_whitneys():
    one, other = np.array([1.0, 2.0, 2.0, 5.0]), np.array([2.0, 3.0, 6.0])
    statistic = scipy_stats.mannwhitneyu(other, one).statistic
    assert probability_of_improvement(one, other).value == pytest.approx(statistic / 12)


def test_the_interval_of_a_probability_of_improvement_is_newcombes():
    """At either end the truth is 1.96 of its own standard errors from the value."""
    # 5 seeds each, value 0.8 = 20 of 25 pairs; at truth t, N = 5: variance
    # t (1 - t) (1 + 4 ((1 - t) / (2 - t) + t / (1 + t))) / 25
    one = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
    found = probability_of_improvement(one, np.array([5.0, 6.0, 7.0, 8.0, 8.5]))
    assert found.value == pytest.approx(0.8)
    for end in (found.low, found.high):
        skew = (1 - end) / (2 - end) + end / (1 + end)
        error = math.sqrt(end * (1 - end) * (1 + 4 * skew) / 25)
        assert abs(end - 0.8) / error == pytest.approx(1.959964, rel=1e-6)
    assert found.low < 0.5 < found.value < found.high < 1


def test_all_above_is_not_certainty():
    found = probability_of_improvement(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert found.value == found.high == 1
    assert 0.3 < found.low < 0.6
    below = probability_of_improvement(np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]))
    assert (below.low, below.high) == pytest.approx((0, 1 - found.low))
    # six games, each as clear: that is no chance
    assert probability_of_improvement([np.arange(3.0)] * 6, [np.arange(3.0) + 9] * 6).low > 0.8
