"""Where attention lies: on which objects, beside what maps that know nothing of them would reach.

looking -> rows, one for each measure of a map, or of a map and an object, with the worths of
worths_of. What the rows hold:

share             of the map's weight, spread on pixels by `receptive_field.density`, that lies on
                  the object
lift              share / the object's share of all pixels (its mean over the steps): the energy-
                  based pointing game (Wang et al. 2020) against a map that is even over pixels
seen              the object's share in the box of a cell drawn with the map's weights: wherever
                  in the box it is, such a cell sees it
hit               1 where the box of the strongest cell holds at least half of the object, else 0:
                  the pointing game (Zhang et al. 2018), of a box in place of a pixel
hit lift          hit / the share of all cells whose box does (its mean over the steps)
normalised share, normalised seen, normalised hit
                  (score - uniform) / (best - uniform) of each step, where `uniform` is what even
                  attention scores at that step and `best` what the best single cell does: 1 is
                  the best attainable, 0 no better than even attention, -48 the worst there is.
                  The best cell of a share is the most central that sees the object, as `density`
                  gives its pixels most; of what is seen each cell whose box holds the object
mutual information  of the strongest cell and the object's place, see `moving.information`
steadiness, dwell, strongest cells, divergence
                  of a map, or of all maps of the agent, without an object: see `moving`

All are undefined at steps where the object isn't on the screen, the normalised ones also where no
cell is better than another, as are the hits on an object of which no box holds half.
"""

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.believe import chance, moving
from attn_ppo.interpret.believe.chance import Controls, Maps, Read
from attn_ppo.interpret.believe.objects import Objects, box_shares, centres
from attn_ppo.interpret.receptive_field import CELLS, density_seen

HALF = 0.5  # of an object in a box, for a hit
SAME = 1e-5  # relative difference below which one cell is no better than another
BIAS_SHIFTS = 100  # at most, for the bias of the controls' mutual information
ALL = 0  # the number of `map` where a measure is of all maps together
UNDEFINED = np.empty(0)
Worths = list[list[tuple[str, Read, np.ndarray]]]  # of each object: name, read, worth (T, 49)


class Row(NamedTuple):
    """A measure of a map, mostly on an object, and what others would have."""

    map: int  # from 1; ALL of a measure of all maps together
    object: str  # empty for a measure of the map alone
    measure: str
    value: float  # nan where it is defined at no step
    defined: float  # share of the steps at which it is
    controls: Controls
    each: np.ndarray  # (T,) whose mean is the value, nan where undefined; (0,) if it is no mean


def looking(
    attention: np.ndarray,
    objects: Objects,
    games: np.ndarray,
    *,
    untrained: np.ndarray | None = None,
    worths: Worths | None = None,
    rng: np.random.Generator,
) -> list[Row]:
    """Rows of all measures: those of map 1, by objects, those of map 2 ..., those of all maps.

    `attention` (T, K, 7, 7) >= 0, of consecutive steps; a map that doesn't sum to one (the sigmoid
    gate's) is made to. `games` (T,) the number of each step's game. `untrained` (T, U, 7, 7): what
    untrained agents make of the same observations. `worths`: of some measures, or made before; by
    default of all. `rng` draws shifts in time and random maps.
    No rows without a map.
    """
    weights = _cells(attention)
    others = None if untrained is None else _cells(untrained)
    random = chance.permuted(weights, rng)
    shifts = chance.shifts_of(games, rng)
    where = moving.places_of(centres(objects))
    worths = worths_of(objects) if worths is None else worths
    rows = []
    for number in range(weights.shape[1]):
        maps = Maps(
            weights[:, number],
            () if others is None else tuple(others.swapaxes(0, 1)),
            random[:, number],
        )
        rows += list(_alone(number + 1, maps, games))
        for name, places, measures in zip(objects.names, where.T, worths, strict=True):
            for measure, read, worth in measures:
                each, controls = chance.on_object(maps, read, worth, games, shifts)
                rows.append(_row(number + 1, name, measure, each, controls))
            each, controls = _information(maps, places, games, shifts)
            rows.append(_row(number + 1, name, "mutual information", each, controls))
    if weights.shape[1] > 1:
        rows.append(_divergence(weights, others, random))
    return rows


