"""Objects' masks become coverage of the network's pixels, centres and shares of boxes."""

import numpy as np
import pytest

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.believe import objects as found
from attn_ppo.interpret.believe.object_tables.pixels import boxes, run_at
from attn_ppo.interpret.believe.objects import Objects, find_objects, screen_masks
from attn_ppo.interpret.show.masks import COLOURS, mask_picture, tinted_masks

RAM = np.zeros((3, 128), np.uint8)


def one_class(coverage: np.ndarray) -> Objects:
    return Objects(("thing",), coverage, "motion")


@pytest.fixture(scope="module")
def walker() -> np.ndarray:
    """(10, 210, 160): 5 rows by 4 columns of colour 8 that walk over colour 2, 16 columns a step.

    Rows 100 to 104 are the input's 40 and 41 (2.5 each).
    """
    screens = np.full((10, 210, 160), 2, np.uint8)
    for step in range(10):
        screens[step, 100:105, 16 * step : 16 * step + 4] = 8
    return screens


def test_motion_finds_what_differs_from_the_most_frequent_colour(walker):
    names, masks = screen_masks("Pong", walker, np.zeros((10, 128), np.uint8))
    assert names == ("moving",)
    assert masks.shape == (10, 1, 210, 160)
    assert (masks[:, 0] == (walker == 8)).all()


def test_a_flash_of_the_whole_screen_is_no_object(walker):
    flash = walker.copy()
    flash[4] = np.where(walker[4] == 2, 14, 8)
    _, masks = screen_masks("Pong", flash, np.zeros((10, 128), np.uint8))
    assert (masks[:, 0] == (walker == 8)).all()


def test_coverage_is_the_share_of_the_networks_pixels(walker):
    objects = find_objects("Pong", walker, np.zeros((10, 128), np.uint8))
    assert objects.method == "motion"
    # Step 1: columns 16 to 20 of 160 are 8.4 to 10.5 of the input's 84.
    row = objects.coverage[1, 0, 40]
    assert row[7:12].tolist() == [0, 153, 255, 128, 0]  # 255 x 0.6 = 153, x 0.5 = 127.5
    assert objects.coverage[1, 0, 41].tolist() == row.tolist()
    assert objects.coverage[1, 0, [39, 42]].sum() == 0


def test_presence_and_centres():
    coverage = np.zeros((2, 1, 84, 84), np.uint8)
    coverage[0, 0, 10, 20] = 255
    coverage[0, 0, 12, 20] = 85  # a third
    objects = one_class(coverage)
    assert found.present(objects).tolist() == [[True], [False]]
    # Pixels' middles: (255 x 10.5 + 85 x 12.5) / 340 = 11, and 20.5.
    assert found.centres(objects)[0, 0].tolist() == [11, 20.5]
    assert np.isnan(found.centres(objects)[1]).all()


def test_shares_of_the_boxes():
    coverage = np.zeros((2, 84, 84), np.uint8)
    coverage[0, 0, 0] = 100  # seen by cell 0 alone
    coverage[0, 83, 83] = 50  # seen by cell 48 alone
    coverage[0, 0, 8] = 50  # by cells 0 and 1, columns 0 to 35 and 8 to 43
    shares = found.box_shares(coverage)
    assert shares.shape == (2, 49)
    assert shares.dtype == np.float32
    assert shares[0, [0, 1, 2, 47, 48]].tolist() == [0.75, 0.25, 0, 0, 0.25]
    assert np.isnan(shares[1]).all()


def test_stacked_masks_are_of_the_four_frames_of_the_input():
    coverage = np.zeros((6, 2, 84, 84), np.uint8)
    coverage[:, 1, 0, 0] = [1, 2, 3, 4, 5, 6]
    filled = np.array([1, 2, 3, 4, 1, 2], np.uint8)  # a new game at step 4
    stacks = found.stacked(coverage, filled)
    assert stacks.shape == (6, 2, 4, 84, 84)
    assert stacks[:, 1, :, 0, 0].tolist() == [
        [0, 0, 0, 1],
        [0, 0, 1, 2],
        [0, 1, 2, 3],
        [1, 2, 3, 4],
        [0, 0, 0, 5],
        [0, 0, 5, 6],
    ]
    assert (found.stacked(coverage, filled, np.array([5, 3])) == stacks[[5, 3]]).all()
    assert stacks[:, 0].sum() == 0


def test_boxes_go_on_at_the_left_but_not_at_the_top():
    screens = np.zeros((2, 4, 10), np.uint8)
    first, second = boxes(screens, np.array([1, -1]), np.array([8, 2]), (2, 4))
    assert np.argwhere(first.any(1)).ravel().tolist() == [1, 2]
    assert np.argwhere(first.any(0)).ravel().tolist() == [0, 1, 8, 9]
    assert np.argwhere(second.any(1)).ravel().tolist() == [0]
    assert np.argwhere(second.any(0)).ravel().tolist() == [2, 3, 4, 5]
    wider = boxes(screens, np.array([1, -1]), np.array([8, 2]), (2, 4), slack=1)[1]
    assert np.argwhere(wider.any(0)).ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert np.argwhere(wider.any(1)).ravel().tolist() == [0, 1]


def test_the_run_of_pixels_at_a_column():
    line = np.array([[0, 1, 1, 0, 1], [0, 1, 1, 0, 1], [1, 1, 0, 0, 1]], bool)
    runs = run_at(line, np.array([2, 3, -1]))  # beyond the screen: its nearest column
    assert runs.tolist() == [
        [False, True, True, False, False],
        [False] * 5,
        [True, True, False, False, False],
    ]


def test_a_method_that_a_game_does_not_have_is_refused():
    screens = np.zeros((3, 210, 160), np.uint8)
    with pytest.raises(ConfigError, match="allowed: motion"):
        find_objects("Pong", screens, RAM, method="palette and memory")
    with pytest.raises(ConfigError, match="nearest: motion"):
        find_objects("Breakout", screens, RAM, method="motoin")
    assert find_objects("Breakout", screens, RAM, method="motion").names == ("moving",)


def test_masks_are_drawn_beside_the_screen_each_in_a_colour():
    screen = np.full((210, 160, 3), 200, np.uint8)
    masks = np.zeros((2, 210, 160), bool)
    masks[0, 100:105, 0:4] = True
    masks[1, 0:10, 50:60] = True
    drawn = tinted_masks(screen, masks)
    assert drawn[102, 2].tolist() == list(COLOURS[0])
    assert drawn[5, 55].tolist() == list(COLOURS[1])
    assert drawn[200, 100].tolist() == [60, 60, 60]  # 0.3 x 200
    image = np.asarray(mask_picture(screen, ("ball", "paddle"), masks, scale=2))
    assert image.shape == (2 * 210 + 18 + 6, 2 * 2 * 160, 3)
    assert image[204, 4].tolist() == [200, 200, 200]
    assert image[204, 320 + 4].tolist() == list(COLOURS[0])
    assert image[420:].max() > 200  # the legend
