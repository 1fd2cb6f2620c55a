"""Whether two run folders hold the same run, bit by bit, clocks apart."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attn_ppo.lifecycle import checkpoint

CLOCKS = {"env_steps_per_second", "elapsed_seconds"}
# a checkpoint's own clock, the tables' lengths that follow from printed clocks, W&B's name of it
APART = {"elapsed_seconds", "sizes", "wandb_id"}


def difference(ours: Path, theirs: Path) -> str | None:
    """The first difference between two finished runs; None where there is none."""
    found = rows_differ(ours, theirs)
    for name in ("episodes.csv", "evaluation.json"):
        there = [(run / name).exists() for run in (ours, theirs)]
        if there[0] != there[1]:
            found = found or f"{name} is there in only one"
        elif there[0] and (ours / name).read_bytes() != (theirs / name).read_bytes():
            found = found or name
    kept = ({p.name: p.read_bytes() for p in run.glob("milestones/*")} for run in (ours, theirs))
    found = found or _differs("milestones", *kept)
    states = (checkpoint.load(run) for run in (ours, theirs))
    return found or _differs("checkpoint", *states)


def rows_differ(ours: Path, theirs: Path, *, so_far: bool = False) -> str | None:
    """The first row of metrics.csv that differs; with `so_far` ours may have fewer."""
    for number, pair in enumerate(zip_longest(_rows(ours), _rows(theirs))):
        if pair[0] != pair[1] and not (so_far and pair[0] is None):
            return f"row {number} of metrics.csv: {pair[0]} and {pair[1]}"
    return None


def _rows(run: Path) -> list[tuple[str, ...]]:
    """The whole rows of metrics.csv, as text, without clocks."""
    lines = [line.split(",") for line in (run / "metrics.csv").read_text().split("\n")[:-1]]
    kept = [i for i, name in enumerate(lines[0]) if name not in CLOCKS]
    return [tuple(cells[i] for i in kept) for cells in lines if len(cells) == len(lines[0])]


def _differs(where: str, ours: Any, theirs: Any) -> str | None:
    if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
        return None if torch.equal(ours, theirs) else where
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        if ours.keys() != theirs.keys():
            return f"keys of {where}"
        pairs = ((f"{where}.{key}", ours[key], theirs[key]) for key in ours if key not in APART)
    elif isinstance(ours, Sequence) and not isinstance(ours, (str, bytes)):
        if len(ours) != len(theirs):
            return f"length of {where}"
        numbered = enumerate(zip(ours, theirs, strict=True))
        pairs = ((f"{where}[{i}]", *pair) for i, pair in numbered)
    elif isinstance(ours, bytes):  # whole files, whose content says little
        return None if ours == theirs else where
    else:
        return None if ours == theirs else f"{where}: {ours} and {theirs}"
    return next((found for pair in pairs if (found := _differs(*pair))), None)
