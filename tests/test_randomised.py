"""Randomised agents: what is replaced, and which maps notice."""

from typing import Any

import numpy as np
import pytest
import torch
from explaining import frames
from torch import Generator

from attn_ppo import config
from attn_ppo.interpret.believe.randomised import (
    LAYERS,
    SIMILAR,
    Randomised,
    follows_action,
    layers_of,
    passes,
    randomised,
    replaced,
    similarity,
)
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.model import ActorCritic


def settings(gate: Any, maps: int = 2, hidden: int = 16) -> config.AttentionSettings:
    return config.AttentionSettings(gate=gate, maps=maps, hidden=hidden)


def fresh(gate: Any = "softmax", seed: int = 0) -> ActorCritic:
    return opened(ActorCritic(4, settings(gate), Generator().manual_seed(seed)))


@pytest.mark.parametrize("gate", ["softmax", "none"])
def test_only_what_is_named_is_replaced(gate):
    model, new = fresh(gate), fresh(gate, seed=1)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    names = layers_of(model)
    assert names == tuple(name for name in LAYERS if name != "attention" or gate != "none")
    touched: list[str] = []
    for layer in names:
        twin = replaced(model, new, [layer]).state_dict()
        weights = [name for name in twin if name.startswith(LAYERS[layer])]
        assert weights
        for name, weight in twin.items():
            assert torch.equal(weight, (new.state_dict() if name in weights else before)[name])
        touched += weights
    assert sorted(touched) == sorted(before)  # each weight belongs to one layer
    everything = replaced(model, new, names).state_dict()
    assert all(torch.equal(everything[name], new.state_dict()[name]) for name in before)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


def of(methods, *, gate: Any = "softmax", actions=(0, 1)) -> dict[str, Randomised]:
    model, obs, target = fresh(gate), frames(len(actions)).numpy(), TARGETS["log_prob"]
    return randomised(model, settings(gate), obs, np.array(actions), target, methods, seed=1)


def test_guided_backprop_hardly_depends_on_what_decides():
    """Adebayo et al. 2018, as do the gradients of the same agent."""
    found = of(["gradient", "guided_backprop"])
    gradient, guided = similarity(found["gradient"]), similarity(found["guided_backprop"])
    assert abs(gradient.decision) < 0.15
    assert guided.decision > gradient.decision + 0.4
    assert passes(found["gradient"])
    assert not passes(found["guided_backprop"])
    # Of magnitudes too, from the first layer replaced to the last but one.
    magnitude = [np.mean(found[name].cascading[1], -1) for name in found]
    assert (magnitude[1][:-1] > magnitude[0][:-1] + 0.1).all()
    # The gradients of two actions' log-probabilities: nearly opposite, as all four sum to zero.
    assert gradient.action < 0
    assert guided.action > SIMILAR
    assert (follows_action(found["gradient"]), follows_action(found["guided_backprop"])) == (
        True,
        False,
    )


def screen(_model, obs, _actions, _target, _rng):
    return obs.float()


def head(model, obs, actions, _target, _rng):
    """A map of the weights of the action's head, the same wherever in the frame's four."""
    row = model.policy_head.weight[actions]  # (B, 512)
    return row.repeat(1, 56)[:, : 4 * 84 * 84].view(len(obs), 4, 84, 84).contiguous()


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setitem(METHODS, "screen", Method(screen, "", False, 0.01))
    monkeypatch.setitem(METHODS, "head", Method(head, "", True, 0.01))


@pytest.mark.usefixtures("made_up")
def test_what_is_replaced_shows_in_the_maps_that_depend_on_it():
    found = of(["screen", "head"])
    layers = ("heads", "body", "attention", "conv 3", "conv 2", "conv 1")
    assert {each.layers for each in found.values()} == {layers}
    for each in found.values():
        assert each.cascading.shape == each.independent.shape == (2, 6, 2)
        assert each.other_action.shape == (2, 2)
    # A map that knows the screen alone is the same whatever the agent is.
    for part in found["screen"][1:]:
        assert part == pytest.approx(np.ones(part.shape))
    assert similarity(found["screen"]) == pytest.approx((1, 1, 1))
    assert not passes(found["screen"])
    assert follows_action(found["screen"]) is False
    # One that knows the heads alone changes with them and the action, and with nothing else. Of 512
    # random weights two rows correlate by 0 +- 1 / sqrt(512) = .04.
    assert np.abs(found["head"].cascading).max() < 0.2
    assert np.abs(found["head"].independent[:, 0]).max() < 0.2
    assert found["head"].independent[:, 1:] == pytest.approx(np.ones((2, 5, 2)))
    assert np.abs(found["head"].other_action).max() < 0.2
    assert passes(found["head"])
    assert follows_action(found["head"]) is True


def test_no_case_is_explained_twice(monkeypatch):
    """Six layers from the outputs down, then each alone, of which the first is the same case; and
    the agent as it is, and another action."""
    explained = []

    def counted(*given):
        explained.append(given)
        return screen(*given)

    monkeypatch.setitem(METHODS, "screen", Method(counted, "", False, 0.01))
    of(["screen"], actions=(2,))
    assert len(explained) == 1 + 6 + 5 + 1


@pytest.mark.usefixtures("made_up")
def test_each_step_has_layers_and_another_action_of_its_own():
    found = of(["head"], actions=(2,) * 8)["head"]  # whose map is the same at all steps
    assert len(set(found.cascading[0, 0].tolist())) == 8
    assert 1 < len(set(found.other_action[0].tolist())) <= 3
    alone = of(["head"], actions=(2,))["head"]  # drawn by the step's number, whatever else there is
    assert alone.cascading[0, 0] == found.cascading[0, 0, 0]
    assert alone.other_action[0] == found.other_action[0, 0]


def test_methods_of_the_policy_or_the_value_explain_no_action():
    found = of(["perturbation_critic", "sarfa"], gate="none", actions=(0,))
    assert found["sarfa"].layers == ("heads", "body", "conv 3", "conv 2", "conv 1")
    assert np.isnan(found["perturbation_critic"].other_action).all()
    assert follows_action(found["perturbation_critic"]) is None
    assert np.isfinite(found["sarfa"].other_action).all()


def made(decision: float, everything: float) -> Randomised:
    """Maps of two layers, heads and body, and a third; one step."""
    cascade = np.array([[0.99], [decision], [everything]])
    magnitudes = np.full((3, 1), 0.9)
    stacked = np.stack([cascade, magnitudes])
    return Randomised(("heads", "body", "conv 1"), stacked, stacked, np.full((2, 1), np.nan))


@pytest.mark.parametrize(
    ("decision", "everything", "expected"),
    [
        (0.5, 0.5, True),
        (0.51, 0, False),
        (0, 0.51, False),
        (-1, -1, True),
        (np.nan, 0, False),
        (0, np.nan, False),
    ],
)
def test_passing_asks_for_both(decision, everything, expected):
    assert passes(made(decision, everything)) is expected
