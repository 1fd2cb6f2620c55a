"""Blurred spots: against OpenCV's blur and numbers by hand, and what they find when planted."""

import cv2
import numpy as np
import pytest
import torch
from planted import ELSEWHERE, LIKED, NEWEST, SPOT, planted, scene
from torch import Generator, Tensor

from attn_ppo.interpret.network import see, see_features
from attn_ppo.interpret.saliency import perturbation
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.perturbation import (
    PerturbationMaps,
    blur,
    perturbation_maps,
    specificity,
    upsample,
)
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.model import ActorCritic

GATES = ("softmax", "sigmoid", "none")
ACTION = torch.tensor([LIKED])


def noise(seed: int = 0) -> Tensor:
    rng = Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 4, 84, 84), generator=rng, dtype=torch.uint8)


def opencv_blur(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (25, 25), 3, borderType=cv2.BORDER_REFLECT)


def blurred_at(obs: Tensor, row: int, column: int) -> Tensor:
    """The observation with the spot around a pixel blurred, by OpenCV and numpy."""
    rows, columns = np.ogrid[:84, :84]
    mask = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 50)
    sharp = obs[0].numpy().astype(np.float64)
    mixed = np.stack([opencv_blur(frame) * mask + frame * (1 - mask) for frame in sharp])
    return torch.from_numpy(mixed).float()[None]


