"""Adam gives torch.optim's bits, goes on from its state, and doesn't load what that loads."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Generator, Tensor

from attn_ppo.compute.adam import Adam


def weights() -> list[Tensor]:
    rng = Generator().manual_seed(0)
    matrix, images = torch.randn(8, 5, generator=rng), torch.randn(6, 4, 3, 3, generator=rng)
    return [matrix, images.contiguous(memory_format=torch.channels_last), torch.zeros(7)]


def give_gradients(all_weights: list[Tensor], step: int) -> None:
    rng = Generator().manual_seed(step)
    for weight in all_weights:
        weight.grad = torch.randn(weight.shape, generator=rng) * 10.0 ** (-step)


@pytest.mark.parametrize("eps", [1e-5, 1e-8])
def test_the_bits_are_those_of_torch(eps):
    ours, theirs = weights(), weights()
    adam = Adam(ours, 0.1, eps=eps)
    peer = torch.optim.Adam(theirs, 0.1, eps=eps, fused=True)
    for step in range(12):
        adam.learning_rate = peer.param_groups[0]["lr"] = 0.1 / (step + 1)
        for optimizer, each in ((adam, ours), (peer, theirs)):
            give_gradients(each, step)
            optimizer.step()
            optimizer.zero_grad()
        assert all(map(torch.equal, ours, theirs)), step
    assert not torch.equal(ours[0], weights()[0])
    assert all(weight.grad is None for weight in ours)


@pytest.mark.parametrize(("max_norm", "clips"), [(0.5, True), (1e6, False)])
def test_it_clips_as_torch_does(max_norm, clips):
    ours, theirs = weights(), weights()
    adam, peer = Adam(ours, 0.1, eps=1.0), torch.optim.Adam(theirs, 0.1, eps=1.0, fused=True)
    for each in (ours, theirs):
        give_gradients(each, 0)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert (expected > max_norm) == clips
    peer.step()
    assert torch.equal(adam.step(max_norm), expected)
    for mine, peers in zip(ours, theirs, strict=True):  # eps 1: a step as long as its gradient
        torch.testing.assert_close(mine, peers, rtol=1e-6, atol=1e-7)
    moved = torch.cat([(a - b).flatten() for a, b in zip(ours, weights(), strict=True)])
    assert (moved.norm() < 0.06) == clips


@pytest.mark.parametrize("kind", [Adam, partial(torch.optim.Adam, fused=True)])
def test_it_goes_on_from_a_state(kind):
    whole, cut = weights(), weights()
    alone, first = Adam(whole, 0.1), kind(cut, 0.1)
    for step in range(6):
        if step == 3:
            saved = first.state_dict()
            first = Adam(cut, 0.1)
            first.load_state_dict(saved)
        for optimizer, each in ((alone, whole), (first, cut)):
            give_gradients(each, step)
            optimizer.step()
    assert all(map(torch.equal, whole, cut))


def test_it_loads_no_compiler():
    code = """
import sys, torch
from attn_ppo.compute.adam import Adam
weight = torch.ones(3)
adam = Adam([weight], 0.1)
weight.grad = torch.ones(3)
adam.step()
assert weight[0] < 1
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
