"""The saliency maps and the trees of a whole recording, reduced to what a page can hold."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency.maps import maps_of_steps
from attn_ppo.interpret.saliency.perturbation import SIZE
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.interpret.tree.tree import Tree

LEVELS = 15  # shades either side of zero: noise of more doesn't compress, and can't be seen


class Shades(NamedTuple):
    """One method's map at one step, quantised."""

    map: np.ndarray  # (h, w) int8, from -127 to 127, covering the whole input
    scale: float  # the greatest absolute value: what 127 stands for


def shades(
    agent: OpenAgent, recording: Recording, target: str, methods: Sequence[str], *, seed: int = 0
) -> Iterator[dict[str, Shades]]:
    """Each step's maps of `target`, by method.

    The maps of the four frames are summed: the effect of a pixel that changes in all of them.
    Two by two pixels become their mean; coarser maps, 17x17 or 7x7, keep their size.
    """
    for found in maps_of_steps(agent.model, recording, TARGETS[target], methods, seed=seed):
        yield {name: _shade(_small(each)) for name, each in found.items()}


def _small(maps: Tensor) -> Tensor:
    """(1, 4, 84, 84) -> (42, 42); (1, 1, 17, 17) and (1, 1, 7, 7) as they are."""
    summed = maps.sum(1)
    return summed[0] if maps.shape[-1] < SIZE else torch.nn.functional.avg_pool2d(summed, 2)[0]


def _shade(map_: Tensor) -> Shades:
    scale = float(map_.abs().max())
    steps = (map_ * (LEVELS / scale)).round() if scale > 0 else torch.zeros_like(map_)
    return Shades((steps * (127 / LEVELS)).round().to(torch.int8).numpy(), scale)


def forest(trees: Sequence[Tree]) -> dict[str, np.ndarray]:
    """The trees of all steps, concatenated, as arrays of the page's types."""
    kinds = {
        "parent": np.int16,
        "level": np.uint8,
        "rank": np.uint8,
        "channel": np.uint16,
        "row": np.uint8,
        "column": np.uint8,
        "relevance": np.float16,
        "bias": np.float16,
        "total": np.float16,
    }
    columns = {
        name: np.concatenate([getattr(tree, name) for tree in trees]).astype(kind)
        for name, kind in kinds.items()
    }
    return {
        "counts": np.array([len(tree) for tree in trees], np.uint16),
        "offset": np.array([tree.offset for tree in trees], np.float32),
        **columns,
    }
