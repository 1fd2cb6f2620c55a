"""The frozen actor against PyTorch in float64, and against the kernels that training uses."""

from pathlib import Path

import pytest
import torch
from test_kernels import error, frames

from attn_ppo import config
from attn_ppo.compute import kernels, layers
from attn_ppo.compute.actor import _Frozen, frozen
from attn_ppo.compute.layers import Layers
from attn_ppo.model import ActorCritic
from bench import acting


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# gate, maps, hidden, actions
NETWORKS = {
    "softmax": ("softmax", 2, 512, 4),
    "sigmoid": ("sigmoid", 5, 64, 18),
    "one map": ("softmax", 1, 32, 3),
    "none": ("none", 2, 512, 6),
}


def build(network: str = "softmax", computed_by: Layers = kernels, *, seed: int = 1) -> ActorCritic:
    """A network whose every bias matters."""
    gate, maps, hidden, actions = NETWORKS[network]
    settings = config.AttentionSettings(gate=gate, maps=maps, hidden=hidden)
    rng = torch.Generator().manual_seed(seed)
    model = ActorCritic(actions, settings, rng, layers=computed_by)
    for weight in model.parameters():
        if weight.dim() == 1:
            weight.data = torch.randn(weight.shape, generator=rng) / 30
    return model


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [1, 4, 13])
@torch.no_grad()
def test_as_exact_as_pytorch(network, batch):
    """Over 13 observations, so that no rounding of a lone value near 0 decides."""
    obs, plain = frames(13), build(network, layers)
    plains = plain(obs)
    exact = build(network, layers).double()
    features = exact.normalize(exact.encoder(obs.double() / 255))
    logits, value = exact.decide(exact.attend(features)[2])
    actor = frozen(build(network))
    # What an actor gives is overwritten by its next call.
    ours = [(o.policy.clone(), o.value.clone()) for o in map(actor, obs.split(batch))]
    policy, values = (torch.cat(part) for part in zip(*ours, strict=True))
    for mine, peers, true in (
        (policy, plains.policy, logits.log_softmax(-1)),
        (values, plains.value, value),
    ):
        assert mine.dtype == torch.float32
        assert error(mine, true) < 5 * error(peers, true) + 1e-6


@pytest.mark.usefixtures("threads")
@torch.no_grad()
def test_bits_of_a_row_depend_on_nothing_else():
    obs, actor = frames(17), frozen(build())
    whole = actor(obs)
    for first, last in ((0, 1), (0, 4), (4, 8), (3, 16), (16, 17)):
        part = actor(obs[first:last])
        assert torch.equal(part.policy, whole.policy[first:last])
        assert torch.equal(part.value, whole.value[first:last])
    torch.set_num_threads(3)
    assert all(map(torch.equal, actor(obs), whole))


@torch.no_grad()
def test_what_sees_nothing_is_exactly_zero():
    """As of the kernels that train: noise of 1e-9 would be scaled to length 1e-3."""
    settings = config.AttentionSettings(gate="softmax", maps=2, hidden=64)
    model = ActorCritic(4, settings, torch.Generator().manual_seed(1), layers=kernels)
    obs = torch.zeros(3, 4, 84, 84, dtype=torch.uint8)
    obs[:, :, :36, :20] = 255  # seen by rows 0 to 4 and columns 0 to 2 of the cells
    features = _Frozen(model).look(obs)[0].unflatten(1, (7, 7, 64))
    lengths = features.square().sum(-1)
    torch.testing.assert_close(lengths[:, :5, :3], torch.ones(3, 5, 3))
    assert (features[:, 5:] == 0).all()
    assert (features[:, :, 3:] == 0).all()
    bias = torch.tensor([0.5, -1.0, 0.0, 2.0])
    model.policy_head.bias.copy_(bias)
    model.value_head.bias.fill_(-0.75)
    policy, value = frozen(model)(torch.zeros_like(obs))
    assert torch.equal(policy, bias.log_softmax(-1).expand(3, 4))
    assert value.tolist() == [-0.75] * 3


@torch.no_grad()
def test_acts_with_the_weights_of_the_moment_it_was_made():
    model, obs = build(), frames(4)
    before = frozen(model)
    first = before(obs)
    for weight in model.parameters():
        weight.mul_(1.25)
    assert all(map(torch.equal, before(obs), first))
    after, today = frozen(model)(obs), model(obs)
    torch.testing.assert_close(after.value, today.value)
    assert (after.value - first.value).abs().max() > 1e-3


@torch.no_grad()
def test_the_loss_sees_the_policy_that_acted():
    """The first ratio of an update is 1 but for rounding, also where the attention is saturated."""
    model, obs = build(), frames(64)
    assert model.attention is not None
    for weight in model.attention.score[2].parameters():
        weight.mul_(200)
    model.policy_head.weight.mul_(1000)
    attention = model(obs).attention
    assert attention.amax((2, 3)).median() > 0.5
    acted = torch.cat([frozen(model)(some).policy for some in obs.split(4)])
    assert acted.exp().amax(1).median() > 0.28
    assert ((acted - model(obs).policy).exp() - 1).abs().max() < 1e-5


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_rollouts_actor_is_thrown_away():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    model, obs = build(), frames(4)
    for _ in range(3):
        frozen(model)(obs)
    before = resident()
    for _ in range(20):
        frozen(model)(obs)
    assert resident() - before < 50e6  # 8 MB each


def test_the_benchmark_takes_turns():
    model, actor = acting.measure("none", frames(2), repeats=2)
    assert len(model) == len(actor) == 2
    assert min(model + actor) > 0
