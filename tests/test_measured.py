"""A page's numbers of objects, by hand."""

import believe_agents
import numpy as np
import recordings

from attn_ppo.interpret.believe.objects import Objects
from attn_ppo.interpret.play.record import record
from attn_ppo.interpret.show.measured import about, masks, measure, with_attention

UNIFORM = np.full((1, 7, 7), 1 / 49)


def test_a_mask_has_what_is_covered_half_as_much_as_the_most_covered_pixel():
    coverage = np.zeros((1, 3, 84, 84), np.uint8)
    coverage[0, 0, 0, [0, 1, 9]] = 40, 19, 20  # of at most 40: 19 is less than half
    coverage[0, 1, 83, 80:] = 255  # the last four of 7056 bits
    packed = masks(coverage)
    assert packed.shape == (1, 3, 882)
    assert packed[0, 0, :2].tolist() == [0b10000000, 0b01000000]
    assert packed[0, 1, -1] == 0b00001111
    assert packed.sum() == 128 + 64 + 15  # the third object isn't there


def test_attention_on_an_object_by_hand():
    """The object is rows and columns 0 to 7 whole, which cell (0, 0) alone sees.

    That cell's box is shared by 1 to 5 cells a side: eight rows each of 1, 2, 3, 4, and four of 5.
    Its weight goes to pixels by the inverse: 8 + 4 + 8/3 + 2 + 4/5 = 17.4667 a side, 305.084 in
    all, of which the object's 64 pixels have 64 / 305.084 = 0.209778. Even attention has 1/49.
    """
    coverage = np.zeros((3, 1, 84, 84), np.uint8)
    coverage[:2, 0, :8, :8] = 255
    attention = np.zeros((3, 2, 7, 7), np.float32)
    attention[0, :, 0, 0] = attention[1:, :, 6, 6] = 1
    attention[:, 1] *= 0.5  # of a sigmoid, say: shares of the map's own total
    importance = np.array([[0.5], [np.nan], [np.nan]])
    found = with_attention(Objects(("corner",), coverage, "motion"), attention, importance)
    nan = np.nan
    for of_map in (0, 1):
        expected = [0.209778, 0, nan]
        np.testing.assert_allclose(found.share[:, of_map, 0], expected, rtol=1e-5)
        expected = [0.069926, 0.069926, nan]  # the mean map has a third in the corner
        np.testing.assert_allclose(found.chance[:, of_map, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(found.even[:, 0], [0.0042812, 0.0042812, nan], rtol=1e-4)
    assert about(found) == {"names": ["corner"], "method": "motion", "steps": 1}


def test_without_attention_there_is_none_on_any_object():
    coverage = np.full((2, 1, 84, 84), 255, np.uint8)
    none, importance = np.zeros((2, 0, 7, 7), np.float32), np.zeros((2, 1))
    found = with_attention(Objects(("all",), coverage, "motion"), none, importance)
    assert found.share.shape == found.chance.shape == (2, 0, 1)
    np.testing.assert_allclose(found.even, 1, rtol=1e-5)


def test_what_is_not_known_has_no_objects():
    other = recordings.planted(UNIFORM, steps=24, game="Pong")
    assert measure(believe_agents.believe_agent("ball"), other) is None


def test_a_real_game_has_its_ball_and_paddle():
    agent = believe_agents.believe_agent("ball")
    found = measure(agent, record(agent, steps=20, on_step=lambda: None))
    assert found is not None
    assert {"ball", "paddle", "bricks"} <= set(found.names)
    paddle = found.names.index("paddle")
    assert (found.even[:, paddle] > 0).all()
    assert np.isnan(found.importance).all()
