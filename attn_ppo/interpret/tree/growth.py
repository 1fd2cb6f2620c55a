"""How a relevance tree grows: each node's strongest inputs are kept, the others only summed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


class Layer(NamedTuple):
    """Units of one layer that are being traced further down, as columns (P,)."""

    channel: np.ndarray
    row: np.ndarray
    column: np.ndarray
    slope: np.ndarray  # derivative of the target by the unit's activation, along the path
    index: np.ndarray  # of their nodes


class Growth:
    """The nodes so far, as the columns of a Tree."""

    def __init__(self, n: int):
        self.n = n
        names = ("parent", "level", "rank", "channel", "row", "column")
        self._whole: dict[str, list[np.ndarray]] = {name: [] for name in names}
        self._relevance: list[np.ndarray] = []
        self._sums: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._size = 0

    def add(
        self,
        parent: Any,
        level: int,
        rank: np.ndarray,
        channel: np.ndarray,
        row: np.ndarray,
        column: np.ndarray,
        relevance: np.ndarray,
    ) -> np.ndarray:
        """Adds a node for each of `rank`; returns their indices. `parent` is -1 for roots."""
        columns = (parent, level, rank, channel, row, column)
        for store, values in zip(self._whole.values(), columns, strict=True):
            store.append(np.broadcast_to(np.asarray(values, np.int64), rank.shape))
        self._relevance.append(relevance)
        self._size += len(rank)
        return np.arange(self._size - len(rank), self._size)

    def close(self, index: np.ndarray, bias: np.ndarray, children: np.ndarray) -> None:
        """Records the part that goes to constants, and |relevance| summed over all inputs."""
        self._sums.append((index, bias, children + np.abs(bias)))

    def strongest(
        self, index: np.ndarray, inputs: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n strongest by absolute relevance, without zeros, of each node's inputs (P, C).

        Returns, as columns (Q,), the input, the node's position among the P, and the rank.
        """
        size = np.abs(inputs)
        self.close(index, bias, size.sum(1))
        n = min(self.n, inputs.shape[1])
        best = np.argpartition(-size, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(size, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        place, rank = np.nonzero(np.take_along_axis(size, best, 1) > 0)
        return best[place, rank], place, rank

    def through(
        self,
        layer: Layer,
        level: int,
        below: np.ndarray,
        weight: np.ndarray,
        bias: np.ndarray,
        stride: int,
    ) -> Layer:
        """The strongest inputs, in (in, H, W) `below`, of units of a convolution (out, in, k, k).

        Where these are the input's pixels, each frame's are summed over the whole window.
        """
        size = weight.shape[-1]
        windows = sliding_window_view(below, (size, size), (1, 2))
        seen = windows[:, stride * layer.row, stride * layer.column].swapaxes(0, 1)
        slopes = weight[layer.channel] * layer.slope[:, None, None, None]
        relevance, constant = slopes * seen, layer.slope * bias[layer.channel]
        if len(below) == 4:
            inputs = relevance.sum((2, 3))
            frame, place, rank = self.strongest(layer.index, inputs, constant)
            row, column, slope = layer.row[place], layer.column[place], np.zeros(len(place))
            channel, relevance = frame, inputs[place, frame]
        else:
            inputs = relevance.reshape(len(relevance), int(np.prod(weight.shape[1:])))
            flat, place, rank = self.strongest(layer.index, inputs, constant)
            channel, i, j = np.unravel_index(flat, weight.shape[1:])
            row, column = stride * layer.row[place] + i, stride * layer.column[place] + j
            slope = slopes[place, channel, i, j]
            relevance = inputs[place, flat]
        index = self.add(layer.index[place], level, rank, channel, row, column, relevance)
        return Layer(channel, row, column, slope, index)

    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of a Tree, by name."""
        arrays = {name: np.concatenate(parts) for name, parts in self._whole.items()}
        bias, total = np.zeros(self._size), np.zeros(self._size)
        for index, constant, children in self._sums:
            bias[index], total[index] = constant, children
        return arrays | {"relevance": np.concatenate(self._relevance), "bias": bias, "total": total}
