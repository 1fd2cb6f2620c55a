"""The algorithm against hand-worked numbers and against Stable-Baselines3 on one minibatch."""

import dataclasses
import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as PeerPPO
from tables import ENTROPY, Table
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.compute.adam import Adam
from attn_ppo.config import RegularizerSettings
from attn_ppo.model import Output
from attn_ppo.ppo import Minibatch, clipped_value_loss, gae, ppo_loss, update
from attn_ppo.rollout import Rollout

WEIGHTS: dict[str, Any] = {"lambda_": 0.0, "diversity": 0.0}


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
        nothing = torch.zeros(len(obs), 0, 7, 7)
        return Output(logits.log_softmax(-1), value, nothing, nothing)


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
    loss, metrics = ppo_loss(
        model, batch, settings, ENTROPY, **WEIGHTS, clip_range=torch.tensor(0.2)
    )
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


UNIFORM = {  # what is weighed of two maps spread evenly, or of none: 2 ln 49 = 7.783641
    "entropy": (2, ENTROPY, 0.1, 0.0, 0.7783641),
    "no attention": (0, ENTROPY, 0.1, 0.0, 0.0),
    "a target": (2, RegularizerSettings("target_entropy", 4.0), 0.1, 0.0, 0.3783641),
    "diversity": (2, ENTROPY, 0.0, 2.0, 0.0412386),  # 2 * ln(49 / 48)
    "both": (2, ENTROPY, 0.1, 2.0, 0.8196027),
}


@pytest.mark.parametrize("case", UNIFORM)
def test_lambda_times_the_regulariser_and_diversity_times_the_overlap_are_added(case):
    maps, regularizer, lambda_, diversity, expected = UNIFORM[case]

    class Uniform(nn.Module):
        def forward(self, obs: Tensor) -> Output:
            batch = len(obs)
            policy, scores = torch.full((batch, 2), 0.5).log(), torch.zeros(batch, maps, 7, 7)
            return Output(policy, torch.zeros(batch), torch.full_like(scores, 1 / 49), scores)

    half, zeros = torch.full((4,), 0.5).log(), torch.zeros(4)
    advantages = torch.tensor([1.0, -1, 1, -1])
    batch = Minibatch(torch.zeros(4, 1), zeros.long(), half, zeros, advantages, zeros)
    settings = config.PPOSettings(
        8, 128, 4, 4, 1e-3, True, 0.99, 0.95, 0.2, False, True, 0.01, 0.5, 0.5
    )
    clip = torch.tensor(0.2)
    without, _ = ppo_loss(Uniform(), batch, settings, regularizer, **WEIGHTS, clip_range=clip)
    with_it, metrics = ppo_loss(
        Uniform(),
        batch,
        settings,
        regularizer,
        lambda_=torch.tensor(lambda_),
        diversity=diversity,
        clip_range=clip,
    )
    assert (with_it - without).item() == pytest.approx(expected, abs=1e-5)
    assert without.item() == pytest.approx(-0.01 * 0.693147)  # -ent_coef * ln 2
    spread = {2: (7.783641, 0.020619), 0: (0, 0)}[maps]  # ln(49 / 48)
    found = [metrics[name].item() for name in ("attention_entropy", "map_overlap")]
    assert found == pytest.approx(spread, abs=1e-5)
    still = 0.0 if maps else math.nan  # the same even maps for every sample, or none
    assert metrics["map_movement"].item() == pytest.approx(still, abs=1e-7, nan_ok=True)
    penalty = {4.0: 3.783641, None: spread[0]}[regularizer.target]
    assert metrics["regularization"].item() == pytest.approx(penalty)


def small_settings(**changes: Any) -> config.PPOSettings:
    """One epoch of one minibatch; gamma a half, gae_lambda 1: returns are discounted rewards."""
    settings = config.PPOSettings(
        num_envs=1,
        num_steps=4,
        num_epochs=1,
        num_minibatches=1,
        learning_rate=1e-3,
        anneal_learning_rate=False,
        gamma=0.5,
        gae_lambda=1.0,
        clip_range=0.2,
        anneal_clip_range=False,
        clip_value_loss=False,
        ent_coef=0.01,
        vf_coef=0.5,
        max_grad_norm=0.5,
    )
    return dataclasses.replace(settings, **changes)


