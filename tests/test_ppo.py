"""The algorithm against hand-worked numbers and against Stable-Baselines3 on one minibatch."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as PeerPPO
from torch import Tensor, nn

from attn_ppo import config
from attn_ppo.model import Output
from attn_ppo.ppo import Minibatch, clipped_value_loss, gae, ppo_loss
from attn_ppo.rollout import Rollout


def rollout_of(rewards, values, next_values, *, terminated, done) -> Rollout:
    """A rollout of one environment, T steps."""

    def column(numbers, dtype=torch.float32) -> Tensor:
        return torch.tensor(numbers, dtype=dtype)[:, None]

    steps = len(rewards)
    return Rollout(
        obs=torch.zeros(steps, 1, 1, dtype=torch.uint8),
        actions=column([0] * steps, torch.int64),
        log_probs=column([0.0] * steps),
        values=column(values),
        next_values=column(next_values),
        rewards=column(rewards),
        terminated=column(terminated, torch.bool),
        done=column(done, torch.bool),
    )


def test_gae_of_a_terminated_episode():
    # gamma .5, gae_lambda 1, an episode ends at t=1.  t=2: 3 + .5*4 = 5.
    # t=1: 2, neither bootstrap nor trace.  t=0: 1 + .5*0 + .5*2 = 2.
    r = rollout_of([1, 2, 3], [0, 0, 0], [0, 9, 4], terminated=[0, 1, 0], done=[0, 1, 0])
    assert gae(r, gamma=0.5, gae_lambda=1.0)[:, 0].tolist() == [2.0, 2.0, 5.0]


def test_gae_of_a_truncated_episode():
    # t=1: 2 + .5*9 = 6.5, bootstrap but no trace.  t=0: 1 + .5*6.5 = 4.25.
    r = rollout_of([1, 2, 3], [0, 0, 0], [0, 9, 4], terminated=[0, 0, 0], done=[0, 1, 0])
    assert gae(r, gamma=0.5, gae_lambda=1.0)[:, 0].tolist() == [4.25, 6.5, 5.0]


def test_gae_with_values_and_lambda():
    # gamma .5, gae_lambda .5, values 1 2 4, next values 2 4 8, no ending.
    # deltas: 1+1-1 = 1;  0+2-2 = 0;  -1+4-4 = -1.
    # t=2: -1;  t=1: 0 + .25*-1 = -.25;  t=0: 1 + .25*-.25 = .9375.
    r = rollout_of([1, 0, -1], [1, 2, 4], [2, 4, 8], terminated=[0, 0, 0], done=[0, 0, 0])
    assert gae(r, gamma=0.5, gae_lambda=0.5)[:, 0].tolist() == [0.9375, -0.25, -1.0]


def test_gae_keeps_environments_apart():
    first = rollout_of([1, 2], [0, 0], [0, 0], terminated=[0, 1], done=[0, 1])
    second = rollout_of([5, 7], [0, 0], [0, 0], terminated=[1, 1], done=[1, 1])
    both = Rollout(
        *(
            torch.cat(pair, dim=1)
            for pair in zip(vars(first).values(), vars(second).values(), strict=True)
        )
    )
    # second: each step is an episode of its own.  first: 1 + .5*2 = 2.
    assert gae(both, gamma=0.5, gae_lambda=1.0).tolist() == [[2.0, 5.0], [2.0, 7.0]]


@pytest.mark.parametrize(
    ("value", "clip_range", "expected"),
    [
        # old value 1, return 3
        (1.1, 0.2, 1.805),  # within the range: (3 - 1.1)^2 / 2 = 1.805
        (2.0, 0.2, 1.62),  # beyond: max((3-2)^2, (3-1.2)^2) / 2 = 3.24 / 2
        (0.0, 0.2, 4.5),  # the wrong way: max((3-0)^2, (3-0.8)^2) / 2 = 9 / 2
        (2.0, None, 0.5),  # unclipped: (3-2)^2 / 2
    ],
)
def test_clipped_value_loss(value, clip_range, expected):
    loss = clipped_value_loss(
        torch.tensor([value]), torch.ones(1), torch.full((1,), 3.0), clip_range
    )
    assert loss.item() == pytest.approx(expected, rel=1e-6)


class TwoHeads(nn.Module):
    """A peer's policy network behind our Output, without attention."""

    def __init__(self, peer: PeerPPO):
        super().__init__()
        self.peer = peer.policy

    def forward(self, obs: Tensor) -> Output:
        distribution: Any = self.peer.get_distribution(obs).distribution
        logits = distribution.logits
        value = self.peer.predict_values(obs).squeeze(-1)
        return Output(logits.log_softmax(-1), value, torch.zeros(len(obs), 0, 7, 7))


