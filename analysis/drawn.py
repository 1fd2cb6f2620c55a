"""Figures that are there already, and would come out the same: they needn't be drawn again.

A record beside them, `.figures.json`, has a digest of all that they are made from, and the SHA-256
of each file as it was written. They count as drawn only while all of these still agree, so that a
record can't be out of date, wherever the files have been since.
"""

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

import attn_ppo
from analysis.runs import Run
from attn_ppo.lifecycle.disk import write_atomically

RECORD = ".figures.json"
# Those that a picture's bytes come from; others only carry numbers.
LIBRARIES = ("fonttools", "matplotlib", "numpy", "pandas", "pillow", "scipy", "seaborn")


def digest_of(runs: Sequence[Run], **options: object) -> str:
    """SHA-256 of what figures of these runs are made from: runs, options, our code, libraries."""
    digest = hashlib.sha256(repr((code(), libraries(), sorted(options.items()))).encode())
    for run in runs:
        facts = run.config, run.variant, run.status, run.evaluation
        digest.update(repr(facts).encode())
        for table in (run.metrics, run.episodes):
            for part in _bytes_of(table):
                digest.update(part)
    return digest.hexdigest()


def since(folder: Path, digest: str) -> str | None:
    """When the files that are in `folder` were drawn from what `digest` is of: 2026-11-26 21:00.

    None where they weren't, or where one of them has been changed or removed.
    """
    record = folder / RECORD
    try:
        found = json.loads(record.read_bytes())
        if found["digest"] != digest:
            return None
        if any(_sha256(folder / name) != there for name, there in found["files"].items()):
            return None
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(record.stat().st_mtime))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def write(folder: Path, digest: str, draw: Callable[[Path], list[Path]]) -> list[Path]:
    """Lets `draw` write its files, all into the folder that it is given, and records them.

    That folder is a temporary one: were another process drawing into the same `folder`, its files
    would else be recorded as ours. Returns where they are in the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".drawing-", dir=folder) as temporary:
        files = {path: _sha256(path) for path in draw(Path(temporary))}
        for path in files:
            os.replace(path, folder / path.name)
    found = {"digest": digest, "files": {path.name: there for path, there in files.items()}}
    write_atomically(folder / RECORD, json.dumps(found, indent=1) + "\n")
    return [folder / path.name for path in files]


def libraries() -> dict[str, str]:
    """The version of Python and of each library that draws."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


@cache
def code(*roots: Path) -> str:
    """SHA-256 of all code below folders, by default ours, and of the tables of scores beside it."""
    digest = hashlib.sha256()
    for root in roots or (Path(__file__).parent, Path(attn_ppo.__file__).parent):
        for folder, below, names in os.walk(root):
            below[:] = sorted(set(below) - {"node_modules", "__pycache__"})
            for name in sorted(name for name in names if name.endswith((".py", ".csv"))):
                digest.update(f"{name} {_sha256(Path(folder, name))} ".encode())
    return digest.hexdigest()


def _bytes_of(table: pd.DataFrame) -> Iterator[bytes | memoryview]:
    """Every number of a table to the last bit, with the names and kinds of its columns."""
    for name in table:
        values = table[name].to_numpy()
        yield f"{name!r} {values.dtype} {len(values)} ".encode()
        numbers = values.dtype.kind in "biuf"
        yield np.ascontiguousarray(values).data if numbers else repr(values.tolist()).encode()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
