"""Agents and frames to explain, and how the tests of saliency ask for a map."""

from functools import cache
from typing import Any

import torch
from planted import LIKED
from torch import Generator, Tensor

from attn_ppo import config
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.model import ActorCritic

GATES = ("softmax", "sigmoid", "none")
ACTION = torch.tensor([LIKED])


@cache
def agent(gate: Any = "softmax") -> ActorCritic:
    """Random weights and biases, heads large enough to see something. Nobody changes it."""
    rng = Generator().manual_seed(0)
    model = opened(ActorCritic(4, config.AttentionSettings(gate=gate, maps=2, hidden=16), rng))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=rng))
    model.policy_head.weight.mul_(100)
    return model


def frames(batch: int, seed: int = 0) -> Tensor:
    rng = Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 4, 84, 84), generator=rng, dtype=torch.uint8)


def explain(name: str, model: ActorCritic, obs: Tensor, target: Any = "log_prob", seed=0) -> Tensor:
    target = TARGETS[target] if isinstance(target, str) else target
    actions = ACTION.expand(len(obs))
    return METHODS[name].function(model, obs, actions, target, Generator().manual_seed(seed))
