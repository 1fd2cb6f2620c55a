"""How maps move, and what their movement tells of an object's place.

steadiness, dwell, cells · divergence between maps · information between a map's peak and a place.

Weights are (T, 49), each step's summing to one; a peak is the number of the strongest cell, 0 to
48, of cells equally strong the first.
"""

from itertools import combinations

import numpy as np

from attn_ppo.interpret.believe import chance
from attn_ppo.interpret.receptive_field import CELLS, INPUT

ABSENT = -1


def strongest(weights: np.ndarray) -> np.ndarray:
    """(T, 49) weights -> (T,) the strongest cell of each step."""
    return weights.argmax(-1)


def steadiness(weights: np.ndarray, games: np.ndarray) -> np.ndarray:
    """(T,) cosine of a step's map and the one before it, within [0, 1]; nan at a game's start."""
    lengths = np.linalg.norm(weights, axis=1)
    cosines = (weights[1:] * weights[:-1]).sum(1) / (lengths[1:] * lengths[:-1])
    found = np.concatenate([[np.nan], cosines.clip(0, 1)])
    found[_starts(games)] = np.nan
    return found


def dwell(peaks: np.ndarray, games: np.ndarray) -> float:
    """For how many steps a cell stays the strongest, on average; a game's end cuts its stay."""
    changes = _starts(games)
    changes[1:] |= peaks[1:] != peaks[:-1]
    return float(len(peaks) / changes.sum())


def cells(peaks: np.ndarray) -> int:
    """How many cells are the strongest at some step; 1: the map never moves."""
    return len(np.unique(peaks))


def divergence(maps: np.ndarray) -> np.ndarray:
    """(T, K, 49) -> (T,) Jensen-Shannon divergence, mean over pairs of maps: nats, [0, ln 2].

    Half the sum of both maps' KL from their mean (Lin 1991); nan for a single map.
    """
    pairs = list(combinations(range(maps.shape[1]), 2))
    if not pairs:
        return np.full(len(maps), np.nan)
    found = np.zeros(len(maps))
    for one, other in pairs:
        middle = (maps[:, one] + maps[:, other]) / 2
        found += (_kl(maps[:, one], middle) + _kl(maps[:, other], middle)) / 2
    return (found / len(pairs)).clip(0, np.log(2))


def places_of(centres: np.ndarray) -> np.ndarray:
    """(..., 2) row and column of the input -> (...) which of 7x7 bins of 12 pixels; nan: ABSENT."""
    absent = np.isnan(centres).any(-1)
    rows, columns = np.moveaxis(np.nan_to_num(centres) * CELLS / INPUT, -1, 0).astype(int)
    return np.where(absent, ABSENT, CELLS * rows + columns)


def information(
    peaks: np.ndarray, where: np.ndarray, games: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mutual information of peak and place: (T,) its share of each step, (D,) of the shifts, nats.

    The mean over the steps is the mutual information, corrected for its bias: counted from few
    steps, series that have nothing to do with each other seem to have some information about each
    other, the more the slower they wander. Subtracted from all is the mean over the shifts, which
    have the same bias; the usual correction (Miller and Madow) supposes independent steps. A
    map that never moves has exactly 0. At most it is the entropy of the places, less the bias.
    Nan where the object is absent.
    """
    each = pointwise(peaks, where)
    present = where != ABSENT
    moved = [pointwise(chance.shifted(peaks, games, by)[present], where[present]) for by in shifts]
    others = np.array([chance.mean(found) for found in moved])
    bias = others.mean()
    return each - bias, others - bias


def pointwise(peaks: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(T,) log p(peak, place) / p(peak) p(place) by the counts of the steps: nats, nan if absent.

    Its mean is the mutual information as counted (plug-in); with itself, the entropy.
    """
    found = np.full(len(peaks), np.nan)
    present = where != ABSENT
    if not present.any():
        return found
    peak, place = peaks[present], where[present]
    together = peak * CELLS**2 + place
    counts = [np.bincount(series)[series] for series in (together, peak, place)]
    found[present] = np.log(counts[0] * len(peak) / (counts[1] * counts[2]))
    return found


def _starts(games: np.ndarray) -> np.ndarray:
    """(T,) whether a step is the first of its game."""
    return np.concatenate([[True], np.diff(games) != 0])


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) over the last axis, nats, of a q that is 0 nowhere that p isn't."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log(ratio)).sum(-1)
