"""What maps would reach that know nothing of an object's present place: the controls of a measure.

Maps, Controls · on_object (a measure and its controls) · shifts_of, at_shifts, held_against.

A measure is worth (T, 49): what all of a map's weight on that cell would score at that step, nan
where the measure is undefined. A map scores the mean of its weights times that. Weights are
(T, 49), each step's summing to one, the cell at row i and column j being 7 i + j.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.receptive_field import CELLS

SHIFTS = 1000  # drawn where there are several games; of a single one all are tried
ROUNDING = 1e-9  # a shift that comes so near a score is as high
Read = Callable[[np.ndarray], np.ndarray]  # weights -> those that score: `all_cells` or `peaks`


class Maps(NamedTuple):
    """A map of an agent, and others that could be in its place: weights (T, 49)."""

    own: np.ndarray
    untrained: tuple[np.ndarray, ...]  # each map of an untrained agent that sees the same
    random: np.ndarray  # each step's own weights, on other cells


class Controls(NamedTuple):
    """Scores of other maps in a measure's unit; nan where there is none."""

    uniform: float = np.nan  # all cells alike
    best: float = np.nan  # the best cell of each step: none that is attainable scores more
    fixed: float = np.nan  # the best cell that never moves, known only afterwards
    own_mean: float = np.nan  # the map's own mean over all steps, at each step
    shifted: float = np.nan  # the map at other times of its game: mean over the shifts
    shifted_low: float = np.nan  # 2.5 % of the shifts are below
    shifted_high: float = np.nan  # 2.5 % of the shifts are above
    as_high: float = np.nan  # share of the shifts that score at least as much as the map
    untrained: float = np.nan  # mean over the maps of an untrained agent
    random: float = np.nan  # each step's weights on other cells: a map of equal entropy


def on_object(
    maps: Maps, read: Read, worth: np.ndarray, games: np.ndarray, shifts: np.ndarray
) -> tuple[np.ndarray, Controls]:
    """What the own map scores at each step, (T,), nan where undefined, and the controls.

    All of them are means over the same steps. `shifts` are those of `shifts_of`.
    """
    own = read(maps.own)
    each = scores(own, worth)
    still = read(maps.own.mean(0, keepdims=True))
    return each, Controls(
        mean(worth.mean(1)),
        mean(worth.max(1)),
        max(mean(cell) for cell in worth.T),
        mean(scores(still, worth)),
        *held_against(mean(each), at_shifts(own, worth, games, shifts)),
        mean(np.array([mean(scores(read(other), worth)) for other in maps.untrained])),
        mean(scores(read(maps.random), worth)),
    )


def whole(weights: np.ndarray) -> np.ndarray:
    """(..., 49) weights >= 0 -> the same, summing to one; even where there is no weight at all."""
    total = weights.sum(-1, keepdims=True, dtype=np.float64)
    even = np.full(weights.shape, 1 / CELLS**2)
    return np.divide(weights, total, out=even, where=total > 0)


def all_cells(weights: np.ndarray) -> np.ndarray:
    """The same: each cell scores by its weight."""
    return weights


def peaks(weights: np.ndarray) -> np.ndarray:
    """(..., 49) weights -> all weight on the strongest cell; cells equally strong share it."""
    return whole(weights == weights.max(-1, keepdims=True))


def permuted(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same weights on other cells, drawn anew for each step and map: of equal entropy."""
    return rng.permuted(weights, axis=-1)


def scores(weights: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """(T, 49) or (1, 49) weights, (T, 49) worth -> (T,), nan where undefined."""
    return (weights * worth).sum(1)


def mean(values: np.ndarray) -> float:
    """Of those that are defined; nan where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan


def blocks(games: np.ndarray) -> list[slice]:
    """The steps of each game: (T,) numbers of games, one after the other -> slices."""
    starts = [0, *(np.flatnonzero(np.diff(games)) + 1).tolist(), len(games)]
    return [slice(*pair) for pair in pairwise(starts)]


def shifts_of(games: np.ndarray, rng: np.random.Generator, draws: int = SHIFTS) -> np.ndarray:
    """(D, G) by how many steps to shift each of G games in time, in a circle.

    A single game by each number of steps but 0; several by numbers drawn for each, `draws` times.

    A shift leaves a map's series and the object's as they are, and parts only what they have to
    do with each other: both still dwell, and wander slowly. To shuffle single steps would destroy
    that, as if a thousand steps were a thousand independent observations: in Breakout that made
    chance's spread three times too small. Shifts stay within a game, since the games of a
    recording differ in length and in how far the agent comes. Of independent series that change
    many times in a game, the score is above 95 % of its shifts in 5 % of cases; series that
    wander once through a game are above them more often.
    """
    lengths = np.array([steps.stop - steps.start for steps in blocks(games)])
    least = np.minimum(1, lengths - 1)  # a game of one step can't be shifted
    if len(lengths) == 1:
        return np.arange(least[0], lengths[0])[:, None]
    return rng.integers(least, lengths, size=(draws, len(lengths)))


def at_shifts(
    weights: np.ndarray, worth: np.ndarray, games: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """(D,) the mean score of a map whose games are shifted, (D, G), the object's steps staying."""
    defined = np.asarray(~np.isnan(worth).any(1))
    known = np.where(defined[:, None], worth, 0)
    totals = np.zeros(len(shifts))
    for number, steps in enumerate(blocks(games)):
        totals += _at_each_shift(weights[steps], known[steps])[shifts[:, number]]
    return totals / defined.sum() if defined.any() else np.full(len(shifts), np.nan)


def shifted(series: np.ndarray, games: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(T,) a series whose games are shifted in time, (G,), in a circle."""
    pairs = zip(blocks(games), by, strict=True)
    return np.concatenate([np.roll(series[steps], number) for steps, number in pairs])


def held_against(score: float, others: np.ndarray) -> tuple[float, float, float, float]:
    """Mean of the others' scores, their 2.5th and 97.5th percentile, the share that are as high."""
    if np.isnan(score):
        return np.nan, np.nan, np.nan, np.nan
    low, high = np.percentile(others, (2.5, 97.5))
    as_high = np.mean(others >= score - ROUNDING)
    return float(others.mean()), float(low), float(high), float(as_high)


def _at_each_shift(weights: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """(L,) sums over a game's L steps of weights, shifted by 0 .. L - 1 steps, times worth.

    That is a correlation, whose Fourier transform is a product.
    """
    spectrum = np.fft.rfft(worth, axis=0) * np.fft.rfft(weights, axis=0).conj()
    return np.fft.irfft(spectrum.sum(1), n=len(weights))
