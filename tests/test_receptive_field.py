"""What a cell of the attention sees, and how its weight is drawn."""

import numpy as np
import pytest
import torch

from attn_ppo import config
from attn_ppo.interpret import receptive_field
from attn_ppo.interpret.network import as_pixels, opened, see
from attn_ppo.interpret.receptive_field import KERNELS, box, to_input, to_screen
from attn_ppo.model import ActorCritic

UNIFORM = np.full((7, 7), 1 / 49)


@pytest.mark.parametrize("cell", [(0, 0), (2, 4), (6, 6), (0, 6)])
def test_a_cell_sees_its_box_and_nothing_else(cell):
    settings = config.AttentionSettings(gate="softmax", maps=2, hidden=16)
    model = opened(ActorCritic(4, settings, torch.Generator().manual_seed(1)))
    touched = torch.zeros(84, 84, dtype=torch.bool)
    for seed in range(3):  # one picture leaves too many units dead
        noise = torch.Generator().manual_seed(seed)
        pixels = as_pixels(torch.rand(1, 4, 84, 84, generator=noise) * 255)
        score = see(model, pixels).scores[0, :, *cell].sum()
        (gradient,) = torch.autograd.grad(score, pixels)
        touched |= (gradient[0] != 0).any(0)
    rows, columns = touched.any(1).nonzero().ravel(), touched.any(0).nonzero().ravel()
    row, column = cell
    assert (rows[0], rows[-1]) == (8 * row, 8 * row + 35)
    assert (columns[0], columns[-1]) == (8 * column, 8 * column + 35)
    assert box(*cell) == (slice(8 * row, 8 * row + 36), slice(8 * column, 8 * column + 36))


def test_uniform_attention_is_even_or_glows_in_the_centre():
    # The corner is in 1 box, the centre in 5 x 5 of them.
    assert to_input(UNIFORM, "box_sum")[[0, 42], [0, 42]] == pytest.approx([1 / 49, 25 / 49])
    for kernel in ("box_mean", "box_max"):
        np.testing.assert_allclose(to_input(UNIFORM, kernel), 1 / 49, rtol=1e-5)
    # Of each 4 pixels in a row 1 1 2 2 3 3 4 4 5 4 5 4 5 4 4 3 3 2 2 1 1 boxes overlap, per side.
    # The sums of 1 / overlaps over 9 blocks from block 2 i are 4.3667, 2.8167, 2.2667, 2.1, ...
    # The corner is 3 / 4.3667, the centre 3 / 5 * (2 / 2.8167 + 2 / 2.2667 + 1 / 2.1), squared.
    density = to_input(UNIFORM, "density") * 84**2  # times the mean
    assert density[[0, 42], [0, 42]] == pytest.approx([0.4720, 1.5405], abs=1e-4)


def test_a_lone_cell_lights_its_box_evenly_and_nothing_else():
    for row, column in [(0, 0), (0, 6), (3, 4), (6, 6)]:
        weights = np.zeros((7, 7))
        weights[row, column] = 0.75
        top, left = 8 * row, 8 * column
        drawn = to_input(weights)  # the default
        assert (drawn[top : top + 36, left : left + 36] == 0.75).all()
        assert (drawn > 0).sum() == 36 * 36


def test_where_boxes_overlap_the_stronger_is_drawn():
    weights = np.zeros((2, 7, 7))
    weights[0, 2, 3], weights[0, 3, 4] = 0.25, 0.5  # rows 16..51 and 24..59, columns 24.. and 32..
    weights[1] = 0.125
    first, uniform = to_input(weights, "box_max")
    drawn = first[[16, 51, 24, 51, 59, 60], [24, 31, 32, 59, 67, 67]]
    assert drawn.tolist() == [0.25, 0.25, 0.5, 0.5, 0.5, 0]
    assert (uniform == 0.125).all()


def test_density_integrates_to_the_weight():
    weights = np.zeros((7, 7))
    weights[0, 0], weights[3, 4] = 0.25, 0.75
    density = to_input(weights, "density")
    assert density.sum() == pytest.approx(1)
    assert to_input(np.eye(7)[3:4].T @ np.eye(7)[:1], "density").sum() == pytest.approx(1)


def test_strongest_is_one_box_at_the_weight():
    weights = np.zeros((2, 7, 7))
    weights[0, 1, 2], weights[0, 5, 5], weights[1, 6, 0] = 0.6, 0.4, 1.0
    first, second = to_input(weights, "strongest")
    assert first[8:44, 16:52] == pytest.approx(0.6)
    assert first.sum() == pytest.approx(0.6 * 36 * 36)
    assert second[48:, :36] == pytest.approx(1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_take_any_batch(kernel):
    weights = np.random.default_rng(0).random((3, 2, 7, 7))
    maps = to_input(weights, kernel)
    assert maps.shape == (3, 2, 84, 84)
    assert maps.min() >= 0
    np.testing.assert_allclose(maps[1, 1], to_input(weights[1, 1], kernel), rtol=1e-5)


def test_to_screen_keeps_places_and_levels():
    maps = np.zeros((84, 84), np.float32)
    maps[42:, :] = 1  # the lower half
    screen = to_screen(maps, 210, 160)
    assert screen.shape == (210, 160)
    assert (screen[:102].max(), screen[108:].min()) == (0, 1)
    np.testing.assert_allclose(to_screen(np.ones((84, 84)), 210, 160), 1, rtol=1e-6)
    assert receptive_field.CELLS * receptive_field.STRIDE + 28 == receptive_field.INPUT
