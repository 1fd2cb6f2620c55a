"""Whether maps depend on what the agent learned: its layers, or the action, are replaced.

randomised -> Randomised, by method · similarity, passes, follows_action. Adebayo et al. 2018,
"Sanity checks for saliency maps"; another action as by the random logits of Sixt et al. 2020.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from attn_ppo.config import AttentionSettings
from attn_ppo.interpret.believe.agreement import mean_of_known, rank_correlation
from attn_ppo.interpret.network import opened
from attn_ppo.interpret.saliency.maps import in_threads, noise_of, on_pixels, saliency_maps
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import Target
from attn_ppo.model import ActorCritic

# Layers from the outputs down, by what the names of their weights begin with.
LAYERS = {
    "heads": ("policy_head.", "value_head."),
    "body": ("body.",),
    "attention": ("attention.",),
    "conv 3": ("encoder.4.",),
    "conv 2": ("encoder.2.",),
    "conv 1": ("encoder.0.",),
}
SIMILAR = 0.5  # a method fails whose maps correlate more with those of what it should tell apart


class Randomised(NamedTuple):
    """Rank correlations over pixels of an agent's maps with those of what replaced it.

    First of the map as it is, with its sign if it has one, then of |map|; nan where a map is the
    same everywhere. L layers from the outputs down, S steps.
    """

    layers: tuple[str, ...]
    cascading: np.ndarray  # (2, L, S) all layers from the outputs to this one replaced
    independent: np.ndarray  # (2, L, S) this layer alone
    other_action: np.ndarray  # (2, S) another action explained; nan if the method explains none


class Similarity(NamedTuple):
    """The mean over steps for maps as they are, and so with their signs."""

    decision: float  # heads and body are random: what is seen is as learned, what it means isn't
    everything: float  # all layers are random
    action: float  # another action explained


def randomised(
    model: ActorCritic,
    settings: AttentionSettings,
    obs: np.ndarray,
    actions: np.ndarray,
    target: Target,
    methods: Sequence[str],
    *,
    seed: int,
) -> dict[str, Randomised]:
    """By method, of observations (S, 4, 84, 84) uint8 and actions (S,); `settings` are `model`'s.

    Each step has layers of its own in place of the agent's, drawn as for a new agent, and another
    action drawn by lot. Noise is the same before and after. `target` should depend on the action.
    """
    layers = layers_of(model)
    cascading = [layers[: at + 1] for at in range(len(layers))]  # begins with the first alone
    cases = [*cascading, *((each,) for each in layers)]

    def of_step(step: int) -> dict[str, np.ndarray]:
        def explain(explained: ActorCritic, action: int) -> dict[str, Tensor]:
            own, chosen = torch.from_numpy(obs[step : step + 1]), torch.tensor([action])
            maps = saliency_maps(explained, own, chosen, target, methods, noise_of(seed, step))
            return {name: on_pixels(name, each) for name, each in maps.items()}

        action, drawn = int(actions[step]), _another(int(actions[step]), model, [seed, step])
        new = _like(model, settings, noise_of(seed, step))
        before = explain(model, action)
        of_case = {each: explain(replaced(model, new, each), action) for each in set(cases)}
        after = [*(of_case[case] for case in cases), explain(model, drawn)]
        return {
            name: np.stack([_similarities(before[name], each[name]) for each in after], 1)
            for name in methods
        }

    rows = list(in_threads(of_step, range(len(obs))))
    columns = {name: np.stack([row[name] for row in rows], -1) for name in methods}
    return {name: _parted(name, layers, column) for name, column in columns.items()}


def layers_of(model: ActorCritic) -> tuple[str, ...]:
    """The names of LAYERS that the network has."""
    return tuple(name for name in LAYERS if name != "attention" or model.attention is not None)


def replaced(model: ActorCritic, new: ActorCritic, layers: Sequence[str]) -> ActorCritic:
    """A copy of `model` whose `layers`, names of LAYERS, are those of `new`."""
    twin = copy.deepcopy(model, {id(model.layers): model.layers})
    begin = tuple(start for name in layers for start in LAYERS[name])
    weights = {name: each for name, each in new.state_dict().items() if name.startswith(begin)}
    twin.load_state_dict(weights, strict=False)
    return twin


def similarity(found: Randomised) -> Similarity:
    """What of the maps stays.

    |map| can stay alike for a reason that is no fault of the method: where the screen is black a
    gradient times the pixel is zero, and what the attention blocks has no effect whoever decides.
    """
    cascade, at = found.cascading[0], found.layers.index("body")
    parts = (cascade[at], cascade[-1], found.other_action[0])
    return Similarity(*(float(mean_of_known(part)) for part in parts))


def passes(found: Randomised) -> bool:
    """Whether the maps change with what was learned: neither similarity is above SIMILAR."""
    stays = similarity(found)
    return stays.decision <= SIMILAR and stays.everything <= SIMILAR


def follows_action(found: Randomised) -> bool | None:
    """Whether another action has other maps; None where the method explains no action."""
    stays = similarity(found).action
    return None if np.isnan(stays) else stays <= SIMILAR


def _another(action: int, model: ActorCritic, seed: Sequence[int]) -> int:
    """An action other than this, drawn by lot."""
    others = np.delete(np.arange(model.policy_head.out_features), action)
    return int(np.random.default_rng(seed).choice(others))


def _like(model: ActorCritic, settings: AttentionSettings, rng: Generator) -> ActorCritic:
    """A new agent of the same shape."""
    return opened(ActorCritic(model.policy_head.out_features, settings, rng))


def _similarities(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Rank correlations of two maps: as they are, and of their magnitudes."""
    one, other = before.numpy().ravel(), after.numpy().ravel()
    return rank_correlation(one, other), rank_correlation(np.abs(one), np.abs(other))


def _parted(name: str, layers: tuple[str, ...], found: np.ndarray) -> Randomised:
    """(2, 2 L + 1, S) as Randomised; an action other than the explained isn't one for all."""
    other = found[:, -1]
    if METHODS[name].explains in ("policy", "value"):
        other = np.full_like(other, np.nan)
    cut = len(layers)
    return Randomised(layers, found[:, :cut], found[:, cut : 2 * cut], other)