def test_blur_is_opencvs():
    image = noise()[0, 0].float()
    expected = torch.from_numpy(opencv_blur(image.numpy()))
    torch.testing.assert_close(blur(image), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(blur(torch.full((84, 84), 77.0)), torch.full((84, 84), 77.0))


@pytest.mark.parametrize("gate", GATES)
def test_maps_are_what_the_agent_makes_of_blurred_spots(gate):
    model, obs = planted(gate), scene(elsewhere=180, older=255)
    found, clear = perturbation_maps(model, obs, ACTION), see(model, obs)
    biggest = [map.max().item() for map in found]
    for i, j in ((0, 0), (6, 9), (7, 10), (5, 9), (11, 3), (16, 16)):
        changed = see(model, blurred_at(obs, 5 * i, 5 * j))
        actor = 0.5 * (changed.logits - clear.logits).norm() ** 2
        critic = 0.5 * (changed.value - clear.value) ** 2
        assert found.actor[0, i, j].item() == pytest.approx(actor.item(), abs=1e-4 * biggest[0])
        assert found.critic[0, i, j].item() == pytest.approx(critic.item(), abs=1e-4 * biggest[1])
        p, q = clear.logits.softmax(-1)[0, LIKED], changed.logits.softmax(-1)[0, LIKED]
        # The other three logits are zero whatever happens: KL = 0, relevance 1.
        lost = max(p.item() - q.item(), 0)
        assert found.sarfa[0, i, j].item() == pytest.approx(2 * lost / (1 + lost), abs=1e-4)


@pytest.mark.parametrize("gate", GATES)
def test_finds_the_spot(gate):
    found = perturbation_maps(planted(gate), scene(older=255), ACTION)
    assert isinstance(found, PerturbationMaps)
    near = (slice(4, 9), slice(7, 12))  # centres on rows 20 .. 40, columns 35 .. 55
    for raw in found:
        assert raw.shape == (1, 17, 17)
        i, j = divmod(int(raw.argmax()), 17)
        assert abs(5 * i - 31.5) < 5  # the middle of SPOT
        assert abs(5 * j - 47.5) < 5
        assert raw[0][near].sum() > 0.9 * raw.sum()  # 25 of 289
    # Of the logits only one moves, and the value by - 3 / 2 of it: 9 / 4 of the square.
    torch.testing.assert_close(found.critic, 9 / 4 * found.actor, rtol=1e-3, atol=1e-6)


def test_sarfa_alone_knows_which_action():
    model, obs = planted(), scene()
    for_another = perturbation_maps(model, obs, torch.tensor([LIKED + 1]))
    assert torch.equal(for_another.actor, perturbation_maps(model, obs, ACTION).actor)
    assert for_another.sarfa.max() < 1e-6  # blurring makes it likelier
    assert perturbation_maps(model, obs, ACTION).sarfa.max() > 0.1


def test_nothing_to_blur_nothing_to_see():
    obs = torch.full((1, 4, 84, 84), 200, dtype=torch.uint8)
    found = perturbation_maps(planted("none"), obs, ACTION)
    assert all(map.abs().max() < 1e-6 for map in found)


def test_older_frames_are_blurred_too():
    model = planted("none")
    first = model.state_dict()["encoder.0.weight"]
    first[0, 0], first[0, NEWEST] = first[0, NEWEST].clone(), 0  # looks at the oldest frame
    assert perturbation_maps(model, scene(older=255, spot=20), ACTION).actor.max() > 0.1
    assert perturbation_maps(model, scene(older=20, spot=255), ACTION).actor.max() < 1e-6


def test_specificity_by_hand():
    before = torch.tensor([0.5, 0.25, 0.25]).log()
    after = torch.tensor(
        [
            [0.25, 0.375, 0.375],  # .25 lost, the others' odds stay: 2 * .25 * 1 / 1.25
            [0.25, 0.5, 0.25],  # KL of (2/3, 1/3) from (1/2, 1/2) = .056633: K = .946402
            [0.5, 0.25, 0.25],  # nothing lost
            [0.8, 0.1, 0.1],  # gained
        ]
    ).log()
    # 2 * .25 * .946402 / 1.196402 = .395520; KL the other way round would give .395330
    expected = torch.tensor([0.4, 0.395520, 0, 0])
    torch.testing.assert_close(
        specificity(before, after, ACTION[0] * 0), expected, atol=2e-6, rtol=0
    )
    # it is the action's own: of action 1, (1/4, 1/4) lost nothing in the first row
    assert specificity(before, after, ACTION[0]).tolist()[0] == 0
    shifted = specificity(before + 7, after - 3, ACTION[0] * 0)  # logits, not log-probabilities
    torch.testing.assert_close(shifted, expected, atol=2e-6, rtol=0)


def test_specificity_of_certainty_is_finite():
    sure, other = torch.tensor([1e4, 0.0, -1e4]), torch.tensor([[-1e4, 0.0, 1e4], [1e4, 0, -1e4]])
    found = specificity(sure, other, torch.tensor(0))
    # All is lost, but the others' odds are turned over: KL = 1e4, K = 1e-4, 2 K / (1 + K).
    assert found.tolist() == pytest.approx([2e-4, 0], rel=1e-3)


def test_upsampling_puts_numbers_at_their_centres():
    raw = torch.zeros(2, 17, 17)
    raw[0, 6, 9] = 10
    raw[1, 16, 16] = 3
    pixels = upsample(raw)
    assert pixels.shape == (2, 1, 84, 84)
    # At its own pixel 10; one, two and five pixels away 8, 6, 0; diagonally 8 / 10 of 8.
    assert pixels[0, 0, 30, 45:51].tolist() == pytest.approx([10, 8, 6, 4, 2, 0], abs=1e-5)
    assert pixels[0, 0, 31, 46].item() == pytest.approx(6.4)
    # (1 + .8 + .6 + .4 + .2 twice) squared
    assert pixels[0].sum().item() == pytest.approx(10 * 5 * 5, rel=1e-5)
    assert pixels[1, 0, 80:, 80:].flatten().tolist() == pytest.approx([3] * 16)
    torch.testing.assert_close(upsample(torch.ones(1, 17, 17)), torch.ones(1, 1, 84, 84))


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name].explains])
def test_methods_are_the_upsampled_maps(name):
    model, obs = planted(), scene(elsewhere=100)
    found = METHODS[name].function(model, obs, ACTION, TARGETS["value"], Generator())
    field = {"policy": "actor", "value": "critic", "action": "sarfa"}[METHODS[name].explains or ""]
    raw = getattr(perturbation_maps(model, obs, ACTION), field)
    torch.testing.assert_close(found[:, 0, :81:5, :81:5], raw)


def test_all_three_maps_cost_one_set_of_passes(monkeypatch):
    seen = []

    def counted(model: ActorCritic, features: Tensor):
        seen.append(len(features))
        return see_features(model, features)

    monkeypatch.setattr(perturbation, "see_features", counted)
    perturbation_maps(planted(), scene(), ACTION)
    assert sum(seen) == 17 * 17


def test_two_spots_compete_for_the_attention():
    obs = scene(elsewhere=255)
    raw = perturbation_maps(planted(), obs, ACTION).actor
    at = upsample(raw)[0, 0]
    # Blurring either matters: the one makes way for the other.
    assert at[SPOT].mean() > 5 * at[:20].mean()
    assert at[ELSEWHERE].mean() > 5 * at[:20].mean()
    raw = perturbation_maps(planted("sigmoid"), obs, ACTION).actor
    assert upsample(raw)[0, 0][ELSEWHERE].max() < 1e-6
