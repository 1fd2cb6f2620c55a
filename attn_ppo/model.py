"""The actor-critic: from four grey frames to a policy, a value and what was attended to."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.attention import Attention, orthogonal


class Output(NamedTuple):
    """What the agent makes of a batch of observations."""

    policy: Tensor  # (B, A) log-probabilities of the actions
    value: Tensor  # (B,)
    attention: Tensor  # (B, K, 7, 7) weights >= 0; K = 0 without attention


class ActorCritic(nn.Module):
    """The network of Nikulin et al. 2019: Nature CNN encoder, attention, two heads.

    With `gate=none` it is the plain Nature CNN of Mnih et al. 2015: neither the attention nor
    the normalisation of its input.
    """

    def __init__(self, num_actions: int, settings: config.Attention, rng: Generator):
        super().__init__()
        gain = math.sqrt(2)
        # A flat Sequential: relevance is traced back through it layer by layer.
        self.encoder = nn.Sequential(
            orthogonal(nn.Conv2d(4, 32, 8, stride=4), gain, rng), nn.ReLU(),
            orthogonal(nn.Conv2d(32, 64, 4, stride=2), gain, rng), nn.ReLU(),
            orthogonal(nn.Conv2d(64, 64, 3), gain, rng), nn.ReLU(),
        )  # fmt: skip
        self.attention = None
        if settings.gate != "none":
            self.attention = Attention(
                64, hidden=settings.hidden, maps=settings.maps, gate=settings.gate, rng=rng
            )
        self.body = nn.Sequential(orthogonal(nn.Linear(64 * 7 * 7, 512), gain, rng), nn.ReLU())
        self.policy_head = orthogonal(nn.Linear(512, num_actions), 0.01, rng)
        self.value_head = orthogonal(nn.Linear(512, 1), 1.0, rng)

    def forward(self, obs: Tensor) -> Output:
        """(B, 4, 84, 84) uint8, newest frame last -> Output."""
        features = self.encoder(obs.float() / 255)
        if self.attention is None:
            attention = features.new_zeros(len(obs), 0, *features.shape[2:])
        else:
            features = normalize_channels(features)
            attention = self.attention(features)
            features = features * attention.sum(1, keepdim=True)
        hidden = self.body(features.flatten(1))
        policy = self.policy_head(hidden).log_softmax(-1)
        return Output(policy, self.value_head(hidden).squeeze(-1), attention)


def normalize_channels(features: Tensor) -> Tensor:
    """(B, C, H, W) with each cell's C features scaled to L2 norm one; dead cells stay zero.

    The floor is on the squared norm, 1e-12, as in the study's TensorFlow.
    """
    return features * torch.rsqrt(features.square().sum(1, keepdim=True).clamp_min(1e-12))


def sample(policy: Tensor, rng: Generator) -> Tensor:
    """One action a row: (B, A) log-probabilities -> (B,) int64."""
    return torch.multinomial(policy.exp(), 1, generator=rng).squeeze(-1)
