"""The attention module: where on the 7x7 grid of features the agent looks."""

import math
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class Attention(nn.Module):
    """`score` turns each cell's own features into K scores, `gate` the scores into K maps.

    The two 1x1 convolutions of Nikulin et al. 2019, after Yang et al. 2018's region-sensitive
    module; initialised like the encoder's, orthogonal with gain sqrt 2.
    """

    def __init__(self, channels: int, *, hidden: int, maps: int, gate: str, rng: Generator):
        super().__init__()
        self.score = nn.Sequential(
            orthogonal(nn.Conv2d(channels, hidden, 1), math.sqrt(2), rng),
            nn.ELU(),
            orthogonal(nn.Conv2d(hidden, maps, 1), math.sqrt(2), rng),
        )
        self.gate = GATES[gate]


def spatial_softmax(scores: Tensor) -> Tensor:
    """(B, K, H, W) -> the same, each map summing to one over its cells."""
    return scores.flatten(2).softmax(-1).view_as(scores)


# `none` is no gate but the absence of the module: see model.py.
GATES = {
    "softmax": spatial_softmax,
    "sigmoid": torch.sigmoid,
    "uniform": lambda scores: spatial_softmax(0 * scores),  # a control: maps that choose nothing
}


def orthogonal(layer: Layer, gain: float, rng: Generator) -> Layer:
    """The layer with orthogonal weights of this gain and zero biases (Saxe et al. 2013)."""
    nn.init.orthogonal_(layer.weight, gain, generator=rng)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
