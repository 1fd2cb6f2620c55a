"""The saliency methods: METHODS, a dict of functions with what their maps mean.

All take (model, obs (B, 4, 84, 84) uint8, actions (B,), target, rng) and return (B, F, 84, 84)
float32: F = 4, a map for each frame, newest last, or F = 1, one for all. They leave the model
as it was. Pixels are from 0 to 255, and gradients are per grey level.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Generator, Tensor

from attn_ppo.interpret.saliency.gradients import (
    grad_cam,
    gradient,
    gradient_x_input,
    guided_backprop,
    integrated_gradients,
    smoothgrad,
    vargrad,
)
from attn_ppo.interpret.saliency.perturbation import perturbation_actor, perturbation_critic, sarfa
from attn_ppo.interpret.saliency.targets import Target
from attn_ppo.model import ActorCritic

# What full colour stands for at least. Targets are in nats or in clipped rewards, of which a tenth
# is next to nothing: the effect of a pixel over all grey levels, or of a blurred spot. A pixel's
# part of a sum over thousands counts from a hundredth on. An untrained agent's maps are hundreds of
# times fainter.
EFFECT, PART = 0.1, 0.01
SLOPE = EFFECT / 255  # per grey level


class Method(NamedTuple):
    """A saliency method, and what is needed to read its maps."""

    function: Callable[[ActorCritic, Tensor, Tensor, Target, Generator], Tensor]
    about: str  # what sign and scale mean
    signed: bool  # whether maps can be below zero
    least: float  # what full colour stands for at least, in the maps' unit
    frames: int = 4  # maps an observation: one for each frame, or one for all
    explains: str | None = None  # what it explains whatever the target; None: the target


METHODS: dict[str, Method] = {
    "gradient": Method(
        gradient,
        signed=True,
        least=SLOPE,
        about="Above zero where a brighter pixel would raise the target, below where it would "
        "lower it; in target per grey level.",
    ),
    "gradient_x_input": Method(
        gradient_x_input,
        signed=True,
        least=PART,
        about="The gradient times the pixel: above zero where what is bright raises the target, "
        "zero on black; in units of the target.",
    ),
    "smoothgrad": Method(
        smoothgrad,
        signed=True,
        least=SLOPE,
        about="The mean gradient over 50 noisy copies of the screen, signed like the gradient; in "
        "target per grey level.",
    ),
    "vargrad": Method(
        vargrad,
        signed=False,
        least=SLOPE**2,
        about="How much the gradient varies over 50 noisy copies of the screen: where the agent is "
        "not linear, whatever the sign; in squared target per squared grey level.",
    ),
    "integrated_gradients": Method(
        integrated_gradients,
        signed=True,
        least=PART,
        about="What each pixel adds to the target, compared with a black screen: the pixels of all "
        "four frames sum to the difference; in units of the target.",
    ),
    "guided_backprop": Method(
        guided_backprop,
        signed=True,
        least=SLOPE,
        about="The gradient along paths that raise the target only: sharp, but it hardly depends "
        "on what the agent has learned; in target per grey level.",
    ),
    "grad_cam": Method(
        grad_cam,
        signed=False,
        least=PART,
        frames=1,
        about="The last convolution's features that raise the target, spread over the 36x36 pixels "
        "that each sees; in units of the target.",
    ),
    "perturbation_actor": Method(
        perturbation_actor,
        signed=False,
        least=EFFECT**2 / 2,
        frames=1,
        explains="policy",
        about="How far the policy's logits move when the spot around a pixel is blurred: half the "
        "squared distance.",
    ),
    "perturbation_critic": Method(
        perturbation_critic,
        signed=False,
        least=EFFECT**2 / 2,
        frames=1,
        explains="value",
        about="How far the value moves when the spot around a pixel is blurred: half the square, "
        "in clipped rewards squared.",
    ),
    "sarfa": Method(
        sarfa,
        signed=False,
        least=EFFECT / 2,
        frames=1,
        explains="action",
        about="From 0 to 1: how much of the chosen action's probability is lost when the spot "
        "around a pixel is blurred while the other actions' odds among themselves stay.",
    ),
}
