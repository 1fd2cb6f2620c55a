"""Maps against cause: rank correlations beside scipy's, masses on objects by hand and captum."""

import captum.metrics
import numpy as np
import pytest
import torch
from explaining import ACTION, agent, explain, frames
from planted import LIKED, NEWEST, SPOT, planted, scene
from scipy.stats import spearmanr
from torch import Generator

from attn_ppo.interpret.believe.agreement import (
    agreement,
    beside,
    between_methods,
    contrast_of,
    masses,
    patches,
    pooled,
    rank_correlation,
    signed_masses,
)
from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import TARGETS

NAN = np.nan


# Rank correlation


@pytest.mark.parametrize("levels", [2, 4, 1000])
@pytest.mark.parametrize("size", [3, 10, 200])
def test_ranks_like_scipy_ties_and_all(levels, size):
    rng = np.random.default_rng(size + levels)
    one = rng.integers(0, levels, size).astype(float)
    other = one + rng.integers(0, levels, size)
    one[0], one[1] = 0, 1  # never constant
    other[0], other[1] = 0, 5000
    expected = spearmanr(one, other).statistic  # pyright: ignore[reportAttributeAccessIssue]
    assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-12)
    missing = np.append(one, [NAN, 3]), np.append(other, [2, NAN])
    assert rank_correlation(*missing) == pytest.approx(expected, abs=1e-12)


def test_ties_share_the_mean_of_their_ranks():
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4, less 2.5: (-1.5, 0, 0, 1.5) . (-1.5, -.5, .5, 1.5) = 4.5,
    # of lengths sqrt(4.5) and sqrt(5).
    found = rank_correlation(np.array([0, 7, 7, 9]), np.array([1, 2, 3, 4]))
    assert found == pytest.approx(4.5 / 22.5**0.5)


def test_what_says_nothing_is_not_a_number():
    rising = np.arange(4.0)
    assert np.isnan(rank_correlation(rising[:2], rising[:2]))  # of two: always 1 or -1
    assert np.isnan(rank_correlation(rising, np.array([1, 2, NAN, NAN])))
    with np.errstate(all="raise"):  # and no warning
        assert np.isnan(rank_correlation(rising, np.ones(4)))
        assert np.isnan(rank_correlation(np.ones(4), rising))


# Mass on objects


def boxes(*places: tuple[slice, slice] | None, frames=(0, 1, 2, 3), cover: int = 255) -> np.ndarray:
    """(1, O, 4, 84, 84): an object in each of these places of these frames, None: absent."""
    masks = np.zeros((1, len(places), 4, 84, 84), np.uint8)
    for number, place in enumerate(places):
        if place is not None:
            for frame in frames:
                masks[0, number, frame, place[0], place[1]] = cover
    return masks


LEFT, RIGHT = (slice(0, 10), slice(0, 10)), (slice(0, 10), slice(50, 70))


def test_mass_is_the_mean_magnitude_over_an_objects_pixels():
    maps = np.zeros((1, 4, 84, 84), np.float32)
    maps[0, NEWEST, 0:10, 0:5] = -2  # half of LEFT, in one frame of four: |mean| 2 / 8
    maps[0, :, 0:10, 50:70] = 3  # all of RIGHT, which is twice as large
    assert masses(maps, boxes(LEFT, RIGHT, None))[0].tolist() == pytest.approx(
        [0.25, 3, NAN], nan_ok=True
    )
    newest = boxes(LEFT, frames=[NEWEST])
    assert masses(maps, newest)[0, 0] == 1
    newest[0, 0, NEWEST, 0:10, 0:5] = 85  # a third of those pixels: (2 * 1/3 + 0 * 1) / (4/3)
    assert masses(maps, newest)[0, 0] == pytest.approx(0.5)


def test_one_map_of_four_frames_is_weighed_by_where_the_object_was():
    maps = np.zeros((1, 1, 84, 84), np.float32)
    maps[0, 0, 0:10, 0:10] = 1
    moving = boxes(LEFT, frames=[0]) + boxes(RIGHT, frames=[1, 3])
    # 100 pixels of 1 in one frame, 200 of 0 in two.
    assert masses(maps, moving)[0, 0] == pytest.approx(100 / 500)


