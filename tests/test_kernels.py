"""Our CPU kernels against PyTorch in float64, by hand where possible."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.compute import kernels, layers
from attn_ppo.model import ActorCritic, Output


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(seed))


def frames(batch: int) -> Tensor:
    rng = Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 4, 84, 84), generator=rng, dtype=torch.uint8)


def error(found: Tensor | None, expected: Tensor | None) -> float:
    """Length of the difference over that of the expected."""
    assert found is not None
    assert expected is not None
    return float((found.double() - expected).norm() / expected.norm())


def loss_of(output: Output) -> Tensor:
    """Something that all outputs and all weights matter to."""
    weights = torch.linspace(-1, 1, len(output.value)).to(output.value)
    spread = output.attention.square().sum((1, 2, 3))
    return (output.policy[:, 0] * weights).sum() * 30 + output.value.square().sum() + spread.sum()


def build(computed_by: Any) -> ActorCritic:
    settings = config.AttentionSettings(gate="softmax", maps=2, hidden=512)
    return ActorCritic(4, settings, Generator().manual_seed(1), layers=computed_by)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("batch", [1, 5, 32])
def test_network_and_gradients_are_as_exact_as_pytorchs(batch):
    def everything(model: ActorCritic, output: Output) -> dict[str, Tensor]:
        loss_of(output).backward()
        found = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        return {n: t.detach() for n, t in (found | output._asdict()).items()}

    model = build(layers).double()
    exact = everything(model, forward_in_float64(model, frames(batch)))
    # The last bias shifts all scores of a map alike: its true gradient is zero. That of the one
    # before is a difference of large numbers, which float32 can't hold, whoever computes.
    assert exact.pop("attention.score.2.bias").abs().max() < 1e-12
    del exact["attention.score.0.bias"]
    ours, pytorchs = (
        {name: error(found[name], exact[name]) for name in exact}
        for found in (everything(m, m(frames(batch))) for m in (build(kernels), build(layers)))
    )
    for name in exact:
        assert ours[name] < 5 * pytorchs[name] + 2e-6, name


def forward_in_float64(model: ActorCritic, obs: Tensor) -> Output:
    features = layers.normalize_channels(model.encoder(obs.double() / 255))
    module = model.attention
    assert module is not None
    scores = module.score(features)
    attention = module.gate(scores)
    hidden = model.body(layers.attend(features, attention))
    policy = model.policy_head(hidden).log_softmax(-1)
    return Output(policy, model.value_head(hidden)[:, 0], attention, scores)


# One pixel more than the windows cover, both ways round; a patch more or less than whole; one.
SHAPES = {
    "4x4 stride 2": (32, 64, 4, 2, 20, 20),
    "4x4 stride 2, a pixel over": (32, 32, 4, 2, 21, 13),
    "8x8 stride 4": (32, 32, 8, 4, 28, 44),
    "3x3": (64, 64, 3, 1, 9, 9),
    "3x3, odd": (32, 64, 3, 1, 6, 11),
    "3x3, one window": (32, 32, 3, 1, 3, 3),
    "1x1": (64, 32, 1, 1, 7, 5),
}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("images", [1, 7, 37])  # 16 and more: by minimal filtering, if it can
def test_convolutions_of_floats(shape, images):
    channels, filters, kernel, stride, height, width = SHAPES[shape]
    x, weight = numbers(images, channels, height, width), numbers(filters, channels, kernel, kernel)
    bias = numbers(filters, seed=1)
    ours = [t.clone().requires_grad_() for t in (x, weight, bias)]
    theirs = [t.double().requires_grad_() for t in (x, weight, bias)]
    y = kernels._Convolution.apply(*ours, stride, kernels.ACTIVATIONS[nn.ELU])
    expected = F.elu(F.conv2d(*theirs, stride=stride))
    assert y.shape == expected.shape
    assert error(y.detach(), expected.detach()) < 2e-6
    upstream = numbers(*y.shape, seed=2)
    y.backward(upstream)
    expected.backward(upstream.double())
    for mine, peer in zip(ours, theirs, strict=True):
        assert error(mine.grad, peer.grad) < 5e-6


def test_a_convolution_of_bytes_by_hand():
    # 4 * 8 * 8 = 256 taps of 1/256, all pixels 255, which count as 1: 1, plus the bias
    obs = torch.full((2, 4, 84, 84), 255, dtype=torch.uint8)
    obs[1, 3, :8] = 0  # in the first row of windows a quarter of the taps
    weight, bias = torch.full((32, 4, 8, 8), 1 / 256), torch.full((32,), -0.5)
    y = kernels._Convolution.apply(obs, weight, bias, 4, kernels.ACTIVATIONS[nn.ReLU])
    torch.testing.assert_close(y[0], torch.full((32, 20, 20), 0.5))
    torch.testing.assert_close(y[1, :, 0], torch.full((32, 20), 0.25))
    torch.testing.assert_close(y[1, :, 2:], torch.full((32, 18, 20), 0.5))
    weight.neg_()
    y = kernels._Convolution.apply(obs, weight, bias, 4, kernels.ACTIVATIONS[nn.ReLU])
    assert (y == 0).all()


def test_elu_from_end_to_end():
    # an identity of 32 channels: what comes out is the activation of what goes in
    values = [-1e4, -80.0, -1.0, -1e-3, 0.0, 1e-3, 30.0, 1e4]
    x = torch.tensor(values).repeat(4).reshape(1, 32, 1, 1)
    y = kernels._Convolution.apply(
        x, torch.eye(32)[..., None, None], torch.zeros(32), 1, kernels.ACTIVATIONS[nn.ELU]
    )
    by_hand = [-1, -1, math.exp(-1) - 1, math.exp(-1e-3) - 1, 0, 1e-3, 30, 1e4]
    assert y.flatten()[:8].tolist() == pytest.approx(by_hand, abs=1.5e-7)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("maps", [1, 2, 5])
def test_scores_and_what_they_weigh(maps):
    module = nn.Sequential(nn.Conv2d(64, 32, 1), nn.ELU(), nn.Conv2d(32, maps, 1))
    features = numbers(3, 64, 7, 7)
    upstream, upstream_of_scores = numbers(3, 64 * 49, seed=1), numbers(3, maps, 7, 7, seed=2)
    results = []
    for computed_by, dtype in ((kernels, torch.float32), (layers, torch.float64)):
        module.to(dtype).zero_grad()
        x = features.detach().clone().to(dtype).requires_grad_()
        unit = computed_by.normalize_channels(x)
        scores = computed_by.score(module, unit)
        y = computed_by.attend(unit, scores.sigmoid())
        ((y * upstream).sum() + (scores * upstream_of_scores).sum()).backward()
        gradients = [p.grad for p in module.parameters()]
        results.append([unit.detach(), scores.detach(), y.detach(), x.grad, *gradients])
    for ours, exact in zip(*results, strict=True):
        assert error(ours, exact) < 1e-6


def test_dead_and_nearly_dead_cells():
    features = torch.zeros(1, 32, 1, 3)
    features[0, 0, 0, 1] = 1e-8  # below the floor of 1e-6: as if the norm were 1e-6
    features[0, :2, 0, 2] = torch.tensor([3.0, 4.0])
    features.requires_grad_()
    unit = kernels.normalize_channels(features)
    assert unit[0, :2, 0].detach().flatten().tolist() == pytest.approx([0, 0.01, 0.6, 0, 0, 0.8])
    unit[0, 0].sum().backward()
    assert features.grad is not None
    # floored: 1 / 1e-6; of length 5: (1 - .6 * .6) / 5 and -.6 * .8 / 5
    expected = [1e6, 1e6, 0.128, 0, 0, -0.096]
    assert features.grad[0, :2, 0].flatten().tolist() == pytest.approx(expected)


@pytest.mark.usefixtures("threads")
def test_same_bits_every_time():
    attention = config.AttentionSettings(gate="softmax", maps=2, hidden=64)
    gradients = []
    for _ in range(3):
        model = ActorCritic(4, attention, Generator().manual_seed(0), layers=kernels)
        loss_of(model(frames(9))).backward()
        gradients.append([p.grad for p in model.parameters()])
    for others in gradients[1:]:
        assert all(map(torch.equal, gradients[0], others))


@pytest.mark.parametrize("batch", [2, 32])
def test_what_sees_nothing_is_exactly_zero(batch):
    """Not just about: a cell's features are divided by their length, and noise would become 1."""
    model = build(kernels)
    obs = torch.zeros(batch, 4, 84, 84, dtype=torch.uint8)
    obs[:, :, :36, :20] = 255  # seen by rows 0 to 4 and columns 0 to 2 of the cells
    features = kernels.encode(model.encoder, obs)
    assert (features[:, :, :5, :3].amax(1) > 0).all()
    assert (features[:, :, 5:] == 0).all()
    assert (features[:, :, :, 3:] == 0).all()


