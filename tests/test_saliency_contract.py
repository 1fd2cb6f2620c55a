"""Maps of gradients: what every method promises."""

import pytest
import torch
from explaining import GATES, agent, explain, frames
from planted import planted, scene
from torch import Generator

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import OF_ATTENTION, TARGETS
from bench.saliency import measure

OF_GRADIENTS = [name for name, method in METHODS.items() if method.explains is None]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", METHODS)
def test_contract(name, gate):
    method, model, obs = METHODS[name], agent(gate), frames(1)
    before = {key: weight.clone() for key, weight in model.state_dict().items()}
    random_state = torch.get_rng_state()
    maps = explain(name, model, obs)
    assert maps.shape == (1, method.frames, 84, 84)
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert not maps.requires_grad
    assert maps.abs().max() > 0
    assert bool((maps < 0).any()) == method.signed
    assert torch.equal(explain(name, model, obs), maps)
    assert torch.equal(obs, frames(1))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(weight, before[key]) for key, weight in model.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_leaves_no_trace_on_the_model(name):
    model = agent()
    modules = list(model.modules())
    explain(name, model, frames(1))
    assert all(a is b for a, b in zip(model.modules(), modules, strict=True))
    for module in modules:
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
        assert not module._backward_pre_hooks
        assert not module.training
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_is_explained_one_by_one(name):
    model, obs = agent(), frames(3)
    actions, target = torch.tensor([2, 0, 1]), TARGETS["log_prob"]
    function = METHODS[name].function
    together = function(model, obs, actions, target, Generator().manual_seed(5))
    rng = Generator().manual_seed(5)  # goes on from one to the next
    alone = [function(model, obs[i : i + 1], actions[i : i + 1], target, rng) for i in range(3)]
    scale = together.abs().amax().item()
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("name", METHODS)
def test_only_noise_depends_on_the_seed(name):
    model, obs = agent(), frames(1)
    same = torch.equal(explain(name, model, obs, seed=0), explain(name, model, obs, seed=1))
    assert same == (name not in ("smoothgrad", "vargrad"))


@pytest.mark.parametrize("name", METHODS)
def test_finite_where_all_is_saturated_or_black(name):
    sharp = planted(sharpness=1e4)  # all attention on one cell, the others' weight rounds to 0
    sharp.policy_head.weight.mul_(1e4)  # and all probability on one action
    assert see(sharp, scene()).attention.max() == 1
    dead = planted()
    dead.state_dict()["encoder.4.bias"].zero_()
    black = torch.zeros(1, 4, 84, 84, dtype=torch.uint8)
    assert (see(dead, black).features == 0).all()  # nothing to normalise
    for target in TARGETS if METHODS[name].explains is None else ["log_prob"]:
        assert explain(name, sharp, scene(), target).isfinite().all()
        assert explain(name, dead, black, target).isfinite().all()


@pytest.mark.parametrize("target", OF_ATTENTION)
@pytest.mark.parametrize("name", OF_GRADIENTS)
def test_targets_of_attention_need_attention(name, target):
    with pytest.raises(ConfigError) as error:
        explain(name, agent("none"), frames(1), target)
    assert str(error.value) == (
        f"error: target={target} is not allowed\n"
        "allowed: log_prob, margin, value for an agent without attention"
    )


@pytest.mark.parametrize("name", METHODS)
def test_what_is_said_to_be_explained(name):
    model, obs = agent(), frames(1)
    follows = not torch.equal(explain(name, model, obs), explain(name, model, obs, "value"))
    assert follows == (METHODS[name].explains is None)


def test_bench_times_every_method():
    milliseconds = measure("none", 1)
    assert set(METHODS) < set(milliseconds)
    assert all(len(taken) == 1 and taken[0] > 0 for taken in milliseconds.values())
