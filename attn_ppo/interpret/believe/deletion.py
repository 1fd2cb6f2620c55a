"""What becomes of policy and value as parts of the screen are replaced, those a map ranks first.

other_moments, blurred: what replaces them · orders_of · curves -> Curves · areas -> Areas: how
much an order beats chance. RISE (Petsiuk et al. 2018) has the same curves with a grey or blurred
fill.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from attn_ppo.interpret.believe.agreement import PATCH, patches
from attn_ppo.interpret.network import see_all
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency.perturbation import blur
from attn_ppo.model import ActorCritic

FRACTIONS = (0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1)  # of all patches; from none to all
SIDE = 84 // PATCH  # patches a side
RANDOM = tuple(f"random {number}" for number in range(4))  # their mean is the chance level
APART = 25  # steps between an observation and the one that fills it


class Curves(NamedTuple):
    """Policy and value against the fraction of patches replaced, by order, step and fraction."""

    orders: tuple[str, ...]  # N
    inserting: bool  # the observation's patches into the fill, not the fill's into it
    probability: np.ndarray  # (N, S, X) of the action explained
    kl: np.ndarray  # (N, S, X) KL(pi || pi of what is shown), nats
    value: np.ndarray  # (N, S, X) |change| of the value, clipped rewards


class Areas(NamedTuple):
    """Areas between an order's curves and the mean of the random ones: above zero beats chance.

    Above zero where deletion drives the agent away sooner, or insertion brings it back sooner.
    """

    probability: np.ndarray  # (S,) within [-1, 1]
    kl: np.ndarray  # (S,) nats
    value: np.ndarray  # (S,) clipped rewards


def other_moments(recording: Recording, steps: np.ndarray, *, seed: int) -> np.ndarray:
    """(S, 4, 84, 84) uint8: for each step what the same agent saw at another one, drawn by lot.

    So each pixel shows what it shows in play, though not together with its neighbours. From
    another game or at least APART steps away; where there is none, from as far away as there is.
    """
    rng = np.random.default_rng(seed)
    every = np.arange(len(recording))
    chosen = []
    for step in steps:
        away = np.where(recording.games == recording.games[step], np.abs(every - step), APART)
        away = np.minimum(away, APART) * (recording.filled == 4)
        chosen.append(rng.choice(every[away == away.max()]))
    return recording.observations(np.array(chosen))


def blurred(obs: np.ndarray) -> np.ndarray:
    """(S, 4, 84, 84) uint8: the observations blurred as by the perturbation methods."""
    return blur(torch.from_numpy(obs).float()).round().clamp(0, 255).byte().numpy()


def orders_of(maps: Mapping[str, np.ndarray], *, seed: int) -> dict[str, np.ndarray]:
    """(S, 196) for each map: the numbers of the 6x6 patches by rows, of most |map| first.

    And the orders that know no map: RANDOM, centre-first, edge-first. Patches that tie are in an
    order drawn by lot: one by rows would favour the score.
    """
    rng = np.random.default_rng(seed)
    scores = {name: patches(each).reshape(len(each), -1) for name, each in maps.items()}
    steps = len(next(iter(scores.values())))
    offsets = np.arange(SIDE) - (SIDE - 1) / 2
    distance = np.tile(np.hypot(offsets[:, None], offsets).ravel(), (steps, 1))
    scores |= {name: np.zeros_like(distance) for name in RANDOM}
    scores |= {"centre": -distance, "edge": distance}
    return {name: np.lexsort((rng.random(each.shape), -each)) for name, each in scores.items()}


def curves(
    model: ActorCritic,
    obs: np.ndarray,
    fills: np.ndarray,
    actions: np.ndarray,
    orders: Mapping[str, np.ndarray],
    *,
    inserting: bool = False,
) -> Curves:
    """Replaces FRACTIONS of each observation (S, 4, 84, 84) uint8, all four frames alike.

    `fills` are as `obs`, `actions` (S,) those explained, `orders` as `orders_of` gives them. Where
    `inserting`, it begins with the fill and puts the observation's patches into it.
    """
    columns = []
    for step, action in enumerate(actions):
        order = np.stack([each[step] for each in orders.values()])
        pair = (fills[step], obs[step]) if inserting else (obs[step], fills[step])
        shown = np.concatenate([obs[step : step + 1], np.stack(pair), _mixed(*pair, order)])
        columns.append(_effects(model, shown, int(action), len(order)))
    return Curves(tuple(orders), inserting, *np.stack(columns, 2))


def areas(found: Curves) -> dict[str, Areas]:
    """The areas of each order but the random ones."""
    chance = [found.orders.index(name) for name in RANDOM]
    better = {"probability": -1, "kl": 1, "value": 1}  # the sign of what deletion should do
    by_measure = {}
    for name, sign in better.items():
        values = getattr(found, name)
        excess = np.trapezoid(values - values[chance].mean(0), FRACTIONS, axis=-1)
        by_measure[name] = -sign * excess if found.inserting else sign * excess
    return {
        name: Areas(**{measure: each[at] for measure, each in by_measure.items()})
        for at, name in enumerate(found.orders)
        if name not in RANDOM
    }


def _mixed(under: np.ndarray, over: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(N * (X - 2), 4, 84, 84): `over` in the first patches of each order (N, 196), else `under`.

    One for each fraction but the first and the last, at which all orders agree.
    """
    place = np.argsort(order)  # of each patch in its order
    counts = np.rint(np.array(FRACTIONS[1:-1]) * SIDE**2)
    mask = (place[:, None] < counts[:, None]).reshape(-1, 1, SIDE, 1, SIDE, 1)
    mask = np.broadcast_to(mask, (len(mask), 1, SIDE, PATCH, SIDE, PATCH))
    return np.where(mask.reshape(-1, 1, *under.shape[1:]), over, under)


def _effects(model: ActorCritic, shown: np.ndarray, action: int, orders: int) -> np.ndarray:
    """(3, N, X) probability, KL and change of value: of what is `shown` after the observation.

    `shown` are the observation, the first and the last of each curve, and what is between.
    """
    seen = see_all(model, torch.from_numpy(shown))
    policy, value = seen.log_probs.double().numpy(), seen.value.double().numpy()
    kl = (np.exp(policy[0]) * (policy[0] - policy)).sum(-1)
    effects = np.stack([np.exp(policy[:, action]), kl, np.abs(value - value[0])])[:, 1:]
    first, last, between = effects[:, :1], effects[:, 1:2], effects[:, 2:]
    ends = [np.broadcast_to(each[:, None], (3, orders, 1)) for each in (first, last)]
    return np.concatenate([ends[0], between.reshape(3, orders, -1), ends[1]], -1)
