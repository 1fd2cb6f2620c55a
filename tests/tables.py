"""A model that knows its answers by heart, settings and rollouts whose returns can be read off."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attn_ppo.config import PPOSettings, RegularizerSettings
from attn_ppo.model import Output
from attn_ppo.rollout import Rollout

ENTROPY = RegularizerSettings("entropy", None)
# of a loss of the policy and the value alone
WEIGHTS: dict[str, Any] = {"lambda_": 0.0, "diversity": 0.0}


class Table(nn.Module):
    """Two actions, no attention; the answer to observation i is the i-th entry.

    `log_probs` are those of action 0, `values` what the states are worth.
    """

    def __init__(self, log_probs: Sequence[float], values: Sequence[float]):
        super().__init__()
        self.log_probs = nn.Parameter(torch.tensor(log_probs))
        self.values = nn.Parameter(torch.tensor(values))

    def forward(self, obs: Tensor) -> Output:
        """(B, 1) uint8 -> Output."""
        entry = obs[:, 0].long()
        first = self.log_probs[entry]
        policy = torch.stack([first, (1 - first.exp()).log()], dim=1)
        nothing = torch.zeros(len(obs), 0, 7, 7)
        return Output(policy, self.values[entry], nothing, nothing)


def small_settings(**changes: Any) -> PPOSettings:
    """One epoch of one minibatch; gamma a half, gae_lambda 1: returns are discounted rewards."""
    settings = PPOSettings(
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


def terminated_rollout(
    *, rewards: Sequence[float], values: Sequence[float], log_probs: Sequence[float] | None = None
) -> Rollout:
    """One environment whose every step ends an episode: the returns are the rewards.

    Its i-th observation is i, and every action is 0.
    """

    def column(numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.float32)[:, None]

    steps = len(rewards)
    always = torch.ones(steps, 1, dtype=torch.bool)
    return Rollout(
        obs=torch.arange(steps, dtype=torch.uint8).reshape(steps, 1, 1),
        actions=torch.zeros(steps, 1, dtype=torch.int64),
        log_probs=column(log_probs or [0.0] * steps),
        values=column(values),
        next_values=column([9.0] * steps),
        rewards=column(rewards),
        terminated=always,
        done=always,
    )
