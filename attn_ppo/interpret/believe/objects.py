"""Where the objects of a game are: their pixels on the screen, and on the network's input.

Objects · find_objects, screen_masks · present, centres, box_shares, stacked.

A mask holds the pixels at which an object can be seen, and no others. A recorded screen shows each
pixel's brighter value of the last two emulator frames, so that a moving object is seen, and
covered, at both of its places; one that flickers and is in neither frame is absent at that step.
"""

from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.believe.object_tables import TABLES
from attn_ppo.interpret.believe.object_tables.moving import moving
from attn_ppo.interpret.believe.object_tables.pixels import Find
from attn_ppo.interpret.play.screens import shrinking
from attn_ppo.interpret.receptive_field import INPUT, box_sums
from attn_ppo.schema import check_choice

KNOWN, MOTION = METHODS = ("palette and memory", "motion")
AT_ONCE = 64  # steps: masks on the screen are large


class Objects(NamedTuple):
    """What a recording shows of each of C classes of objects, in the newest frame of T steps."""

    names: tuple[str, ...]
    coverage: np.ndarray  # (T, C, 84, 84) uint8, 255 times the share of a pixel that is covered
    method: str  # one of METHODS


def find_objects(
    game: str, screens: np.ndarray, ram: np.ndarray, *, method: str | None = None
) -> Objects:
    """The objects on `screens` (T, H, W), palette indices, with the game's memory `ram` (T, 128).

    By default games in TABLES are read by "palette and memory". In others "motion" finds one class
    only, "moving": what differs from the background, and can't say what it is.
    Raises ConfigError for a method that the game doesn't have.
    """
    find, method = _finder(game, screens, method)
    names = tuple(find(screens[:0], ram[:0]))
    rows, columns = (shrinking(size).astype(np.float32) for size in screens.shape[1:])
    coverage = np.empty((len(screens), len(names), INPUT, INPUT), np.uint8)
    for first in range(0, len(screens), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        masks = np.stack(list(find(screens[part], ram[part]).values()), 1)
        coverage[part] = np.rint(255 * (rows @ masks.astype(np.float32) @ columns.T))
    return Objects(names, coverage, method)


def screen_masks(
    game: str, screens: np.ndarray, ram: np.ndarray, *, method: str | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of the C classes and (T, C, H, W) bool, which pixels of a screen show them.

    For a few steps: takes C times the memory of `screens`. Arguments as of `find_objects`.
    """
    find, _ = _finder(game, screens, method)
    found = find(screens, ram)
    return tuple(found), np.stack(list(found.values()), 1)


def present(objects: Objects) -> np.ndarray:
    """(T, C) whether an object is seen in the newest frame."""
    return np.asarray(objects.coverage.any((-2, -1)))


def centres(objects: Objects) -> np.ndarray:
    """(T, C, 2) row and column of an object's centre of mass, in pixels of the input from 0 to 84.

    The input's first pixel reaches from 0 to 1. NaN where the object isn't seen.
    """
    down, across = objects.coverage.sum(-1, dtype=float), objects.coverage.sum(-2, dtype=float)
    middles = np.arange(INPUT) + 0.5
    sums = np.stack([down @ middles, across @ middles], -1)
    return _divided(sums, down.sum(-1)[..., None])


def box_shares(coverage: np.ndarray) -> np.ndarray:
    """(..., 84, 84) coverage -> (..., 49): the share of it in the box that each cell sees.

    Within [0, 1], of cell 7 * row + column. NaN where nothing is covered.
    """
    sums = box_sums(coverage.astype(np.float32))
    flat = sums.reshape(*sums.shape[:-2], -1)
    return _divided(flat, coverage.sum((-2, -1), dtype=np.float32)[..., None])


def stacked(
    coverage: np.ndarray, filled: np.ndarray, steps: np.ndarray | None = None
) -> np.ndarray:
    """(S, C, 4, 84, 84) uint8: coverage in all four frames of the input, by default at all steps.

    `coverage` is (T, C, 84, 84), `filled` the recording's; as in `Recording.observations` frames
    before the game's first are empty.
    """
    steps = np.arange(len(coverage)) if steps is None else np.asarray(steps)
    age = 3 - np.arange(4)  # the newest frame is the last
    stacks = coverage[np.maximum(steps[:, None] - age, 0)]
    stacks[age >= filled[steps, None]] = 0
    return stacks.swapaxes(1, 2)


def _finder(game: str, screens: np.ndarray, method: str | None) -> tuple[Find, str]:
    methods = METHODS if game in TABLES else (MOTION,)
    method = check_choice("method", methods[0] if method is None else method, methods)
    return (TABLES[game] if method == KNOWN else moving(screens)), method


def _divided(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where `whole` is 0."""
    return np.divide(parts, whole, out=np.full_like(parts, np.nan), where=whole > 0)