def test_an_even_map_has_equal_masses():
    even = np.full((1, 1, 84, 84), 1 / 49, np.float32)
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 256, (1, 8, 4, 84, 84), dtype=np.uint8)
    assert len(set(masses(even, masks)[0].tolist())) == 1


# Agreement


def test_agreement_over_objects_over_time_and_pooled():
    importance = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    found = agreement(np.array([[1.0, 2, 3], [6, 5, 4], [7, 9, NAN]]), importance)
    assert found.within.tolist() == pytest.approx([1, -1, NAN], nan_ok=True)  # of two: undefined
    assert found.over_time.tolist() == pytest.approx([1, 1, NAN], nan_ok=True)
    # Ranks 1 2 3 6 5 4 7 8 against 1 ... 8: squared differences 4 + 0 + 4; 1 - 6 * 8 / (8 * 63).
    assert found.pooled == pytest.approx(1 - 48 / 504)


def test_timeless_is_what_is_earned_by_knowing_which_objects_matter():
    always = np.array([[0.0, 1, 2]] * 4)
    found = agreement(always, 10 * always)
    assert (found.pooled, found.timeless) == pytest.approx((1, 1))
    assert np.isnan(found.over_time).all()
    # Which of two objects matters takes turns: shifted by 1, 2, 3 steps it is -1, 1, -1.
    turns = np.array([[0.0, 5], [5, 0], [0, 5], [5, 0]])
    found = agreement(turns, turns)
    assert (found.pooled, found.timeless) == pytest.approx((1, -1 / 3))


def test_a_map_of_one_step_has_no_timeless_agreement():
    found = agreement(np.array([[1.0, 2, 3]]), np.array([[1.0, 2, 3]]))
    assert found.pooled == pytest.approx(1)
    assert np.isnan(found.timeless)


def test_rounding_is_no_importance():
    # 1, 0, 0 and 2, 0, 0 against 1, 2, 3 and 4, 5, 6: ranks 5 2.5 2.5 6 2.5 2.5 and 1 ... 6, less
    # 3.5: 1.5 (-2.5) - 1 (-1.5) - 1 (-.5) + 2.5 (.5) - 1 (1.5) - 1 (2.5) = -4.5; of squares 12.5
    # and 17.5.
    importance = np.array([[1, 5e-7, -1e-9], [2, 3e-8, 9e-7]])
    found = agreement(np.array([[1.0, 2, 3], [4, 5, 6]]), importance)
    assert found.pooled == pytest.approx(-4.5 / (12.5 * 17.5) ** 0.5)
    assert np.isnan(found.over_time[1:]).all()


# Polarity


