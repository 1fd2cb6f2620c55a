"""How much maps change with what should change nothing: noise of one grey level.

sensitivity -> Sensitivity. The max-sensitivity of Yeh et al. 2019, eq. 5, over drawn noise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attn_ppo.interpret.network import see_all
from attn_ppo.interpret.saliency.maps import in_threads, noise_of, on_pixels, saliency_maps
from attn_ppo.interpret.saliency.targets import Target
from attn_ppo.model import ActorCritic

COPIES = 5


class Sensitivity(NamedTuple):
    """The greatest change over noisy copies of each step."""

    # (S,) by method, and "attention" where the agent has it: |map' - map| / |map|, L2 norms; nan
    # where the map is 0
    maps: dict[str, np.ndarray]
    kl: np.ndarray  # (S,) KL(pi || pi'), nats: how little it matters to the agent itself


def sensitivity(
    model: ActorCritic,
    obs: np.ndarray,
    actions: np.ndarray,
    target: Target,
    methods: Sequence[str],
    *,
    seed: int,
    copies: int = COPIES,
) -> Sensitivity:
    """Of observations (S, 4, 84, 84) uint8 and the actions (S,) explained.

    To each pixel -1, 0 or 1 is added, within 0 to 255, all as likely. The noise that a method
    draws itself is the same for all copies.
    """

    def of_step(step: int) -> dict[str, float]:
        shown = torch.from_numpy(noisy(obs[step], copies, np.random.default_rng([seed, step])))
        seen = see_all(model, shown)
        policy = seen.log_probs.double()
        found = {"": float((policy[0].exp() * (policy[0] - policy)).sum(-1).max().clamp_min(0))}
        if seen.attention.shape[1]:
            found["attention"] = _greatest(seen.attention.sum(1))
        chosen = torch.tensor([int(actions[step])])
        maps = [
            saliency_maps(model, each[None], chosen, target, methods, noise_of(seed, step))
            for each in shown
        ]
        return found | {
            name: _greatest(torch.cat([on_pixels(name, each[name]) for each in maps]))
            for name in methods
        }

    rows = list(in_threads(of_step, range(len(obs))))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Sensitivity({name: columns[name] for name in columns if name}, columns[""])


def noisy(obs: np.ndarray, copies: int, rng: np.random.Generator) -> np.ndarray:
    """(1 + copies, 4, 84, 84) uint8: the observation (4, 84, 84), and with noise."""
    noise = rng.integers(-1, 2, (copies, *obs.shape), dtype=np.int16)
    return np.concatenate([obs[None], (obs + noise).clip(0, 255).astype(np.uint8)])


def _greatest(maps: Tensor) -> float:
    """The greatest distance of the later maps from the first, in units of its norm."""
    norms = (maps[1:] - maps[0]).flatten(1).norm(dim=1)
    size = maps[0].norm()
    return float(norms.max() / size) if size > 0 else np.nan
