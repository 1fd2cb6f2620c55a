"""Welch's t of scores that are labelled in many ways at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e6  # statistic of scores that differ without any spread
Floats = NDArray[np.float64]


def welch(values: Sequence[Floats], labels: Sequence[NDArray[np.bool_]]) -> Floats:
    """(paths, looks) of Welch's t, of (2 n,) values and (paths, 2 n) labels a batch.

    Rounded, so that two permutations of one value are equal whatever order they are summed in.
    """
    n = np.cumsum([len(each) // 2 for each in values])
    first, total = _sums(values, labels), _sums(values, [np.ones_like(x[:1]) for x in labels])
    means, spreads = [], []
    for sums, squares in (first, (total[0] - first[0], total[1] - first[1])):
        means.append(sums / n)
        spreads.append((squares - sums**2 / n) / (n - 1))
    difference, error = means[0] - means[1], np.sqrt(np.maximum(sum(spreads), 0) / n)
    tiny = 1e-7 * np.sqrt(total[1] / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > tiny, difference / error, np.sign(difference) * LARGEST)
    t = np.where((error <= tiny) & (np.abs(difference) <= tiny), 0.0, t)
    return np.round(np.clip(t, -LARGEST, LARGEST).astype(np.float64), 8)


def _sums(values: Sequence[Floats], labels: Sequence[NDArray[np.bool_]]) -> tuple[Floats, Floats]:
    """Of the labelled values up to each look: the sums and the sums of squares, (paths, looks)."""
    pairs = list(zip(values, labels, strict=True))
    sums = np.stack([chosen @ each for each, chosen in pairs], axis=1)
    squares = np.stack([chosen @ each**2 for each, chosen in pairs], axis=1)
    return sums.cumsum(axis=1), squares.cumsum(axis=1)