def learn(rollout: Rollout, settings: config.PPOSettings, **options: Any) -> dict[str, Tensor]:
    """The metrics of an update of a model that knows up to 24 observations apart."""
    model = Table(log_probs=[math.log(0.5)] * 24, values=[0.0] * 24)
    optimizer, rng = Adam(model.parameters(), 1e-3), Generator().manual_seed(0)
    return update(
        model, optimizer, rollout, settings, ENTROPY, **WEIGHTS, clip_range=0.2, rng=rng, **options
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Returns 12, 8, 4, 0, as below: squares about their mean 6 of 36 + 4 + 4 + 36 = 80.
        ([12, 8, 4, 0], 1.0),  # foreseen: nothing is left
        ([5, 5, 5, 5], 0.0),  # a constant explains nothing: all is left
        ([11, 3, 3, -1], 0.85),  # left 1, 5, 1, 1, about their mean 2: 1 + 9 + 1 + 1 = 12 of 80
        ([0, 4, 8, 12], -3.0),  # left 12, 4, -4, -12: 144 + 16 + 16 + 144 = 320 of 80
    ],
)
@pytest.mark.parametrize("num_minibatches", [1, 2])
def test_explained_variance(values, expected, num_minibatches):
    # returns at t=3: 0, its episode's end.  t=2: 4 + .5*0 = 4.  t=1: 6 + .5*4 = 8.  t=0: 8 + .5*8.
    ends = [0, 0, 0, 1]
    next_values = [*values[1:], 9]
    rollout = rollout_of([8, 6, 4, 0], values, next_values, terminated=ends, done=ends)
    metrics = learn(rollout, small_settings(num_minibatches=num_minibatches, num_epochs=2))
    assert metrics["explained_variance"].item() == pytest.approx(expected, abs=1e-5)


def test_minibatches_visit_each_sample_once_an_epoch_in_a_new_order():
    """6 steps of 4 environments, numbered; 3 epochs of 4 minibatches of 6."""
    number = torch.arange(24).reshape(6, 4)
    always = torch.ones(6, 4, dtype=torch.bool)  # so that the returns are the rewards
    rollout = Rollout(
        obs=number[..., None].to(torch.uint8),
        actions=number % 2,
        log_probs=-number / 100,
        values=number / 10,
        next_values=torch.full((6, 4), 9.0),
        rewards=number * 1.0,
        terminated=always,
        done=always,
    )
    batches: list[Minibatch] = []

    def noting(function: Any, /) -> Any:
        def call(model: nn.Module, batch: Minibatch, *args: Any, **kwargs: Any) -> Any:
            batches.append(batch)
            return function(model, batch, *args, **kwargs)

        return call

    settings = small_settings(num_envs=4, num_steps=6, num_epochs=3, num_minibatches=4)
    learn(rollout, settings, prepare=noting)

    visited = [batch.obs[:, 0].tolist() for batch in batches]
    assert [len(batch) for batch in visited] == [6] * 12
    epochs = [torch.cat([b.obs[:, 0] for b in batches[i : i + 4]]).tolist() for i in (0, 4, 8)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(24))] * 3
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    for batch in visited:  # over steps and environments: sample 4 t + n is step t of environment n
        assert len({sample // 4 for sample in batch}) > 1
        assert len({sample % 4 for sample in batch}) > 1
    for batch in batches:  # what belongs to a sample stays with it
        sample = batch.obs[:, 0].float()
        assert torch.equal(batch.actions, batch.obs[:, 0].long() % 2)
        torch.testing.assert_close(batch.log_probs, -sample / 100)
        torch.testing.assert_close(batch.values, sample / 10)
        torch.testing.assert_close(batch.advantages, sample - sample / 10)
        torch.testing.assert_close(batch.returns, sample)
