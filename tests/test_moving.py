"""How maps move: by hand and against scipy."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from scipy.stats.contingency import crosstab

from attn_ppo.interpret.believe import moving
from attn_ppo.interpret.believe.chance import shifts_of
from attn_ppo.interpret.believe.moving import ABSENT, information, places_of, pointwise


def cells(*weights):
    """Some cells' weights -> (49,)."""
    return np.array([*weights, *[0.0] * (49 - len(weights))])


def contingency(*series):
    """How often each pair occurs, by scipy; its result isn't typed."""
    found: Any = crosstab(*series)
    return np.asarray(found.count)


def test_steadiness_by_hand():
    maps = np.stack([cells(1), cells(1), cells(0.5, 0.5), cells(0, 0, 1), cells(0, 0, 1)])
    games = np.array([0, 0, 0, 0, 1])
    found = moving.steadiness(maps, games)
    assert np.isnan(found[[0, 4]]).all()  # nothing comes before a game's first step
    assert found[1:4] == pytest.approx([1, np.sqrt(0.5), 0])


def test_dwell_by_hand():
    # 5 for three steps, 2 for one, and in the next game for two: 6 steps in 3 stays.
    peaks, games = np.array([5, 5, 5, 2, 2, 2]), np.array([0, 0, 0, 0, 1, 1])
    assert moving.dwell(peaks, games) == 2
    assert moving.dwell(np.full(6, 3), np.zeros(6)) == 6
    assert moving.cells(peaks) == 2
    assert moving.cells(np.full(6, 3)) == 1


def test_divergence_by_hand():
    # (1, 0) and (1/2, 1/2) have the mean (3/4, 1/4): KL ln(4/3), and ln(2/3) / 2 + ln(2) / 2
    one, other = (
        np.stack([cells(1), cells(1), cells(1)]),
        np.stack([cells(1), cells(0, 1), cells(0.5, 0.5)]),
    )
    found = moving.divergence(np.stack([one, other], 1))
    assert found[0] == 0
    assert found[1] == pytest.approx(np.log(2))
    assert found[1] <= np.log(2)
    assert found[2] == pytest.approx((0.287682 + (-0.405465 + 0.693147) / 2) / 2)


def test_divergence_of_three_maps_is_the_mean_of_its_pairs():
    # the first two are the same; each is disjoint from the third
    maps = np.stack([cells(1), cells(1), cells(0, 1)])[None]
    assert moving.divergence(maps) == pytest.approx([2 / 3 * np.log(2)])
    assert np.isnan(moving.divergence(maps[:, :1])).all()


def test_divergence_like_scipy():
    maps = np.random.default_rng(0).dirichlet(np.full(49, 0.1), (20, 2))
    theirs = [jensenshannon(*pair) ** 2 for pair in maps]  # theirs is a distance, its root
    assert moving.divergence(maps) == pytest.approx(theirs)


def test_places_are_bins_of_twelve_pixels():
    centres = [[0.5, 0.5], [11.9, 12.1], [83.5, 83.5], [np.nan, np.nan], [25, 60]]
    assert places_of(np.array(centres)).tolist() == [0, 1, 48, ABSENT, 7 * 2 + 5]


def test_a_peak_that_follows_tells_the_whole_entropy_of_the_places():
    # p = 1/2, 1/4, 1/4: 1/2 ln 2 + 2/4 ln 4 = 1.0397 nats
    where = np.array([8, 8, 8, 8, 16, 16, 30, 30])
    assert pointwise(where + 3, where).mean() == pytest.approx(1.0397, abs=1e-4)
    # while what is the same at each place tells nothing of it
    assert pointwise(np.array([1, 1, 2, 2, 1, 2, 1, 2]), where) == pytest.approx(np.zeros(8))


def test_information_as_counted_like_scipy():
    rng = np.random.default_rng(0)
    where = rng.integers(0, 6, 200)
    peaks = (where + rng.integers(0, 3, 200)) % 5
    joint = contingency(peaks, where) / 200
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    assert pointwise(peaks, where).mean() == pytest.approx(entropy(joint.ravel(), apart.ravel()))


def test_information_is_corrected_by_its_shifts():
    # 0 0 1 1 against itself: ln 2. Shifted by 1 or 3, half of each pair agree: 0; by 2, all are
    # the other: ln 2 again. So the shifts' mean is ln 2 / 3, which is taken off all.
    series, games = np.array([0, 0, 1, 1]), np.zeros(4, int)
    each, shifts = information(series, series, games, np.array([[1], [2], [3]]))
    third = np.log(2) / 3
    assert each == pytest.approx(np.full(4, 2 * third))
    assert shifts == pytest.approx([-third, 2 * third, -third])


def test_information_of_shifts_is_that_of_rolled_peaks():
    rng = np.random.default_rng(2)
    games = np.repeat([0, 1], [60, 90])
    peaks, where = np.sort(rng.integers(0, 5, 150)), rng.integers(ABSENT, 4, 150)
    shifts = np.array([[1, 2], [20, 70], [59, 1]])
    theirs = []
    for first, second in shifts:
        rolled = np.concatenate([np.roll(peaks[:60], first), np.roll(peaks[60:], second)])
        joint = contingency(rolled[where >= 0], where[where >= 0])
        theirs.append(entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel()))
    found = information(peaks, where, games, shifts)[1]
    assert found == pytest.approx(np.array(theirs) - np.mean(theirs))


@pytest.mark.parametrize("steps", [7, 100, 1009])
def test_a_map_that_never_moves_has_exactly_no_information(steps):
    rng = np.random.default_rng(steps)
    games = np.sort(rng.integers(0, 3, steps))
    where = rng.integers(ABSENT, 49, steps)
    each, shifts = information(np.full(steps, 24), where, games, shifts_of(games, rng, 50))
    assert (each[where != ABSENT] == 0).all()
    assert (shifts == 0).all()


def test_where_the_object_is_absent_nothing_is_told():
    # The peak moves only while it is away; then it stays at 3 while the object moves. Shifted by 1
    # to 3 it has at the last two steps 3 3, 1 3, 3 1: the latter two tell the places, ln 2 each.
    peaks, where = np.array([1, 3, 3, 3]), np.array([ABSENT, ABSENT, 5, 6])
    games = np.zeros(4, int)
    each, shifts = information(peaks, where, games, np.array([[1], [2], [3]]))
    bias = 2 * np.log(2) / 3
    assert np.isnan(each[:2]).all()
    assert each[2:] == pytest.approx([-bias, -bias])
    assert sorted(shifts) == pytest.approx([-bias, np.log(2) - bias, np.log(2) - bias])
    away = np.full(4, ABSENT)
    assert np.isnan(information(peaks, away, games, np.array([[1]]))[0]).all()


def test_independent_walks_have_no_information_on_average():
    # As counted, 300 steps of two slow walks seem to tell 1 nat of each other.
    rng = np.random.default_rng(0)
    games = np.zeros(300, int)
    shifts = shifts_of(games, rng)[::10]
    found, counted = [], []
    for _ in range(40):
        peaks, where = (np.cumsum(rng.integers(-1, 2, 300)) % 49 for _ in range(2))
        found.append(information(peaks, where, games, shifts)[0].mean())
        counted.append(pointwise(peaks, where).mean())
    assert np.mean(counted) > 0.8
    assert np.mean(found) == pytest.approx(0, abs=0.05)
