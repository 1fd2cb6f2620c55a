"""Max-sensitivity of maps to a noise of one grey level: by hand, and beside captum's."""

from typing import Any

import captum.metrics
import numpy as np
import pytest
import torch
from explaining import ACTION, agent, explain, frames
from torch import Tensor

from attn_ppo.interpret.believe.sensitivity import noisy, sensitivity
from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.saliency.targets import TARGETS


def of(methods, obs: Tensor, **options):
    actions = ACTION.expand(len(obs)).numpy()
    return sensitivity(
        agent(), obs.numpy(), actions, TARGETS["log_prob"], methods, seed=3, **options
    )


def test_noise_is_of_one_grey_level_within_the_range():
    obs = np.full((4, 84, 84), 100, np.uint8)
    obs[0], obs[1] = 0, 255
    found = noisy(obs, 3, np.random.default_rng(0))
    assert found.dtype == np.uint8
    assert found.shape == (4, 4, 84, 84)
    assert (found[0] == obs).all()
    assert set(found[1:, 0].ravel()) == {0, 1}
    assert set(found[1:, 1].ravel()) == {254, 255}
    values, counts = np.unique(found[1:, 2:], return_counts=True)
    assert values.tolist() == [99, 100, 101]
    assert counts / counts.sum() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert (found[1] != found[2]).any()


def test_by_hand(monkeypatch):
    def screen(_model, obs, _actions, _target, _rng):
        return obs.float()

    def constant(_model, obs, _actions, _target, rng):  # noise of its own, alike for all copies
        return torch.randn(len(obs), 1, 84, 84, generator=rng)

    def nothing(_model, obs, _actions, _target, _rng):
        return torch.zeros(len(obs), 1, 84, 84)

    for function in (screen, constant, nothing):
        monkeypatch.setitem(METHODS, function.__name__, Method(function, "", True, 0.01))
    found = of(["screen", "constant", "nothing"], torch.full((2, 4, 84, 84), 100).byte()).maps
    # Two thirds of the pixels change by one, of 100: sqrt(2 / 3) / 100, the greatest of five.
    assert found["screen"] == pytest.approx([0.0081650] * 2, rel=0.02)
    assert found["constant"].tolist() == [0, 0]
    assert np.isnan(found["nothing"]).all()


def test_attention_is_measured_where_there_is_one():
    obs = frames(1)
    found = of(["gradient"], obs, copies=2).maps
    shown = torch.from_numpy(noisy(obs[0].numpy(), 2, np.random.default_rng([3, 0])))
    with torch.no_grad():
        first, *others = see(agent(), shown).attention.sum(1)  # over the maps
    changes = [((other - first) ** 2).sum().sqrt() / (first**2).sum().sqrt() for other in others]
    assert found["attention"][0] == pytest.approx(float(max(changes)), rel=1e-4)
    assert found["attention"][0] > 0
    bare = sensitivity(
        agent("none"), obs.numpy(), ACTION.numpy(), TARGETS["log_prob"], ["gradient"], seed=3
    )
    assert set(bare.maps) == {"gradient"}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["gradient", "grad_cam"])
def test_like_captum(name):
    obs = frames(2)
    copies = [
        torch.from_numpy(noisy(each.numpy(), 4, np.random.default_rng([3, row]))[1:])
        for row, each in enumerate(obs)
    ]

    def explained(pixels: Any) -> Any:  # a tuple, or what `perturb_func` gives
        with torch.enable_grad():
            if isinstance(pixels, tuple):
                return (explain(name, agent(), pixels[0]),)
            return explain(name, agent(), pixels)

    theirs = captum.metrics.sensitivity_max(
        explained,
        obs.float(),
        perturb_func=lambda _: torch.cat(copies).float(),  # all of an observation's in a row
        n_perturb_samples=4,
    )
    ours = of([name], obs, copies=4).maps[name]
    assert theirs.min() > 0
    assert ours == pytest.approx(theirs.numpy(), rel=1e-3)


def test_how_little_it_matters_to_the_agent():
    obs = frames(1)
    found = of(["gradient"], obs, copies=4).kl
    shown = torch.from_numpy(noisy(obs[0].numpy(), 4, np.random.default_rng([3, 0])))
    with torch.no_grad():
        policy = see(agent(), shown).log_probs
    peer = torch.nn.functional.kl_div(policy[1:], policy[0], log_target=True, reduction="none")
    assert found[0] == pytest.approx(peer.sum(-1).max().item(), rel=0.01)
    assert found[0] > 0
