"""Saliency maps by several methods of the same steps; what they share is computed once."""

from collections.abc import Sequence

from torch import Generator, Tensor

from attn_ppo.interpret.saliency import perturbation
from attn_ppo.interpret.saliency.gradients import (
    cells_on_pixels,
    grad_cam_cells,
    smoothgrad_and_vargrad,
)
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import Target
from attn_ppo.model import ActorCritic

BLURRED = {"perturbation_actor": "actor", "perturbation_critic": "critic", "sarfa": "sarfa"}
NOISY = ("smoothgrad", "vargrad")


def saliency_maps(
    model: ActorCritic,
    obs: Tensor,
    actions: Tensor,
    target: Target,
    methods: Sequence[str],
    rng: Generator,
) -> dict[str, Tensor]:
    """Each method's maps at their own resolution, by name of the method.

    (B, 4, 84, 84), a map for each frame; (B, 1, 17, 17) by perturbation; (B, 1, 7, 7) by Grad-CAM.
    """
    found: dict[str, Tensor] = {}
    if BLURRED.keys() & set(methods):
        blurred = perturbation.perturbation_maps(model, obs, actions)
        found |= {name: getattr(blurred, who)[:, None] for name, who in BLURRED.items()}
    if set(methods) >= set(NOISY):
        found |= zip(NOISY, smoothgrad_and_vargrad(model, obs, actions, target, rng), strict=True)
    for name in methods:
        if name == "grad_cam":
            found[name] = grad_cam_cells(model, obs, actions, target)[:, None]
        elif name not in found:
            found[name] = METHODS[name].function(model, obs, actions, target, rng)
    return {name: found[name] for name in methods}


def on_pixels(name: str, maps: Tensor) -> Tensor:
    """A method's maps at the input's resolution: (B, F, 84, 84), as its function returns them."""
    if name in BLURRED:
        return perturbation.upsample(maps[:, 0])
    return cells_on_pixels(maps[:, 0]) if name == "grad_cam" else maps
