"""Intervals: t over seeds, games and blocks of one seed, Holm's correction; what they cover."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from attn_ppo.interpret.believe.bootstrap import (
    Interval,
    by_game,
    centred,
    difference,
    holm,
    interval,
    over_seeds,
    redrawn,
    resampled,
    together,
)

NAN = float("nan")


def test_three_seeds_by_students_t():
    # means 1, 2, 3: SD 1, error 1 / sqrt 3 = 0.57735; t of 2 degrees at 97.5 % is 4.30265
    # half 4.30265 * 0.57735 = 2.48414; t = 2 / 0.57735 = 3.4641: p 0.0742
    found = interval([[[1.0]], [[2.0]], [[3.0]]])
    assert found[:3] == pytest.approx((2, -0.48414, 4.48414), abs=1e-4)
    assert found.p == pytest.approx(0.0742, abs=1e-4)
    assert (found.seeds, found.games, found.about) == (3, 3, "3 seeds")


def test_a_seeds_mean_is_over_its_steps_and_seeds_count_alike():
    # seed 1: (1 + 1 + 1 + 5) / 4 = 2, its nan left out; seed 2: 4; mean 3, not (8 + 4) / 5
    found = interval([[[1, 1, 1, NAN], [5]], [[4]]])
    assert found.mean == 3
    assert found.games == 3


def test_seeds_without_a_value_do_not_count():
    found = interval([[[1.0]], [[NAN, NAN]], [[3.0]]])
    assert (found.mean, found.seeds) == (2, 2)


def test_the_mean_of_groups_of_seeds():
    # Groups of three seeds, means 2 and 5, SDs 1 and 2: errors 0.57735 and 1.15470, of the mean
    # their root of squares over 2, 0.645497; degrees (1 / 12 + 4 / 12) ** 2 over the sum of
    # (1 / 12) ** 2 / 2 and (4 / 12) ** 2 / 2: 25 / 144 over 17 / 288, 2.941176, whose t is 3.2188
    groups = [over_seeds([1.0, 2, 3]), over_seeds([3.0, 5, 7])]
    found = together([*groups, over_seeds([])])
    assert found[:3] == pytest.approx((3.5, 1.42227, 5.57773), abs=1e-3)
    assert found.seeds == 6
    assert together(groups[:1]) == groups[0]
    assert math.isnan(together([]).mean)


def test_one_seed_says_what_its_interval_is_over():
    found = interval([[np.zeros(200), np.ones(200)]])
    assert found.about == "one seed: no interval over seeds, but over 2 games and blocks of time"
    # both games alike, both 0 and both 1 come up a quarter, a half and a quarter of the times
    assert found[:3] == (0.5, 0, 1)


def test_a_single_block_has_no_interval():
    found = interval([[[1.0, 2.0]]])
    assert found.mean == 1.5
    assert all(map(math.isnan, (found.low, found.high, found.p)))
    nothing = interval([[[NAN]]])
    assert math.isnan(nothing.mean)
    assert nothing.seeds == 0


def test_time_is_drawn_in_blocks_not_in_steps():
    """50 zeros, then 50 ones: two blocks have means 0, 1/2 and 1, hundred steps about 1/2."""
    values = np.repeat([0.0, 1.0], 50)
    drawn = resampled([values])
    assert set(drawn) == {0, 0.5, 1}
    assert np.mean(drawn == 0.5) == pytest.approx(0.5, abs=0.05)


def test_a_block_counts_by_what_is_defined_in_it():
    values = np.r_[np.zeros(50), np.ones(2), np.full(48, NAN)]
    # blocks of 50 zeros and of 2 ones: means 0, 2 / 52 or 1
    assert set(np.round(resampled([values]), 4)) == {0, 0.0385, 1}


def test_draws_are_those_of_the_seed():
    games = [np.arange(300.0), np.arange(200.0)]
    assert np.array_equal(resampled(games, seed=1), resampled(games, seed=1))
    assert not np.array_equal(resampled(games, seed=1), resampled(games, seed=2))


def test_a_statistic_is_drawn_by_the_same_blocks():
    steps, games = np.array([0, 10, 60, 100, 110]), np.array([0, 0, 0, 1, 1])
    # game 0 has the blocks of rows {0, 1} and {2}, game 1 has {3, 4}; two games of as many blocks
    seen = set()

    def last(rows: np.ndarray) -> float:
        seen.add("".join(map(str, rows)))
        return float(rows[-1])

    assert set(redrawn(last, steps, games, draws=2000)) == {1, 2, 4}
    of_zero = ("0101", "012", "201", "22")
    both = {one + other for one in (*of_zero, "34") for other in (*of_zero, "34")}
    assert seen == both


def test_draws_of_a_correlation_are_about_its_value():
    # mean of 0.7, 0.8 and 0.9 is 0.8: 0.1 lower; 0.9 + 0.15 is cut
    assert centred(np.array([0.7, NAN, 0.8, 0.9]), 0.7) == pytest.approx(
        [0.6, NAN, 0.7, 0.8], nan_ok=True
    )
    assert centred(np.array([0.7, 0.8, 0.9]), 0.95)[-1] == 1
    assert np.isnan(centred(np.array([NAN]), 0.5)).all()


def test_steps_are_parted_by_game():
    found = by_game(np.array([1, 2, NAN, 7, 8]), np.array([0, 0, 1, 2, 2]))
    assert [list(game) for game in found[::2]] == [[1, 2], [7, 8]]
    assert np.isnan(found[1]).tolist() == [True]


def test_difference_is_welchs():
    one, other = [1.0, 2.0, 4.0], [5.0, 9.0, 6.0, 6.5]
    found = difference(over_seeds(one), over_seeds(other))
    peer: Any = stats.ttest_ind(other, one, equal_var=False)
    ends = peer.confidence_interval()
    assert found.p == pytest.approx(peer.pvalue, rel=1e-3)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), rel=1e-3)
    assert found.seeds == 3


def test_difference_of_single_seeds_is_by_the_widths():
    # widths 2 and 2: errors 1 / 1.95996 each, together sqrt 2 of it: half sqrt 2 = 1.41421
    one, other = Interval(1, 0, 2, NAN, 1, 4), Interval(4, 3, 5, NAN, 1, 5)
    assert difference(one, other)[:3] == pytest.approx((3, 1.58579, 4.41421), abs=1e-4)


def test_holms_correction():
    # of three 0.01, 0.02, 0.03: times 3, 2, 1 = 0.03, 0.04, 0.03, of which the last may not be less
    assert holm([0.03, 0.01, NAN, 0.02]) == pytest.approx([0.04, 0.03, NAN, 0.04], nan_ok=True)
    assert list(holm([0.6, 0.9])) == [1, 1]
    assert len(holm([])) == 0


def agents(
    rng: np.random.Generator, seeds: int, games: int, steps: int, *, apart: float
) -> np.ndarray:
    """(seeds, games, steps) noise, AR(1) of 0.9, about seeds (SD `apart`) and games (SD 0.1)."""
    noise = rng.normal(size=(seeds, games, steps))
    for step in range(1, steps):
        noise[..., step] *= np.sqrt(1 - 0.9**2)
        noise[..., step] += 0.9 * noise[..., step - 1]
    of_games = 0.1 * rng.normal(size=(seeds, games, 1))
    return noise + of_games + apart * rng.normal(size=(seeds, 1, 1))


def share_that_holds_0(samples: Iterable[Sequence[np.ndarray]]) -> float:
    found = [interval([list(seed) for seed in seeds]) for seeds in samples]
    return float(np.mean([each.low <= 0 <= each.high for each in found]))


@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_over_seeds_hold_the_truth_at_their_rate(seeds):
    """95 %; the standard error of that of 1000 is 0.7 %."""
    every = agents(np.random.default_rng(0), seeds * 1000, 4, 250, apart=0.3)
    assert 0.93 <= share_that_holds_0(every.reshape(1000, seeds, 4, 250)) <= 0.97


@pytest.mark.slow
def test_intervals_of_one_seed_hold_its_own_truth():
    """Ten games: 95 % or a little more, as games are drawn and blocks within them."""
    every = agents(np.random.default_rng(0), 500, 10, 350, apart=0)
    assert 0.93 <= share_that_holds_0(every[:, None]) <= 0.985