# Pixels of value 1e3 a side, and windows a side that see them: a tile has both kinds.
SEEN = {
    "4x4 stride 2": (4, 2),
    "4x4 stride 2, a pixel over": (4, 2),
    "3x3": (3, 3),
    "3x3, odd": (3, 3),
}


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", SEEN)
def test_windows_that_see_nothing_give_the_bias(shape):
    (channels, filters, kernel, stride, *sides), (lit, seen) = SHAPES[shape], SEEN[shape]
    x = torch.zeros(32, channels, *sides)
    x[:, :, :lit, :lit] = 1e3
    weight, bias = numbers(filters, channels, kernel, kernel), numbers(filters, seed=1)
    y = kernels._Convolution.apply(x, weight, bias, stride, kernels.ACTIVATIONS[nn.ReLU])
    beyond = torch.ones(y.shape[2:], dtype=torch.bool)
    beyond[:seen, :seen] = False
    expected = bias.clamp_min(0)[:, None].expand(-1, int(beyond.sum()))
    assert torch.equal(y[:, :, beyond], expected.expand(32, -1, -1))
    assert (y[:, :, :seen, :seen].amax(1) > 1e3).all()


@pytest.mark.usefixtures("threads")
def test_small_outputs_beside_large_ones_are_as_exact():
    """Those of the second layer; a cell is made of them, and divided by its length."""
    x = numbers(32, 32, 20, 20).abs() * 1e-3
    x[:, :, :4, :4] = 1e3
    weight, bias = numbers(64, 32, 4, 4), torch.zeros(64)
    y = kernels._Convolution.apply(x, weight, bias, 2, kernels.ACTIVATIONS[nn.ELU])
    expected = F.elu(F.conv2d(x.double(), weight.double(), stride=2))
    assert error(y[:, :, 2:], expected[:, :, 2:]) < 2e-6
    assert error(y[:, :, :2, 2:], expected[:, :, :2, 2:]) < 2e-6
