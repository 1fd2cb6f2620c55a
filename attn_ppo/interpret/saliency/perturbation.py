"""Saliency by perturbation: how the outputs change when one of 289 spots of the screen is blurred.

perturbation_maps -> PerturbationMaps: for the actor, the critic and the chosen action, all from
the same forward passes. `upsample` interpolates them to pixels; the three functions that METHODS
of `methods` names do both.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import Conv2d

from attn_ppo.interpret.network import see, see_features
from attn_ppo.interpret.saliency.targets import Target
from attn_ppo.model import ActorCritic

SIZE, STRIDE = 84, 5  # pixels of the input; of which every fifth is the centre of a spot
CENTRES = 17  # a side: pixels 0, 5, ... 80
BLUR, SPOT = 3.0, 5.0  # standard deviations, pixels
PASSES = 5  # forward passes for all spots; fewer need fresh memory, which costs more


class PerturbationMaps(NamedTuple):
    """The effect of blurring the spot at pixel (5 i, 5 j), at [i, j]; never below zero."""

    actor: Tensor  # (B, 17, 17) half the squared change of the logits
    critic: Tensor  # (B, 17, 17) half the squared change of the value, in clipped rewards
    sarfa: Tensor  # (B, 17, 17) within [0, 1], for the chosen action; see `specificity`


@torch.no_grad()
def perturbation_maps(model: ActorCritic, obs: Tensor, actions: Tensor) -> PerturbationMaps:
    """The maps of (B, 4, 84, 84) pixels and of the actions (B,) that SARFA explains.

    Greydanus et al. 2018, eq. 1 to 4, but the spot is blurred in all four frames alike; their
    agent is recurrent and gets one frame. Spots are plain Gaussians, not cut at 20 pixels.
    """
    columns = zip(*(_of_one(model, *each) for each in zip(obs, actions, strict=True)), strict=True)
    return PerturbationMaps(*(torch.stack(column) for column in columns))


def upsample(raw: Tensor) -> Tensor:
    """(B, 17, 17) -> (B, 1, 84, 84), bilinear, with each spot's value at the pixel of its centre.

    The last three rows and columns lie beyond the last centre and repeat its value.
    """
    return (_STRETCH @ raw @ _STRETCH.T)[:, None]


def perturbation_actor(
    model: ActorCritic, obs: Tensor, actions: Tensor, _target: Target, _rng: Generator
) -> Tensor:
    """(B, 1, 84, 84) half the squared change of the policy's logits. Greydanus et al. 2018, eq. 3.

    A change that all logits share counts too, as in the paper, though the policy ignores it.
    """
    return upsample(perturbation_maps(model, obs, actions).actor)


def perturbation_critic(
    model: ActorCritic, obs: Tensor, actions: Tensor, _target: Target, _rng: Generator
) -> Tensor:
    """(B, 1, 84, 84) half the squared change of the value. Greydanus et al. 2018, eq. 4."""
    return upsample(perturbation_maps(model, obs, actions).critic)


def sarfa(
    model: ActorCritic, obs: Tensor, actions: Tensor, _target: Target, _rng: Generator
) -> Tensor:
    """(B, 1, 84, 84) within [0, 1], specific and relevant. Puri et al. 2020; see `specificity`."""
    return upsample(perturbation_maps(model, obs, actions).sarfa)


def specificity(before: Tensor, after: Tensor, action: Tensor) -> Tensor:
    """SARFA of the logits (A,) before and (..., A) after a change: (...), within [0, 1].

    The harmonic mean of two numbers: the action's loss of probability, and 1 / (1 + KL), with
    KL(after || before) of the other actions' renormalised probabilities: as the paper has it, where
    the authors' code takes KL(before || after). Zero where the action's probability rises, for
    which the mean is not defined. The paper takes the softmax of Q-values; we take the policy's
    probabilities.
    """
    lost = (before.softmax(-1) - after.softmax(-1))[..., action].clamp_min(0)
    rest = torch.arange(len(before), device=before.device) != action
    old, new = before[rest].log_softmax(-1), after[..., rest].log_softmax(-1)
    relevance = 1 / (1 + (new.exp() * (new - old)).sum(-1).clamp_min(0))
    return 2 * lost * relevance / (lost + relevance)


def blur(images: Tensor) -> Tensor:
    """(..., 84, 84) convolved with a Gaussian of BLUR, cut at four deviations, edges mirrored."""
    return _BLURRING @ images @ _BLURRING.T


def _of_one(model: ActorCritic, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three maps (17, 17) of one observation (4, 84, 84)."""
    first, rest = model.encoder[0], model.encoder[1:]
    assert isinstance(first, Conv2d)
    pixels = obs.float() / 255
    clear, unchanged = see(model, obs[None]), first(pixels[None])
    patches = _patches(first, blur(pixels) - pixels)
    parts = []
    for rows in _WINDOWS.tensor_split(PASSES):
        changed = see_features(model, rest(_spots(first, patches, rows).add_(unchanged)))
        actor = (changed.logits - clear.logits).square().sum(-1) / 2
        critic = (changed.value - clear.value).square() / 2
        parts.append(
            torch.stack([actor, critic, specificity(clear.logits[0], changed.logits, action)])
        )
    actor, critic, specific = torch.cat(parts, 1).view(3, CENTRES, CENTRES)
    return actor, critic, specific


