"""Saliency by gradients: how a target changes with each pixel, or with each feature (Grad-CAM).

The functions that METHODS of `methods` names all take (model, obs (B, 4, 84, 84) uint8,
actions (B,), target, rng) and leave the model as it was.
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor, nn

from attn_ppo.compute.layers import normalize_channels
from attn_ppo.interpret.network import as_pixels, see, see_normalized
from attn_ppo.interpret.receptive_field import to_input
from attn_ppo.interpret.saliency.targets import Target, check_target
from attn_ppo.model import ActorCritic

SAMPLES = 50  # noisy copies
NOISE = 0.15 * 255  # standard deviation of the noise, grey levels
STEPS = 64  # of the integral; see integrated_gradients
NEAR_BLACK = 4  # how much denser the steps are near black: at brightness (t / 64) ^ 4


def gradient(
    model: ActorCritic, obs: Tensor, actions: Tensor, target: Target, _rng: Generator
) -> Tensor:
    """(B, 4, 84, 84) d target / d pixel, target per grey level. Simonyan et al. 2013, section 3.

    Signed: the paper draws the magnitude, the greatest over colours.
    """
    return _gradient_at(model, obs, actions, target)


def gradient_x_input(
    model: ActorCritic, obs: Tensor, actions: Tensor, target: Target, _rng: Generator
) -> Tensor:
    """(B, 4, 84, 84) the gradient times the pixel, in units of the target. Shrikumar et al. 2016.

    Zero wherever the screen is black.
    """
    return obs * _gradient_at(model, obs, actions, target)


def smoothgrad(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    rng: Generator,
    *,
    samples: int = SAMPLES,
    sigma: float = NOISE,
) -> Tensor:
    """(B, 4, 84, 84) mean gradient over noisy copies, target per grey level. Smilkov et al. 2017.

    The noise is 15 % of all 255 grey levels, where the paper takes those between the image's own
    darkest and brightest. A noisy pixel may lie below 0 or above 255: it isn't clipped.
    """
    noisy = _noisy_gradients(model, obs, actions, target, rng, samples, sigma)
    return torch.stack([each.mean(0) for each in noisy])


def vargrad(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    rng: Generator,
    *,
    samples: int = SAMPLES,
    sigma: float = NOISE,
) -> Tensor:
    """(B, 4, 84, 84) variance of the gradient over noisy copies. Adebayo et al. 2018.

    In (target per grey level) squared, the mean square about the samples' own mean.
    """
    noisy = _noisy_gradients(model, obs, actions, target, rng, samples, sigma)
    return torch.stack([each.var(0, correction=0) for each in noisy])


def smoothgrad_and_vargrad(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    rng: Generator,
    *,
    samples: int = SAMPLES,
    sigma: float = NOISE,
) -> tuple[Tensor, Tensor]:
    """`smoothgrad` and `vargrad` of the same noisy copies, in half the time."""
    noisy = _noisy_gradients(model, obs, actions, target, rng, samples, sigma)
    both = [(each.mean(0), each.var(0, correction=0)) for each in noisy]
    mean, variance = (torch.stack(column) for column in zip(*both, strict=True))
    return mean, variance


def integrated_gradients(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    _rng: Generator,
    *,
    steps: int = STEPS,
) -> Tensor:
    """(B, 4, 84, 84) in units of the target, from a black screen to this. Sundararajan et al. 2017.

    Complete: all maps of an observation sum to its target less that of a black screen, but for
    what the steps miss. The paper's steps are evenly spaced. Ours, midpoints of an even grid to
    the fourth power, are denser near black, where normalised features change fastest: on an agent
    of 160,000 steps 64 even ones missed 5 to 30 % of the difference, these 1 %. For an agent
    without biases (an untrained one) all of the change is next to black, too close for 64 steps.
    """
    middles = (torch.arange(steps, device=obs.device) + 0.5) / steps
    brightness = middles**NEAR_BLACK
    weights = NEAR_BLACK * middles ** (NEAR_BLACK - 1) / steps
    return torch.stack(
        [
            each
            * torch.tensordot(
                weights,
                _gradient_at(
                    model, brightness[:, None, None, None] * each, action.expand(steps), target
                ),
                1,
            )
            for each, action in zip(obs, actions, strict=True)
        ]
    )


def guided_backprop(
    model: ActorCritic, obs: Tensor, actions: Tensor, target: Target, _rng: Generator
) -> Tensor:
    """(B, 4, 84, 84) the gradient if ReLUs pass back only what is positive. Springenberg 2014.

    In target per grey level, but not a derivative of anything. The rule applies to the ReLUs of the
    encoder and the body. It does not apply to the attention's ELU, whose slope is nowhere zero.
    Adebayo et al. 2018 found that these maps hardly depend on the weights.
    """
    return _gradient_at(_guided(model), obs, actions, target)


def grad_cam(
    model: ActorCritic, obs: Tensor, actions: Tensor, target: Target, _rng: Generator
) -> Tensor:
    """(B, 1, 84, 84) `grad_cam_cells` laid over the input by `cells_on_pixels`.

    Drawn like the attention, since a cell sees 36x36 pixels; the usual resizing of 7x7 to 84x84
    would put the outer cells up to 12 pixels from the centres of their receptive fields.
    """
    return cells_on_pixels(grad_cam_cells(model, obs, actions, target))


def cells_on_pixels(cells: Tensor) -> Tensor:
    """(B, 7, 7) -> (B, 1, 84, 84), the greatest of the cells that see a pixel."""
    return torch.from_numpy(to_input(cells.cpu().numpy())).to(cells.device)[:, None]


def grad_cam_cells(model: ActorCritic, obs: Tensor, actions: Tensor, target: Target) -> Tensor:
    """(B, 7, 7) >= 0 on the last convolution after its ReLU. Selvaraju et al. 2017, eq. 1 and 2.

    The target's slope by a feature, averaged over cells, times the feature: target units. An
    agent with attention normalises the features of each cell, and so do we: before normalisation
    features are orthogonal to their gradient in every cell. For targets of the attention the maps
    say little: what raises one cell's score lowers the others', and the average cancels.
    """
    check_target(model, target)
    with torch.no_grad():
        features = see(model, obs).features
        if model.attention is not None:
            features = normalize_channels(features)
    features.requires_grad_(True)
    explained = target(see_normalized(model, features), actions)
    (slope,) = torch.autograd.grad(explained.sum(), features)
    return (slope.mean((2, 3), keepdim=True) * features.detach()).sum(1).relu()


def _gradient_at(model: ActorCritic, pixels: Tensor, actions: Tensor, target: Target) -> Tensor:
    """(B, 4, 84, 84) d target / d pixel at uint8 or float pixels."""
    check_target(model, target)
    pixels = as_pixels(pixels)
    explained = target(see(model, pixels), actions)
    return torch.autograd.grad(explained.sum(), pixels)[0]  # rows are independent: the sum will do


def _noisy_gradients(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    rng: Generator,
    samples: int,
    sigma: float,
) -> Iterator[Tensor]:
    """For each observation the gradients (samples, 4, 84, 84) at copies with noise of `sigma`.

    On float pixels: as uint8 the noise would wrap around at 256.
    """
    for each, action in zip(obs, actions, strict=True):
        noise = torch.randn(samples, *each.shape, generator=rng, device=rng.device)
        yield _gradient_at(model, each + sigma * noise, action.expand(samples), target)


def _guided(model: ActorCritic) -> ActorCritic:
    """A copy that shares the weights, with guided ReLUs in encoder and body."""
    shared: list[Any] = [model.layers, *model.parameters(), *model.buffers()]
    twin = copy.deepcopy(model, {id(part): part for part in shared})
    for stack in (twin.encoder, twin.body):
        for at, layer in enumerate(stack):
            if isinstance(layer, nn.ReLU):
                stack[at] = _GuidedReLU()
    return twin


class _GuidedReLU(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return _Guide.apply(inputs)  # pyright: ignore[reportReturnType]


class _Guide(torch.autograd.Function):
    """ReLU that passes back only positive gradients, where its input was positive."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor) -> Tensor:
        ctx.save_for_backward(inputs)
        return inputs.relu()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        return gradient.relu().masked_fill(inputs <= 0, 0)
