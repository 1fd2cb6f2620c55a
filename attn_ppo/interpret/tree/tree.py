"""A relevance tree: from a target down to the input frames, and how much each node holds.

Level, LEVELS · Tree.coverage, held, level_coverage, as_dict.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Level(NamedTuple):
    """A layer: its unit at (row, column) sees `size` of the input's rows from stride * row on, and
    columns likewise."""

    name: str
    stride: int
    size: int


CONVOLUTIONS = (
    Level("convolution 3", 8, 36),
    Level("convolution 2", 8, 20),
    Level("convolution 1", 4, 8),
    Level("input frame", 4, 8),
)
MAP = Level("attention map", 8, 36)
OF_ATTENTION = (MAP, Level("attention hidden", 8, 36), *CONVOLUTIONS)
# The page knows the level of the target itself by the name "target".
OF_TARGETS = (Level("target", 0, 84), Level("cell", 8, 36), *CONVOLUTIONS)
# The roots of trees, and the levels below each. `attention_direct` sums over the attention's hidden
# units, and targets sum over the body's: of so many similar units the strongest few hold little.
LEVELS = {
    "attention": OF_ATTENTION,
    "attention_direct": (MAP, *CONVOLUTIONS),
    "log_prob": OF_TARGETS,
    "margin": OF_TARGETS,
    "value": OF_TARGETS,
}
ATTENTION_ROOTS = ("attention", "attention_direct")


@dataclass(frozen=True)
class Tree:
    """Nodes as columns, level by level, each after its parent. A child's index is its parent's
    children's rank: 0 the strongest by absolute relevance."""

    root: str  # one of LEVELS
    levels: tuple[Level, ...]
    parent: np.ndarray  # (nodes,) index of the parent, -1 at roots
    level: np.ndarray  # index into levels
    rank: np.ndarray
    channel: (
        np.ndarray
    )  # of its layer; the map at attention's roots, the action or 0 at a target's,
    # 0 at cells, the frame at input frames, of which 3 is the newest
    row: np.ndarray
    column: np.ndarray
    relevance: np.ndarray  # signed, in the target's units
    bias: np.ndarray  # the part of the relevance that goes to constants; 0 at leaves
    total: np.ndarray  # sum of |relevance| of all children, kept or not, and |bias|; 0 at leaves
    offset: float = 0.0  # the target less its root's relevance: at log_prob -H(policy), else 0

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def coverage(self) -> np.ndarray:
        """(nodes,) from 0 to 1: the share of `total` that the kept children hold. nan at leaves."""
        kept = np.zeros(len(self))
        inner = self.parent >= 0
        np.add.at(kept, self.parent[inner], np.abs(self.relevance[inner]))
        return np.divide(kept, self.total, out=np.full(len(self), np.nan), where=self.total > 0)

    @property
    def held(self) -> np.ndarray:
        """(nodes,) the share of the roots' evidence at each node, where a node's share is divided
        among its children in proportion to |relevance|."""
        share = np.abs(self.relevance)
        roots = self.parent < 0
        share[roots] /= max(share[roots].sum(), np.finfo(float).tiny)
        for i in np.flatnonzero(~roots):
            share[i] *= share[self.parent[i]] / self.total[self.parent[i]]
        return share

    @property
    def level_coverage(self) -> list[float]:
        """The share of the roots' evidence that the nodes of each level hold together."""
        return np.bincount(self.level, self.held, len(self.levels)).tolist()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: root, offset, level_coverage, and nodes nested by `children`, each with its
        level, channel, row, column, box (top, left, bottom, right; input pixels, ends excluded),
        relevance, bias, coverage (null at leaves) and held."""
        coverage, held = self.coverage, self.held
        nodes: list[dict[str, Any]] = []
        top: list[dict[str, Any]] = []
        for i in range(len(self)):
            level = self.levels[self.level[i]]
            y, x = level.stride * int(self.row[i]), level.stride * int(self.column[i])
            nodes.append(
                {
                    "level": level.name,
                    "channel": int(self.channel[i]),
                    "row": int(self.row[i]),
                    "column": int(self.column[i]),
                    "box": [y, x, y + level.size, x + level.size],
                    "relevance": float(self.relevance[i]),
                    "bias": float(self.bias[i]),
                    "coverage": None if np.isnan(coverage[i]) else float(coverage[i]),
                    "held": float(held[i]),
                    "children": [],
                }
            )
            (nodes[self.parent[i]]["children"] if self.parent[i] >= 0 else top).append(nodes[i])
        covered = dict(zip((level.name for level in self.levels), self.level_coverage, strict=True))
        whole = {"root": self.root, "offset": self.offset, "level_coverage": covered}
        return whole | {"nodes": top}