def _patches(conv: Conv2d, image: Tensor) -> Tensor:
    """(C, 84, 84) -> (k, h, w, C, k): the inputs of each output, the kernel's columns first."""
    (size, _), (step, _) = conv.kernel_size, conv.stride
    patches = image.unfold(1, size, step).unfold(2, size, step)
    return patches.permute(4, 1, 2, 0, 3).contiguous()


def _spots(conv: Conv2d, patches: Tensor, rows: Tensor) -> Tensor:
    """The convolution of a change at R * 17 spots, without its bias: (R * 17, F, h, w).

    `rows` (R, 84) are the spots' profiles over rows. The convolution is linear and a spot is the
    product of a profile over rows and one over columns: so rows are summed once for each column of
    the kernel, and then columns. This is an eleventh of the work of convolving every spot.
    """
    (size, _), (step, _) = conv.kernel_size, conv.stride
    down, across = (profile.unfold(1, size, step) for profile in (rows, _WINDOWS))
    height, width, filters = *patches.shape[1:3], conv.out_channels
    masked = patches[:, None] * down[:, :, None, None]  # (k, R, h, w, C, k)
    weight = conv.weight.permute(3, 1, 2, 0).reshape(size, -1, filters)
    columns = masked.view(size, -1, weight.shape[1]) @ weight
    columns = columns.view(size, -1, width, filters).permute(2, 0, 1, 3)  # (w, k, R * h, F)
    joined = across.transpose(0, 1) @ columns.reshape(width, size, -1)  # (w, 17, R * h * F)
    joined = joined.view(width, CENTRES, len(rows), height, filters)
    return joined.permute(2, 1, 3, 0, 4).flatten(0, 1).permute(0, 3, 1, 2)  # channels last


def _windows() -> Tensor:
    """(17, 84): a spot's profile, 1 at its centre. A spot is the product of two."""
    distance = torch.arange(SIZE) - STRIDE * torch.arange(CENTRES)[:, None]
    return torch.exp(-distance.square() / (2 * SPOT**2))


def _blurring() -> Tensor:
    """(84, 84): the weights of a row's pixels in each pixel of the blurred row."""
    reach = round(4 * BLUR)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-offsets.square() / (2 * BLUR**2))
    sources = torch.arange(SIZE)[:, None] + offsets
    sources = torch.where(sources < 0, -1 - sources, sources)
    sources = torch.where(sources >= SIZE, 2 * SIZE - 1 - sources, sources)
    matrix = torch.zeros(SIZE, SIZE)
    return matrix.scatter_add_(1, sources, (weights / weights.sum()).expand(SIZE, -1))


def _stretch() -> Tensor:
    """(84, 17) weights of a linear interpolation between the two nearest centres."""
    at = (torch.arange(SIZE) / STRIDE).clamp_max(CENTRES - 1)
    return (1 - (at[:, None] - torch.arange(CENTRES)).abs()).clamp_min(0)


_WINDOWS, _BLURRING, _STRETCH = _windows(), _blurring(), _stretch()
