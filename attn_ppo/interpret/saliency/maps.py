"""Saliency maps by several methods of the same steps; what they share is computed once.

maps_of_steps, of a recording · saliency_maps, of a batch · on_pixels.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Generator, Tensor

from attn_ppo.compute.devices import available_cpus
from attn_ppo.interpret.play.recording import Recording
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
MOST_WORKERS = 16  # more would wait for the interpreter


def maps_of_steps(
    model: ActorCritic, recording: Recording, target: Target, methods: Sequence[str], *, seed: int
) -> Iterator[dict[str, Tensor]]:
    """`saliency_maps` of each step of a recording, in order, a step a processor at a time.

    Each step has one thread: two that share a step's small layers spin at barriers, on a busy
    machine ten times as long as they compute. Its noise is drawn by `seed` and its number, so that
    its maps don't depend on what else is explained. A few steps are computed ahead.
    """

    def of_step(step: int) -> dict[str, Tensor]:
        drawn = np.random.SeedSequence([seed, step]).generate_state(1)[0]
        rng = Generator().manual_seed(int(drawn))
        obs = torch.from_numpy(recording.observations(np.array([step])))
        actions = torch.from_numpy(recording.actions[step : step + 1].astype(np.int64))
        return saliency_maps(model, obs, actions, target, methods, rng)

    workers = min(available_cpus(), MOST_WORKERS)
    ahead: deque[Future[dict[str, Tensor]]] = deque()
    with ThreadPoolExecutor(workers, "explain", torch.set_num_threads, (1,)) as pool:
        try:
            for step in range(len(recording)):
                ahead.append(pool.submit(of_step, step))
                if len(ahead) > workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


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