@pytest.fixture(scope="module")
def peer() -> PeerPPO:
    """Stable-Baselines3's PPO, whose `train` does one update on one minibatch of 64 samples."""
    env = gymnasium.make("CartPole-v1")
    peer = PeerPPO(
        "MlpPolicy",
        env,
        n_steps=64,
        batch_size=64,
        n_epochs=1,
        seed=0,
        ent_coef=0.01,
        vf_coef=0.25,
        max_grad_norm=1e9,
        clip_range=0.2,
        device="cpu",
    )
    peer.learn(64 * 3)
    return peer


def test_losses_and_gradients_equal_the_peers(peer):
    rng = np.random.default_rng(0)
    buffer = peer.rollout_buffer
    # Off-policy on purpose, or every ratio is 1 and nothing is clipped.
    buffer.log_probs = buffer.log_probs + rng.normal(0, 0.3, buffer.log_probs.shape).astype(
        np.float32
    )
    order = np.arange(64)
    data = buffer._get_samples(order)
    batch = Minibatch(
        data.observations,
        data.actions.flatten().long(),
        data.old_log_prob,
        data.old_values,
        data.advantages,
        data.returns,
    )
    settings = config.PPOSettings(
        num_envs=1,
        num_steps=64,
        num_epochs=1,
        num_minibatches=1,
        learning_rate=1e-3,
        anneal_learning_rate=False,
        gamma=0.99,
        gae_lambda=0.95,
        clip_range=0.2,
        anneal_clip_range=False,
        clip_value_loss=False,
        ent_coef=0.01,
        vf_coef=0.5,  # of half the squared error: the peer's 0.25 of all of it
        max_grad_norm=1e9,
    )
    model = TwoHeads(peer)
    loss, metrics = ppo_loss(model, batch, settings, lambda_=0.0, clip_range=torch.tensor(0.2))
    peer.policy.zero_grad()
    loss.backward()
    ours = [p.grad.clone() for p in peer.policy.parameters()]

    theirs = {}
    peer.logger.record = lambda key, value, **_: theirs.update({key: value})
    peer.rollout_buffer.get = lambda *_: iter([data])
    peer.policy.optimizer.step = lambda *_: None  # leave its gradients where they can be read
    peer.train()

    assert theirs["train/clip_fraction"] > 0.1
    assert metrics["policy_loss"].item() == pytest.approx(
        theirs["train/policy_gradient_loss"], abs=1e-5
    )
    assert 2 * metrics["value_loss"].item() == pytest.approx(theirs["train/value_loss"], abs=1e-5)
    assert -metrics["policy_entropy"].item() == pytest.approx(
        theirs["train/entropy_loss"], abs=1e-5
    )
    assert metrics["approx_kl"].item() == pytest.approx(theirs["train/approx_kl"], abs=1e-5)
    assert metrics["clip_fraction"].item() == pytest.approx(theirs["train/clip_fraction"], abs=1e-5)
    assert loss.item() == pytest.approx(theirs["train/loss"], abs=1e-5)
    for mine, parameter in zip(ours, peer.policy.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-8, rtol=1e-4)
        assert parameter.grad.abs().max() > 1e-6


def test_lambda_times_attention_entropy_is_added():
    class Uniform(nn.Module):
        def forward(self, obs: Tensor) -> Output:
            batch = len(obs)
            policy = torch.full((batch, 2), 0.5).log()
            return Output(policy, torch.zeros(batch), torch.full((batch, 2, 7, 7), 1 / 49))

    half, zeros = torch.full((4,), 0.5).log(), torch.zeros(4)
    advantages = torch.tensor([1.0, -1, 1, -1])
    batch = Minibatch(torch.zeros(4, 1), zeros.long(), half, zeros, advantages, zeros)
    settings = config.PPOSettings(
        8, 128, 4, 4, 1e-3, True, 0.99, 0.95, 0.2, False, True, 0.01, 0.5, 0.5
    )
    without, _ = ppo_loss(Uniform(), batch, settings, lambda_=0.0, clip_range=torch.tensor(0.2))
    with_it, metrics = ppo_loss(
        Uniform(), batch, settings, lambda_=0.1, clip_range=torch.tensor(0.2)
    )
    assert metrics["attention_entropy"].item() == pytest.approx(7.783641)  # 2 ln 49
    assert (with_it - without).item() == pytest.approx(0.7783641)
    assert without.item() == pytest.approx(-0.01 * 0.693147)  # -ent_coef * ln 2
