"""Peaks by prominence: worked out by hand on small maps."""

import numpy as np

from attn_ppo.interpret.tree.peaks import Peak, peaks


def test_a_shoulder_is_no_peak_and_a_lower_summit_is_one():
    # The 8 beside the 9 is higher than the 5, but one comes up from it to the 9 without going down.
    heights = np.array(
        [
            [9, 8, 1, 0],
            [7, 6, 0, 0],
            [1, 0, 0, 5],
            [0, 0, 4, 0],
        ],
        float,
    )
    # From the 5 one must go down to 0: (2, 3) -> (1, 2) -> (0, 1).
    assert peaks(heights, 5) == [Peak(0, 0, 9, 9), Peak(2, 3, 5, 5)]


def test_prominence_is_the_height_above_the_saddle():
    heights = np.array([[9.0, 6.0, 8.0, 2.0, 7.0, 1.0]])
    # 8 is 2 above the saddle 6 to the 9; 7 is 5 above the saddle 2; 9 is 8 above the lowest.
    assert [peak[1:] for peak in peaks(heights, 5)] == [(0, 9, 8), (4, 7, 5), (2, 8, 2)]


def test_at_most_so_many_the_most_prominent_first():
    heights = np.array([[9.0, 6.0, 8.0, 2.0, 7.0, 1.0]])
    assert [peak.column for peak in peaks(heights, 2)] == [0, 4]


def test_a_ripple_is_left_out():
    # 5 % of the highest prominence 10 are 0.5: a ripple of 0.4 is none, one of 0.6 is a peak.
    heights = np.array([[10.0, 1.0, 1.4, 1.0, 1.6, 0.0]])
    assert [peak.column for peak in peaks(heights, 5)] == [0, 4]


def test_a_flat_map_has_none():
    assert peaks(np.full((7, 7), 1 / 49), 3) == []


def test_one_sharp_cell():
    heights = np.zeros((7, 7))
    heights[2, 4] = 1
    assert peaks(heights, 3) == [Peak(2, 4, 1, 1)]


def test_neighbours_don_t_wrap_around():
    heights = np.zeros((3, 7))
    heights[0, 6], heights[1, 0] = 2, 1  # side by side in memory only
    assert peaks(heights, 3) == [Peak(0, 6, 2, 2), Peak(1, 0, 1, 1)]
