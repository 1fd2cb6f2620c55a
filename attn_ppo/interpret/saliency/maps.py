"""Saliency maps by several methods of the same steps; what they share is computed once.

maps_of_steps, of a recording; maps_on_pixels, stacked · saliency_maps, of a batch · on_pixels.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

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

Result = TypeVar("Result")


def maps_of_steps(
    model: ActorCritic,
    recording: Recording,
    target: Target,
    methods: Sequence[str],
    *,
    seed: int,
    steps: Sequence[int] | None = None,
) -> Iterator[dict[str, Tensor]]:
    """`saliency_maps` of `steps` of a recording, by default all, a step a processor at a time.

    A step's noise is drawn by `seed` and its number, so that its maps don't depend on what else is
    explained. A few steps are computed ahead.
    """

    def of_step(step: int) -> dict[str, Tensor]:
        obs = torch.from_numpy(recording.observations(np.array([step])))
        actions = torch.from_numpy(recording.actions[step : step + 1].astype(np.int64))
        return saliency_maps(model, obs, actions, target, methods, noise_of(seed, step))

    return in_threads(of_step, range(len(recording)) if steps is None else steps)


def maps_on_pixels(
    model: ActorCritic,
    recording: Recording,
    target: Target,
    methods: Sequence[str],
    *,
    seed: int,
    steps: Sequence[int],
) -> dict[str, np.ndarray]:
    """Each method's maps of S steps of a recording on the input's pixels: (S, F, 84, 84)."""
    found = maps_of_steps(model, recording, target, methods, seed=seed, steps=steps)
    rows = [{name: on_pixels(name, maps) for name, maps in row.items()} for row in found]
    return {name: torch.cat([row[name] for row in rows]).numpy() for name in methods}


def noise_of(seed: int, number: int) -> Generator:
    """The generator of a step's noise."""
    drawn = np.random.SeedSequence([seed, number]).generate_state(1)[0]
    return Generator().manual_seed(int(drawn))


def in_threads(function: Callable[[int], Result], steps: Sequence[int]) -> Iterator[Result]:
    """What a function gives for each step, in order, as many at a time as there are processors.

    Each has one thread: two that share a step's small layers spin at barriers, on a busy machine
    ten times as long as they compute.
    """
    workers = min(available_cpus(), MOST_WORKERS)
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, "explain", torch.set_num_threads, (1,)) as pool:
        try:
            for step in steps:
                ahead.append(pool.submit(function, step))
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
