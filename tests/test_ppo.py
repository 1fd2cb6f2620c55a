"""The algorithm against hand-worked numbers."""

import math
from typing import Any

import pytest
import torch
from tables import ENTROPY, WEIGHTS, Table, small_settings
from torch import Generator, Tensor, nn

from attn_ppo.compute.adam import Adam
from attn_ppo.config import PPOSettings, RegularizerSettings
from attn_ppo.model import Output
from attn_ppo.ppo import Minibatch, clipped_value_loss, gae, ppo_loss, update
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
    settings = small_settings(clip_value_loss=True)
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


def learn(rollout: Rollout, settings: PPOSettings, **options: Any) -> dict[str, Tensor]:
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


def numbered() -> Rollout:
    """6 steps of 4 environments: sample 4 t + n is step t of environment n, its numbers tell it."""
    number = torch.arange(24).reshape(6, 4)
    always = torch.ones(6, 4, dtype=torch.bool)  # so that the returns are the rewards
    return Rollout(
        obs=number[..., None].to(torch.uint8),
        actions=number % 2,
        log_probs=-number / 100,
        values=number / 10,
        next_values=torch.full((6, 4), 9.0),
        rewards=number * 1.0,
        terminated=always,
        done=always,
    )


def test_minibatches_visit_each_sample_once_an_epoch_in_a_new_order():
    """6 steps of 4 environments, numbered; 3 epochs of 4 minibatches of 6."""
    batches: list[Minibatch] = []

    def noting(function: Any, /) -> Any:
        def call(model: nn.Module, batch: Minibatch, *args: Any, **kwargs: Any) -> Any:
            batches.append(batch)
            return function(model, batch, *args, **kwargs)

        return call

    settings = small_settings(num_envs=4, num_steps=6, num_epochs=3, num_minibatches=4)
    learn(numbered(), settings, prepare=noting)

    visited = [batch.obs[:, 0].tolist() for batch in batches]
    assert [len(batch) for batch in visited] == [6] * 12
    epochs = [torch.cat([b.obs[:, 0] for b in batches[i : i + 4]]).tolist() for i in (0, 4, 8)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(24))] * 3
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    for batch in visited:  # over steps and environments
        assert len({sample // 4 for sample in batch}) > 1
        assert len({sample % 4 for sample in batch}) > 1
    for batch in batches:  # what belongs to a sample stays with it
        sample = batch.obs[:, 0].float()
        assert torch.equal(batch.actions, batch.obs[:, 0].long() % 2)
        torch.testing.assert_close(batch.log_probs, -sample / 100)
        torch.testing.assert_close(batch.values, sample / 10)
        torch.testing.assert_close(batch.advantages, sample - sample / 10)
        torch.testing.assert_close(batch.returns, sample)
