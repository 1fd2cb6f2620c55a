"""The network while it only acts: the weights of one moment, packed for few observations at a time.

frozen · Decision
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attn_ppo.compute.kernels import ACTIVATIONS, _pointer, library

SIZE = 84  # pixels a side
NONE = 0  # no activation


class Decision(NamedTuple):
    """What acting needs of the network's outputs."""

    policy: Tensor  # (B, A) log-probabilities of the actions
    value: Tensor  # (B,)


def frozen(model: nn.Module) -> Callable[[Tensor], Decision]:
    """(B, 4, 84, 84) uint8 -> Decision, with the weights that `model` has now, without gradients.

    The bits of a row are the same in any batch and with any number of threads.
    """
    return _Frozen(model)


class _Frozen:
    @torch.no_grad()
    def __init__(self, model: Any) -> None:
        attention, kernels = model.attention, library()
        layers, self._side = _layers(model)
        readout = attention and attention.score[2]
        self._gate, self._maps = (attention.gate, len(readout.weight)) if attention else (None, 0)
        self._features, self._hidden = model.body[0].weight.shape[::-1]
        self._actions = len(model.policy_head.weight)
        self._padded = -(-(self._actions + 1) // kernels.block()) * kernels.block()
        weights = [layer.weight.contiguous() for layer in layers]
        arrays = [
            torch.tensor([layer.numbers for layer in layers]),
            torch.tensor([weight.data_ptr() for weight in weights]),
            torch.tensor([layer.bias.data_ptr() for layer in layers]),
            *((readout.weight.contiguous(), readout.bias) if readout else (None, None)),
        ]
        convolutions = len(model.encoder) // 2
        self._actor = kernels.freeze(convolutions, self._maps, *map(_pointer, arrays))
        weakref.finalize(self, kernels.thaw, self._actor)

    def __call__(self, obs: Tensor) -> Decision:
        features, scores = self.look(obs)
        images, weights = len(obs), self._gate and self._gate(scores).sum(1)
        hidden, y = torch.empty(images, self._hidden), torch.empty(images, self._padded)
        library().decide(images, self._actor, *map(_pointer, (features, weights, hidden, y)))
        return Decision(y[:, : self._actions].log_softmax(-1), y[:, self._actions])

    def look(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, H W C), and scores (B, K, H, W)."""
        images, obs = len(obs), obs.contiguous()
        features = torch.empty(images, self._features)
        scores = torch.empty(images, self._maps, self._side, self._side)
        library().look(images, self._actor, *map(_pointer, (obs, features, scores)))
        return features, scores


class _Layer(NamedTuple):
    numbers: list[int]  # direct.h's Conv
    weight: Tensor
    bias: Tensor


def _layers(model: Any) -> tuple[list[_Layer], int]:
    """The network's layers but the read-out, each as a convolution; and the cells a side."""
    layers, modules, side = [], list(model.encoder), SIZE
    for conv, activation in zip(modules[::2], modules[1::2], strict=True):
        kernel, stride, kind = conv.kernel_size[0], conv.stride[0], ACTIVATIONS[type(activation)]
        layers.append(_layer(side, kernel, stride, kind, conv.weight, conv.bias, not layers))
        side = (side - kernel) // stride + 1
    if model.attention is not None:
        first, activation, _ = model.attention.score
        kind = ACTIVATIONS[type(activation)]
        layers.append(_layer(1, 1, 1, kind, first.weight, first.bias))
    body, activation = model.body
    layers.append(_layer(side, side, 1, ACTIVATIONS[type(activation)], body.weight, body.bias))
    policy, value = model.policy_head, model.value_head
    weight, bias = torch.cat([policy.weight, value.weight]), torch.cat([policy.bias, value.bias])
    return [*layers, _layer(1, 1, 1, NONE, weight, bias)], side


def _layer(
    side: int,
    kernel: int,
    stride: int,
    activation: int,
    weight: Tensor,
    bias: Tensor,
    is_bytes: bool = False,
) -> _Layer:
    """A convolution of `side` x `side` pixels, whatever the shape of its weight."""
    channels = weight[0].numel() // kernel**2
    shape = [1, channels, side, side, len(weight), kernel, stride, int(is_bytes)]
    return _Layer([*shape, activation], weight, bias)