@pytest.mark.parametrize("name", ["gradient", "smoothgrad", "integrated_gradients"])
@pytest.mark.parametrize(("target", "expected"), [("margin", 1.6), ("value", -2.4)])
def test_signed_mass_is_what_the_object_adds(name, target, expected):
    # Linear, without attention: feature 4 * 51 / 255 = .8, margin 2 * (.8 + .1), value -3 * (.8 +
    # .1); on black they would be 2 * .1 and -3 * .1. The background is black, the frame's median.
    obs = scene(spot=51, ground=0)
    maps = METHODS[name].function(
        planted("none"), obs, torch.tensor([LIKED]), TARGETS[target], Generator().manual_seed(0)
    )
    contrast = contrast_of(obs.numpy(), np.zeros((5, 84, 84), np.uint8))
    found = signed_masses(name, maps.numpy(), boxes(SPOT, LEFT, None), contrast)
    assert found[0].tolist() == pytest.approx([expected, 0, NAN], rel=1e-3, nan_ok=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_added_is_what_captum_expects():
    """Its infidelity is the squared distance of a map's product with a change from the true one."""
    model, obs, actions = agent(), frames(2), ACTION.expand(2)
    target, maps = TARGETS["log_prob"], explain("gradient", agent(), frames(2))
    masks = boxes((slice(10, 70), slice(10, 70))).repeat(2, 0)
    removed = obs.float() * torch.from_numpy(masks[:, 0]) / 255  # to black
    theirs = captum.metrics.infidelity(
        lambda pixels, chosen: target(see(model, pixels), chosen),
        lambda pixels: (removed, pixels - removed),
        obs.float(),
        maps,
        additional_forward_args=actions,
        n_perturb_samples=1,
    )
    with torch.no_grad():
        before, after = (target(see(model, each), actions) for each in (obs, obs.float() - removed))
    added = signed_masses("gradient", maps.numpy(), masks, obs.float().numpy())[:, 0]
    distance = added - (before - after).numpy()
    assert distance**2 == pytest.approx(theirs.numpy(), rel=0.01)
    assert (np.abs(added) > 0.1 * np.abs(distance)).all()  # which is not all of it


def test_background_is_the_median_of_all_frames():
    frames = np.full((5, 84, 84), 40, np.uint8)
    frames[0] = 200  # a flash
    assert (contrast_of(np.full((1, 4, 84, 84), 30, np.uint8), frames) == -10).all()


# Between methods


def test_methods_are_compared_by_patches():
    rising = np.arange(84 * 84, dtype=np.float32).reshape(1, 1, 84, 84)
    maps = {
        "rising": rising,
        "falling, below zero": -rising,  # the same magnitudes
        "turned": rising[:, :, ::-1, ::-1].repeat(4, 1),
        "even": np.ones((1, 4, 84, 84), np.float32),
    }
    found = between_methods(maps)
    assert found[:3, :3].ravel().tolist() == pytest.approx([1, 1, -1, 1, 1, -1, -1, -1, 1])
    assert np.isnan(found[3]).all()
    assert np.isnan(found[:, 3]).all()


def test_patches_are_sums_of_magnitudes():
    maps = np.zeros((1, 2, 84, 84), np.float32)
    maps[0, 0, 5, 6], maps[0, 1, 0, 11] = -3, 2  # row 0 to 5, columns 6 to 11: patch (0, 1)
    found = patches(maps)
    assert found.shape == (1, 14, 14)
    assert found[0, 0, 1] == 5
    assert found.sum() == 5


# Beside the methods


def test_uniform_attention_is_even():
    found = beside(np.zeros((2, 4, 84, 84), np.uint8), np.full((2, 3, 7, 7), 1 / 49, np.float32))
    assert list(found) == ["attention", "brightness", "motion"]
    assert found["attention"].shape == (2, 1, 84, 84)
    assert found["attention"].ravel() == pytest.approx(3 / 49)
    assert found["attention"].min() == found["attention"].max()


def test_attention_lies_where_the_strongest_cells_look():
    attention = np.zeros((1, 2, 7, 7), np.float32)
    attention[0, 0, 0, 0], attention[0, 1, 6, 6] = 1, 0.5
    drawn = beside(np.zeros((1, 4, 84, 84), np.uint8), attention)["attention"][0, 0]
    assert drawn[[35, 36, 47, 48], [35, 36, 47, 48]].tolist() == [1, 0, 0, 0.5]


def test_motion_is_the_change_from_the_frame_before():
    obs = np.zeros((1, 4, 84, 84), np.uint8)
    obs[0, :, 3, 3] = 10, 10, 40, 0
    found = beside(obs, np.zeros((1, 0, 7, 7), np.float32))
    assert list(found) == ["brightness", "motion"]  # no attention
    assert found["motion"][0, :, 3, 3].tolist() == [0, 0, 30, 40]
    assert found["brightness"][0, :, 3, 3].tolist() == [10, 10, 40, 0]


def test_pooled_is_the_correlation_of_all_pairs():
    mass, importance = np.array([[1.0, NAN], [2, 3]]), np.array([[3.0, 9], [2, 1]])
    assert pooled(mass, importance) == pytest.approx(-1)
