"""The network's layers in plain PyTorch, on any device. `kernels` has the same four for CPUs."""

from typing import Protocol

from torch import Tensor, nn


class Layers(Protocol):
    """The functions that this module and `kernels` both have."""

    def encode(self, encoder: nn.Sequential, obs: Tensor) -> Tensor: ...
    def normalize_channels(self, features: Tensor) -> Tensor: ...
    def score(self, layers: nn.Sequential, features: Tensor) -> Tensor: ...
    def attend(self, features: Tensor, attention: Tensor) -> Tensor: ...


def encode(encoder: nn.Sequential, obs: Tensor) -> Tensor:
    """(B, 4, 84, 84) uint8 -> (B, C, H, W) features."""
    return encoder(obs.float() / 255)


def normalize_channels(features: Tensor) -> Tensor:
    """(B, C, H, W) with each cell's C features scaled to L2 norm one; dead cells stay zero.

    The floor is on the squared norm, 1e-12, as in the study's TensorFlow.
    """
    return features * features.square().sum(1, keepdim=True).clamp_min(1e-12).rsqrt()


def score(layers: nn.Sequential, features: Tensor) -> Tensor:
    """(B, C, H, W) features -> (B, K, H, W) scores."""
    return layers(features)


def attend(features: Tensor, attention: Tensor) -> Tensor:
    """The features times the sum of the maps: (B, C, H, W), (B, K, H, W) -> (B, C * H * W)."""
    return (features * attention.sum(1, keepdim=True)).flatten(1)
