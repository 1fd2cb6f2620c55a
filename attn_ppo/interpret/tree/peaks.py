"""The peaks of a small map, by topographic prominence."""

from typing import NamedTuple

import numpy as np

STANDS_OUT = 0.05  # of the highest peak's prominence


class Peak(NamedTuple):
    """A cell higher than its neighbours."""

    row: int
    column: int
    height: float
    prominence: float


def peaks(heights: np.ndarray, most: int) -> list[Peak]:
    """At most `most` peaks of (H, W) heights, the most prominent first; none on a flat map.

    Prominence is topographic: how far one must go down from a peak, over the eight neighbours,
    before one can go up to a higher one; from the highest, down to the lowest cell. It is the
    persistence of the peak as the level falls (Edelsbrunner et al. 2002), so that a shoulder of a
    peak is none, however high. Of neighbours equally high the first is the peak. Peaks below
    STANDS_OUT of the most prominent are left out.
    """
    columns = heights.shape[1]
    owner: dict[tuple[int, int], Peak] = {}  # cell -> the peak of the island it is on
    islands: dict[Peak, list[tuple[int, int]]] = {}
    found: list[Peak] = []
    for flat in np.argsort(-heights, axis=None, kind="stable"):
        row, column = divmod(int(flat), columns)
        level = float(heights[row, column])
        around = {owner[cell] for cell in _neighbours(row, column) if cell in owner}
        first, *drowned = sorted(around, key=lambda peak: -peak.height) or [
            Peak(row, column, level, 0)
        ]
        cells = islands.setdefault(first, [])
        for peak in drowned:  # two islands meet here: the lower peak's ends
            found.append(peak._replace(prominence=peak.height - level))
            cells += islands.pop(peak)
        cells.append((row, column))
        owner |= dict.fromkeys(cells, first)
    lowest = float(heights.min())
    found += [peak._replace(prominence=peak.height - lowest) for peak in islands]
    found.sort(key=lambda peak: (-peak.prominence, -peak.height, peak.row, peak.column))
    least = STANDS_OUT * found[0].prominence
    return [peak for peak in found[:most] if peak.prominence > 0 and peak.prominence >= least]


def _neighbours(row: int, column: int) -> list[tuple[int, int]]:
    return [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
