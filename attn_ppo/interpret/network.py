"""A trained network with its intermediate values, differentiable with respect to the pixels.

open_agent -> OpenAgent · see -> Seen.
"""

import copy
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from attn_ppo.agent import load_agent
from attn_ppo.compute import layers
from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.weights import digest_of
from attn_ppo.model import ActorCritic


class Seen(NamedTuple):
    """What the network computes of a batch of observations, from the last convolution on."""

    features: Tensor  # (B, 64, 7, 7) of the last convolution, after its ReLU, not normalised
    scores: Tensor  # (B, K, 7, 7) of the attention, before the gate; K = 0 without attention
    heeded: Tensor  # (B, K, 7, 7) the scores less what the gate ignores, see `heeded_scores`
    attention: Tensor  # (B, K, 7, 7) weights >= 0
    logits: Tensor  # (B, A) of the policy, whose softmax are the action probabilities
    value: Tensor  # (B,)

    @property
    def log_probs(self) -> Tensor:
        """(B, A) log-probabilities of the actions."""
        return self.logits.log_softmax(-1)


class OpenAgent(NamedTuple):
    """A run's agent as last saved, on the CPU, in float32, computed with plain PyTorch."""

    settings: RunConfig
    model: ActorCritic
    env_steps: int
    weights: str  # SHA-256 of the weights, which identifies the agent of a recording


def open_agent(folder: Path, milestone: int | None = None) -> OpenAgent:
    """The agent of a run folder, as last saved or as of a milestone, counted from 1.

    Raises ConfigError or RunError where there is none.
    """
    settings, model, env_steps = load_agent(folder, milestone)
    return OpenAgent(settings, opened(model), env_steps, weights_digest(model))


def opened(model: ActorCritic) -> ActorCritic:
    """The same network, changed in place so that gradients reach the pixels, its weights frozen.

    The kernels and bfloat16 are for training: with neither are there float32 gradients by pixels.
    """
    model.layers = layers  # pyright: ignore[reportAttributeAccessIssue]
    model.bf16 = False
    return model.requires_grad_(False).eval()


def opened_copy(model: ActorCritic) -> ActorCritic:
    """`opened` of a copy on the CPU; the original is left as it was and can go on training."""
    return opened(copy.deepcopy(model, {id(model.layers): layers}).cpu())


def weights_digest(model: ActorCritic) -> str:
    """SHA-256 of all weights, in hex."""
    return digest_of(model.state_dict())


def see(model: ActorCritic, obs: Tensor) -> Seen:
    """(B, 4, 84, 84) pixels from 0 to 255, uint8 or float, newest frame last -> Seen.

    With float pixels that require a gradient, all of it is differentiable with respect to them.
    """
    return see_features(model, model.encode(obs))


def see_features(model: ActorCritic, features: Tensor) -> Seen:
    """(B, 64, 7, 7) features of the last convolution -> Seen."""
    return see_normalized(model, model.normalize(features))._replace(features=features)


def see_normalized(model: ActorCritic, features: Tensor) -> Seen:
    """(B, 64, 7, 7) features as `model.normalize` gives them -> Seen, with these features."""
    scores, attention, attended = model.attend(features)
    heeded = heeded_scores(model, scores)
    return Seen(features, scores, heeded, attention, *model.decide(attended))


def heeded_scores(model: ActorCritic, scores: Tensor) -> Tensor:
    """(B, K, 7, 7) the scores less their map's mean where the gate ignores what all cells share.

    A softmax ignores it. A sigmoid doesn't: there they are the scores as they are.
    """
    if model.attention is None or not ignores_shift(model.attention.gate):
        return scores
    return scores - scores.mean((2, 3), keepdim=True)


@lru_cache(maxsize=16)
def ignores_shift(gate: Callable[[Tensor], Tensor]) -> bool:
    """Whether the weights stay if all scores of a map rise alike: true of a softmax."""
    scores = torch.linspace(-1, 1, 49).view(1, 1, 7, 7)
    return torch.allclose(gate(scores + 1), gate(scores), atol=1e-6)


def as_pixels(obs: Tensor) -> Tensor:
    """A copy of observations as float pixels, 0 to 255, that require a gradient."""
    return obs.detach().float().clone().requires_grad_(True)


@torch.no_grad()
def see_all(model: ActorCritic, obs: Tensor, *, batch: int = 256) -> Seen:
    """`see` of many observations, `batch` at a time, without gradients."""
    parts = [see(model, part) for part in obs.split(batch)]
    return Seen(*(torch.cat(column) for column in zip(*parts, strict=True)))