def worths_of(objects: Objects, measures: Container[str] | None = None) -> Worths:
    """What each object's measures read of any map; of these names, or all."""
    every = (worth_of(objects.coverage[:, number]) for number in range(len(objects.names)))
    return [[row for row in rows if measures is None or row[0] in measures] for rows in every]


def worth_of(coverage: np.ndarray) -> Iterator[tuple[str, Read, np.ndarray]]:
    """(T, 84, 84) uint8 coverage of an object -> its measures: name, read, worth (T, 49)."""
    seen = box_shares(coverage).astype(np.float64)  # nan where the object isn't on the screen
    absent = np.isnan(seen)
    pixels = coverage / np.float32(255)
    share = np.where(absent, np.nan, density_seen(pixels).reshape(seen.shape).astype(np.float64))
    hit = np.where(absent, np.nan, seen >= HALF)
    area = chance.mean(np.where(absent[:, 0], np.nan, pixels.mean((1, 2), dtype=np.float64)))
    even = chance.mean(hit) or np.nan
    yield "share", chance.all_cells, share
    yield "lift", chance.all_cells, share / area
    yield "normalised share", chance.all_cells, normalised(share)
    yield "seen", chance.all_cells, seen
    yield "normalised seen", chance.all_cells, normalised(seen)
    yield "hit", chance.peaks, hit
    yield "hit lift", chance.peaks, hit / even
    yield "normalised hit", chance.peaks, normalised(hit)


def normalised(worth: np.ndarray) -> np.ndarray:
    """(T, 49) -> (worth - its mean) / (its greatest - its mean), within [-48, 1].

    Nan where all cells are alike.
    """
    uniform, best = worth.mean(1, keepdims=True), worth.max(1, keepdims=True)
    room = best - uniform
    return (worth - uniform) / np.where(room > SAME * best, room, np.nan)


def _information(
    maps: Maps, places: np.ndarray, games: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, Controls]:
    """Mutual information of the peak with the places, (T,); of one that never moves it is 0."""
    each, moved = moving.information(moving.strongest(maps.own), places, games, shifts)
    if np.isnan(each).all():
        return each, Controls()
    few = shifts[:: -(-len(shifts) // BIAS_SHIFTS)]

    def other(weights: np.ndarray) -> float:
        return chance.mean(moving.information(moving.strongest(weights), places, games, few)[0])

    return each, Controls(
        0.0,
        chance.mean(moving.pointwise(places, places)),  # entropy of the places
        0.0,
        0.0,
        *chance.held_against(chance.mean(each), moved),
        chance.mean(np.array([other(weights) for weights in maps.untrained])),
        other(maps.random),
    )


def _alone(number: int, maps: Maps, games: np.ndarray) -> Iterator[Row]:
    """What is told of a map without an object."""
    steady = _beside(maps, lambda weights: chance.mean(moving.steadiness(weights, games)))
    each = moving.steadiness(maps.own, games)
    yield _row(number, "", "steadiness", each, steady)
    measures = {
        "dwell": lambda weights: moving.dwell(moving.strongest(weights), games),
        "strongest cells": lambda weights: float(moving.cells(moving.strongest(weights))),
    }
    for name, measure in measures.items():
        value = measure(maps.own)
        yield Row(number, "", name, value, 1.0, _beside(maps, measure), UNDEFINED)


def _beside(maps: Maps, measure) -> Controls:
    untrained = np.array([measure(weights) for weights in maps.untrained])
    return Controls(untrained=chance.mean(untrained), random=measure(maps.random))


def _divergence(weights: np.ndarray, untrained: np.ndarray | None, random: np.ndarray) -> Row:
    other = np.nan if untrained is None else chance.mean(moving.divergence(untrained))
    controls = Controls(untrained=other, random=chance.mean(moving.divergence(random)))
    return _row(ALL, "", "divergence", moving.divergence(weights), controls)


def _row(number: int, name: str, measure: str, each: np.ndarray, controls: Controls) -> Row:
    defined = float(1 - np.isnan(each).mean())
    return Row(number, name, measure, chance.mean(each), defined, controls, each)


def _cells(attention: np.ndarray) -> np.ndarray:
    """(T, K, 7, 7) -> (T, K, 49), each map summing to one."""
    return chance.whole(attention.reshape(*attention.shape[:2], CELLS**2))
