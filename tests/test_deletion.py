"""Deletion and insertion: on the planted agent, whose policy is worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import LIKED, NEWEST, planted, scene
from recordings import UNIFORM
from recordings import planted as recorded
from torch import Generator

from attn_ppo.interpret.believe.deletion import (
    FRACTIONS,
    RANDOM,
    areas,
    blurred,
    curves,
    orders_of,
    other_moments,
)
from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.perturbation import blur
from attn_ppo.interpret.saliency.targets import TARGETS

# Without attention feature 0 of the planted agent is 4 * brightness / 255 of the spot, the margin
# of LIKED over three other actions 2 * (feature + .1), the value -3 * (feature + .1).
SEEN = scene(spot=51, ground=0).numpy()  # feature .8, margin 1.8, value -2.7
EMPTY = scene(spot=0, ground=0).numpy()  # feature 0, margin .2, value -.3
P_SEEN = np.exp(1.8) / (np.exp(1.8) + 3)  # .66849
P_EMPTY = np.exp(0.2) / (np.exp(0.2) + 3)  # .28934
# KL = p log(p / q) + (1 - p) log((1 - p) / (1 - q)), the other three sharing the rest evenly.
KL = P_SEEN * np.log(P_SEEN / P_EMPTY) + (1 - P_SEEN) * np.log((1 - P_SEEN) / (1 - P_EMPTY))
# SPOT is in rows 28 to 35 and columns 44 to 51: in patches (4, 7), (4, 8), (5, 7), (5, 8).
SPOTS = (63, 64, 77, 78)
ACTIONS = np.array([LIKED])


def first(numbers) -> np.ndarray:
    """(1, 196) these patches, then all others."""
    rest = [number for number in range(196) if number not in numbers]
    return np.array([[*numbers, *rest]])


def test_deletion_by_hand():
    # 2 % of 196 patches are 4: the spot is gone at the first fraction, or at the last.
    orders = {"first": first(SPOTS), "last": first(SPOTS)[:, ::-1]}
    found = curves(planted("none"), SEEN, EMPTY, ACTIONS, orders)
    assert found.orders == ("first", "last")
    assert found.probability.shape == (2, 1, len(FRACTIONS))
    gone = len(FRACTIONS) - 1
    assert found.probability[0, 0].tolist() == pytest.approx([P_SEEN] + [P_EMPTY] * gone)
    assert found.probability[1, 0].tolist() == pytest.approx([P_SEEN] * gone + [P_EMPTY])
    assert found.kl[0, 0].tolist() == pytest.approx([0] + [KL] * gone, abs=1e-5)
    assert found.kl[1, 0].tolist() == pytest.approx([0] * gone + [KL], abs=1e-5)
    assert found.value[0, 0].tolist() == pytest.approx([0] + [2.4] * gone, abs=1e-5)


def test_half_of_the_spot():
    # Patches (4, 7) and (4, 8) have rows 28 and 29 of SPOT's eight: feature .6, margin 1.4.
    found = curves(planted("none"), SEEN, EMPTY, ACTIONS, {"": first((63, 64, 0, 1))})
    assert found.probability[0, 0, 1] == pytest.approx(np.exp(1.4) / (np.exp(1.4) + 3))
    assert found.value[0, 0, 1] == pytest.approx(3 * 0.2)


def test_insertion_by_hand():
    orders = {"first": first(SPOTS), "last": first(SPOTS)[:, ::-1]}
    found = curves(planted("none"), SEEN, EMPTY, ACTIONS, orders, inserting=True)
    there = len(FRACTIONS) - 1
    assert found.probability[0, 0].tolist() == pytest.approx([P_EMPTY] + [P_SEEN] * there)
    assert found.kl[0, 0].tolist() == pytest.approx([KL] + [0] * there, abs=1e-5)
    assert found.value[1, 0].tolist() == pytest.approx([2.4] * there + [0], abs=1e-5)


@pytest.mark.parametrize("inserting", [False, True])
def test_areas_by_hand(inserting):
    late = first(SPOTS)[:, ::-1]
    orders = {"first": first(SPOTS), "last": late} | {name: late for name in RANDOM}
    found = areas(curves(planted("none"), SEEN, EMPTY, ACTIONS, orders, inserting=inserting))
    assert set(found) == {"first", "last"}
    # Two curves that differ by one in all fractions but 0 and 1, between which trapezoids have an
    # area of (.75 - .02) + .02 / 2 + .25 / 2 = .865.
    assert found["first"].probability == pytest.approx([0.865 * (P_SEEN - P_EMPTY)])
    assert found["first"].kl == pytest.approx([0.865 * KL], rel=1e-5)
    assert found["first"].value == pytest.approx([0.865 * 2.4])
    assert found["last"] == pytest.approx((0, 0, 0))


def test_chance_is_the_mean_of_the_random_orders():
    early, late = first(SPOTS), first(SPOTS)[:, ::-1]
    orders = {"first": early} | {name: early if name == RANDOM[0] else late for name in RANDOM}
    found = areas(curves(planted("none"), SEEN, EMPTY, ACTIONS, orders))
    assert found["first"].value == pytest.approx([0.865 * 2.4 * 3 / 4])


@pytest.mark.parametrize("gate", ["softmax", "none"])
def test_a_map_of_the_spot_beats_chance_and_what_knows_no_map(gate):
    model, steps = planted(gate, sharpness=2), 8
    obs = torch.cat([scene(spot=51 + step, ground=10) for step in range(steps)])
    actions = torch.tensor([LIKED] * steps)
    maps = METHODS["gradient"].function(
        model, obs, actions, TARGETS["log_prob"], Generator().manual_seed(0)
    )
    orders = orders_of({"gradient": maps.numpy()}, seed=0)
    fills = scene(spot=0, ground=10).numpy().repeat(steps, 0)
    for inserting in (False, True):
        found = areas(
            curves(model, obs.numpy(), fills, actions.numpy(), orders, inserting=inserting)
        )
        assert list(found) == ["gradient", "centre", "edge"]
        for measure in ("probability", "kl", "value"):
            gained = getattr(found["gradient"], measure)
            assert (gained > 0).all()
            # The spot is a little right of the centre.
            assert (gained > getattr(found["centre"], measure)).all()
            assert (getattr(found["centre"], measure) > getattr(found["edge"], measure)).all()


def test_the_observation_is_left_as_it_was():
    obs, fills = SEEN.copy(), EMPTY.copy()
    found = curves(planted(), obs, fills, ACTIONS, {"": first(SPOTS)})
    assert (obs == SEEN).all()
    assert (fills == EMPTY).all()
    with torch.no_grad():
        seen = see(planted(), torch.from_numpy(SEEN))
    assert found.probability[0, 0, 0] == pytest.approx(seen.log_probs[0, LIKED].exp().item())


# Orders


def test_orders_follow_the_map_whatever_its_sign_or_frame():
    maps = np.zeros((2, 4, 84, 84), np.float32)
    maps[0, 0, 83, 83], maps[0, NEWEST, 0, 0] = -3, 2  # the last patch, the first
    maps[1, 1, 6, 6] = 1  # patch (1, 1)
    orders = orders_of({"map": maps}, seed=0)
    assert list(orders) == ["map", *RANDOM, "centre", "edge"]
    assert orders["map"][0, :2].tolist() == [195, 0]
    assert orders["map"][1, 0] == 15
    for order in orders.values():
        assert order.shape == (2, 196)
        assert (np.sort(order) == np.arange(196)).all()


def test_what_ties_is_drawn_by_lot():
    even = np.ones((200, 1, 84, 84), np.float32)
    orders = orders_of({"even": even}, seed=0)
    # 200 draws from 0 to 195: a mean of 97.5 with an error of 196 / sqrt(12 * 200) = 4.
    assert orders["even"][:, 0].mean() == pytest.approx(97.5, abs=16)
    assert (orders["even"] != orders[RANDOM[0]]).any()
    again = orders_of({"even": even}, seed=0)
    assert all((again[name] == orders[name]).all() for name in orders)
    assert (orders_of({"even": even}, seed=1)["even"] != orders["even"]).any()


def test_centre_and_edge():
    orders = orders_of({"map": np.zeros((1, 1, 84, 84), np.float32)}, seed=0)
    # Rows 6 and 7 of 0 to 13 are in the middle: 6 * 14 + 6 and so on.
    assert set(orders["centre"][0, :4]) == {90, 91, 104, 105}
    assert set(orders["edge"][0, :4]) == {0, 13, 182, 195}


# What fills


def numbered(games: list[int]):
    """A recording whose frame t has grey t."""
    steps = len(games)
    frames = np.broadcast_to(np.arange(steps, dtype=np.uint8)[:, None, None], (steps, 84, 84))
    return replace(recorded(UNIFORM, steps=steps), frames=frames, games=np.array(games, np.int32))


def test_fills_are_whole_observations_of_other_moments():
    recording = numbered([0] * 40 + [1] * 20)
    steps = np.array([30] * 400)
    fills = other_moments(recording, steps, seed=0)
    assert fills.shape == (400, 4, 84, 84)
    newest = fills[:, NEWEST, 0, 0].astype(int)
    for age in range(4):  # four successive frames of one game
        assert (fills[:, NEWEST - age] == (newest - age)[:, None, None]).all()
    # 25 steps or more from step 30 of game 0: 3, 4, 5, with four frames; and all of game 1 from
    # the fourth on, 43 to 59.
    assert set(newest) == {3, 4, 5, *range(43, 60)}
    assert (other_moments(recording, steps, seed=0) == fills).all()
    assert (other_moments(recording, steps, seed=1) != fills).any()


def test_where_nothing_is_far_away_the_farthest_fills():
    fills = other_moments(numbered([0] * 10), np.array([4, 8]), seed=0)
    assert fills[:, NEWEST, 0, 0].tolist() == [9, 3]


def test_blurred_is_what_perturbation_blurs():
    obs = scene(spot=200).numpy()
    found = blurred(obs)
    assert found.dtype == np.uint8
    exact = blur(torch.from_numpy(obs).float())
    assert np.abs(found - exact.numpy()).max() <= 0.5
