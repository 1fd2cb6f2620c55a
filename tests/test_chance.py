"""What maps that know nothing of the object would score: by hand, and against plain loops."""

import numpy as np
import pytest

from attn_ppo.interpret.believe import chance
from attn_ppo.interpret.believe.chance import Maps, all_cells, on_object, peaks, shifts_of, whole

ONE_GAME = np.zeros(4, int)


def on_cells(cells):
    """(T,) cells -> (T, 49) all weight on these."""
    return np.eye(49)[np.asarray(cells)]


def a_ball():
    """Worth 1 in cell 1 at steps 0 and 1, in cell 2 at 2; not seen at 3."""
    worth = on_cells([1, 1, 2, 0])
    worth[3] = np.nan
    return worth


def test_all_controls_by_hand():
    # The map looks at 1, 1, 1, 2: right at two of three steps. Shifted by 1 that is 2, 1, 1, 1; by
    # 2: 1, 2, 1, 1; by 3: 1, 1, 2, 1: right at 1/3, 1/3, 3/3. Of these the 97.5th percentile is
    # 0.95 of the way from the second to the third. Its mean is 3/4 of cell 1 and 1/4 of 2.
    own = on_cells([1, 1, 1, 2])
    maps = Maps(own, (on_cells([1, 1, 2, 2]), on_cells([5, 5, 2, 2])), on_cells([1, 9, 9, 9]))
    shifts = shifts_of(ONE_GAME, np.random.default_rng(0))
    each, found = on_object(maps, all_cells, a_ball(), ONE_GAME, shifts)
    assert each[:3].tolist() == [1, 1, 0]
    assert np.isnan(each[3])
    assert found.uniform == pytest.approx(1 / 49)
    assert found.best == 1
    assert found.fixed == pytest.approx(2 / 3)
    assert found.own_mean == pytest.approx((3 / 4 + 3 / 4 + 1 / 4) / 3)
    assert found.shifted == pytest.approx(5 / 9)
    assert found.shifted_low == pytest.approx(1 / 3)
    assert found.shifted_high == pytest.approx(1 / 3 + 0.95 * 2 / 3)
    assert found.as_high == pytest.approx(1 / 3)
    assert found.untrained == pytest.approx((1 + 1 / 3) / 2)
    assert found.random == pytest.approx(1 / 3)
    peaked = on_object(maps, peaks, a_ball(), ONE_GAME, shifts)[1]
    assert peaked.own_mean == pytest.approx(2 / 3)  # the mean's strongest cell is 1


def test_a_measure_that_is_nowhere_defined_has_no_controls():
    maps = Maps(on_cells([1, 1, 1, 2]), (), on_cells([1, 9, 9, 9]))
    shifts = shifts_of(ONE_GAME, np.random.default_rng(0))
    each, found = on_object(maps, all_cells, np.full((4, 49), np.nan), ONE_GAME, shifts)
    assert np.isnan(each).all()
    assert np.isnan(found).all()


def test_shifts_stay_within_a_game():
    # In the first game map and object are at cell 1, in the second at 2, and they never move.
    games = np.array([0, 0, 0, 7, 7])
    cells = on_cells([1, 1, 1, 2, 2])
    shifts = shifts_of(games, np.random.default_rng(0), draws=20)
    assert chance.at_shifts(cells, cells, games, shifts) == pytest.approx(np.ones(20))
    moved = chance.shifted(np.array([1, 2, 3, 4, 5]), games, np.array([1, 1]))
    assert moved.tolist() == [3, 1, 2, 5, 4]


def test_shifts_are_never_by_nothing():
    assert shifts_of(ONE_GAME, np.random.default_rng(0)).tolist() == [[1], [2], [3]]
    games = np.array([0, 0, 0, 0, 1, 1, 2])
    drawn = shifts_of(games, np.random.default_rng(0), draws=200)
    assert [set(column.tolist()) for column in drawn.T] == [{1, 2, 3}, {1}, {0}]
    again = shifts_of(games, np.random.default_rng(0), draws=200)
    assert (drawn == again).all()


def test_shifted_scores_are_those_of_rolled_maps():
    rng = np.random.default_rng(3)
    games = np.repeat([0, 1, 2], [7, 11, 5])
    weights, worth = rng.random((23, 49)), rng.random((23, 49))
    worth[[2, 9, 10]] = np.nan
    shifts = shifts_of(games, rng, draws=30)
    for by, found in zip(shifts, chance.at_shifts(weights, worth, games, shifts), strict=True):
        rolled = np.concatenate(
            [np.roll(weights[games == game], by[game], axis=0) for game in range(3)]
        )
        assert found == pytest.approx(np.nanmean((rolled * worth).sum(1)))


def dwelling(rng, steps=300):
    """(T,) one of 9 cells, which changes about every tenth step."""
    jumps = rng.random(steps) < 0.1
    return rng.integers(0, 9, steps)[np.maximum.accumulate(jumps * np.arange(steps))]


def test_what_has_nothing_to_do_with_the_object_is_rarely_above_its_shifts():
    # Of pairs that dwell, each by itself, 5 % should score so high that at most 5 % of the shifts
    # do as well. Orders of single steps, shuffled, are far more often all below.
    rng = np.random.default_rng(0)
    games = np.zeros(300, int)
    shifts = shifts_of(games, rng)
    high, high_shuffled = [], []
    for _ in range(400):
        own, worth = on_cells(dwelling(rng)), on_cells(dwelling(rng))
        score = (own * worth).sum(1).mean()
        moved = chance.at_shifts(own, worth, games, shifts)
        shuffled = np.array([(own[rng.permutation(300)] * worth).sum() / 300 for _ in range(40)])
        high.append(chance.held_against(score, moved)[3] <= 0.05)
        high_shuffled.append(chance.held_against(score, shuffled)[3] <= 0.05)
    assert np.mean(high) == pytest.approx(0.05, abs=0.03)
    assert np.mean(high_shuffled) > 0.2


def test_cells_equally_strong_share_the_peak():
    weights = np.zeros((2, 49))
    weights[0, [3, 4]] = 0.4
    found = peaks(weights)
    assert found[0, [3, 4]].tolist() == [0.5, 0.5]
    assert found.sum(1) == pytest.approx([1, 1])
    assert found[1] == pytest.approx(np.full(49, 1 / 49))


def test_maps_are_made_to_sum_to_one():
    weights = np.zeros((2, 49))
    weights[0, [3, 4]] = 0.9, 0.3  # a sigmoid gate's
    assert whole(weights)[0, [3, 4]] == pytest.approx([0.75, 0.25])
    assert whole(weights)[1] == pytest.approx(np.full(49, 1 / 49))  # points nowhere


def test_a_random_map_has_the_same_weights_on_other_cells():
    weights = np.random.default_rng(0).random((50, 2, 49))
    found = chance.permuted(weights, np.random.default_rng(1))
    assert (np.sort(found) == np.sort(weights)).all()
    assert (found == weights).mean() == pytest.approx(1 / 49, abs=0.01)
    assert len({tuple(row) for row in found.reshape(100, 49).argmax(1)[:, None].tolist()}) > 30
    assert (found == chance.permuted(weights, np.random.default_rng(1))).all()
