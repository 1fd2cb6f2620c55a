"""The actor-critic: from four grey frames to a policy, a value and what was attended to."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.attention import Attention, orthogonal
from attn_ppo.compute import layers
from attn_ppo.compute.layers import Layers


class Output(NamedTuple):
    """What the agent makes of a batch of observations."""

    policy: Tensor  # (B, A) log-probabilities of the actions
    value: Tensor  # (B,)
    attention: Tensor  # (B, K, 7, 7) weights >= 0; K = 0 without attention
    scores: Tensor  # (B, K, 7, 7) of the attention, before the gate


class ActorCritic(nn.Module):
    """The network of Nikulin et al. 2019: Nature CNN encoder, attention, two heads.

    With `gate=none` it is the plain Nature CNN of Mnih et al. 2015: neither the attention nor
    the normalisation of its input. `layers` computes the large layers, in bfloat16 where `bf16`;
    the heads are always float32: bfloat16 would round the value too coarsely.
    """

    def __init__(
        self,
        num_actions: int,
        settings: config.AttentionSettings,
        rng: Generator,
        *,
        layers: Layers = layers,
        bf16: bool = False,
    ):
        super().__init__()
        self.layers, self.bf16 = layers, bf16
        gain = math.sqrt(2)
        # A flat Sequential: relevance is traced back through it layer by layer.
        self.encoder = nn.Sequential(
            orthogonal(nn.Conv2d(4, 32, 8, stride=4), gain, rng),
            nn.ReLU(),
            orthogonal(nn.Conv2d(32, 64, 4, stride=2), gain, rng),
            nn.ReLU(),
            orthogonal(nn.Conv2d(64, 64, 3), gain, rng),
            nn.ReLU(),
        )
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
        features = self.normalize(self.encode(obs))
        scores, attention, attended = self.attend(features)
        logits, value = self.decide(attended)
        return Output(logits.log_softmax(-1), value, attention, scores)

    def encode(self, obs: Tensor) -> Tensor:
        """(B, 4, 84, 84) pixels from 0 to 255 -> (B, 64, 7, 7) features after the last ReLU."""
        return self._large(self.layers.encode, self.encoder, obs)

    def normalize(self, features: Tensor) -> Tensor:
        """Each cell's 64 features scaled to L2 norm one; unchanged without attention."""
        return features if self.attention is None else self.layers.normalize_channels(features)

    def attend(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 64, 7, 7) normalised features -> scores and attention (B, K, 7, 7), and the features
        times the sum of the maps (B, 3136)."""
        if self.attention is None:
            nothing = features.new_zeros(len(features), 0, *features.shape[2:])
            return nothing, nothing, features.flatten(1)
        scores = self._large(self.layers.score, self.attention.score, features)
        attention = self.attention.gate(scores)
        return scores, attention, self.layers.attend(features, attention)

    def decide(self, attended: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3136) attended features -> logits (B, A), value (B,)."""
        hidden = self._large(self.body, attended)
        return self.policy_head(hidden), self.value_head(hidden).squeeze(-1)

    def _large(self, layer: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """What a large layer gives, computed in bfloat16 where that was asked for."""
        if not self.bf16:
            return layer(*inputs)
        with torch.autocast(inputs[-1].device.type, torch.bfloat16):
            return layer(*inputs).float()


def sample(policy: Tensor, noise: Tensor) -> Tensor:
    """One action a row: (B, A) log-probabilities -> (B,) int64, each as likely as its probability.

    `noise` (B, A) are exponential variates of rate one. Of A clocks that ring after noise / p the
    first to ring is drawn.
    """
    return (policy - noise.log()).argmax(-1)
