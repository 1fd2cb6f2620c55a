"""A game's objects for a page: where they are, the attention on each, how much each matters.

steps_to_measure, measure -> Measured · packed, about.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.cause import by_object, causes
from attn_ppo.interpret.believe.edits import EDITS
from attn_ppo.interpret.believe.object_tables import TABLES
from attn_ppo.interpret.believe.objects import Objects, find_objects, present
from attn_ppo.interpret.believe.replay import Replay, can_branch
from attn_ppo.interpret.believe.sampling import sample_steps
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.receptive_field import density_seen

HALF = 2  # a pixel counts as an object's from 1 / HALF of what its most covered pixel has


class Measured(NamedTuple):
    """C objects at T steps. NaN where an object isn't on the screen."""

    names: tuple[str, ...]
    method: str  # by which they were found
    coverage: np.ndarray  # (T, C, 84, 84) uint8, 255 times the share of a pixel that is covered
    share: np.ndarray  # (T, K, C) of each map's weight that lies on an object
    chance: np.ndarray  # (T, K, C) the same of the map's mean over the recording
    even: np.ndarray  # (T, C) the same of even attention
    importance: np.ndarray  # (T, C) nats, NaN also where it wasn't or can't be measured


def measure(
    agent: OpenAgent, recording: Recording, steps: Sequence[int], on_step: Callable[[], object]
) -> Measured | None:
    """What a recording shows of its game's objects; None where the game's aren't known.

    Their importance is measured at `steps`, after each of which `on_step` is called.
    """
    game = recording.about.game
    if game not in TABLES:
        return None
    replay = Replay(recording, agent.settings.protocol, steps)
    objects = find_objects(game, recording.screens, replay.ram)
    importance = np.full(objects.coverage.shape[:2], np.nan)
    for step in steps:
        named, found = by_object(causes(agent, recording, replay, [step], EDITS.get(game, ())))
        for name, value in zip(named, found[0], strict=True):
            importance[step, objects.names.index(name)] = np.maximum(value, 0)  # rounding
        on_step()
    return with_attention(objects, recording.attention, importance)


def steps_to_measure(recording: Recording, count: int) -> list[int]:
    """At most `count` steps, by a rule; none where no objects are known or none can be edited."""
    known = recording.about.game in TABLES and can_branch(recording).any()
    return sample_steps(recording, count, seed=0).tolist() if count and known else []


def with_attention(objects: Objects, attention: np.ndarray, importance: np.ndarray) -> Measured:
    """The objects with the share of each map of `attention` (T, K, 7, 7) that lies on them.

    `importance` (T, C). A map that doesn't sum to one, the sigmoid gate's, is made to.
    """
    each = (objects.coverage[:, number] for number in range(len(objects.names)))
    seen = np.stack([density_seen(one / np.float32(255)) for one in each], 1)  # (T, C, 7, 7)
    seen[~present(objects)] = np.nan
    totals = attention.sum((2, 3), keepdims=True)
    weights = attention / np.maximum(totals, np.finfo(np.float32).tiny)
    share = np.einsum("tkij,tcij->tkc", weights, seen)
    chance = np.einsum("kij,tcij->tkc", weights.mean(0), seen)
    even = seen.mean((2, 3))
    return Measured(
        objects.names, objects.method, objects.coverage, share, chance, even, importance
    )


def packed(measured: Measured) -> dict[str, np.ndarray]:
    """The arrays of web/FORMAT.md."""
    numbers = ("share", "chance", "even", "importance")
    arrays = {name: getattr(measured, name).astype(np.float32) for name in numbers}
    return {"masks": masks(measured.coverage), **arrays}


def about(measured: Measured | None) -> dict[str, Any] | None:
    """The header's part of them."""
    if measured is None:
        return None
    steps = int(np.isfinite(measured.importance).any(1).sum())
    return {"names": list(measured.names), "method": measured.method, "steps": steps}


def masks(coverage: np.ndarray) -> np.ndarray:
    """(T, C, 84, 84) uint8 -> (T, C, 882) uint8, a bit a pixel: whether an object is there.

    The smallest cover no pixel by half: the measure is the object's own most covered pixel.
    """
    most = coverage.max((2, 3), keepdims=True).astype(int)
    there = (HALF * coverage.astype(int) >= most) & (most > 0)
    return np.packbits(there.reshape(*coverage.shape[:2], -1), axis=-1)
