"""Checkpoints that survive: atomic, checksummed, two generations.

A file is what torch.save writes, which torch.load(weights_only=True) opens as it is, followed by
the SHA-256 of all that precedes it: torch itself would not notice a flipped bit.
"""

import contextlib
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle.disk import disk_error, sync_folder, write_atomically
from attn_ppo.lifecycle.generations import FRESH, NEWEST, PREVIOUS, paths, whole


def save(folder: Path, state: dict[str, Any]) -> None:
    """Makes `state` (tensors and plain Python only) the newest generation.

    At every moment at least one complete generation is on the disk. Raises RunError where the
    disk doesn't take it.
    """
    data = packed(state)
    try:
        write_atomically(folder / FRESH, data)
        if (folder / NEWEST).exists():
            os.replace(folder / NEWEST, folder / PREVIOUS)
        os.replace(folder / FRESH, folder / NEWEST)
        sync_folder(folder)
    except OSError as error:
        raise disk_error(folder / NEWEST, error, len(data)) from None


def packed(state: dict[str, Any]) -> bytes:
    """The content of a file: what torch.save makes of `state`, then its SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    return data + hashlib.sha256(data).digest()


def opened(data: bytes) -> dict[str, Any]:
    """What torch.save made of a state -> the state, on the CPU."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def load(folder: Path) -> dict[str, Any] | None:
    """The newest generation that is whole, on the CPU; None where none was ever made.

    Raises RunError where there are checkpoints but none of them is whole.
    """
    damaged = []
    for path in paths(folder):
        found = whole(path)
        if found is not None:
            if damaged:
                print(f"warning: {damaged[0]} is damaged; going on from {path}", flush=True)
                with contextlib.suppress(OSError):  # or the next save would make it the previous
                    for each in reversed(damaged):  # the newest is the one that is kept
                        os.replace(each, folder / "checkpoint.damaged.pt")
            return opened(found[0])
        if path.exists():
            damaged.append(path)
    if damaged:
        names = " and ".join(map(str, damaged))
        raise RunError(ExitCode.NO_CHECKPOINT, f"{names}: damaged, and there's no other checkpoint")
    return None


def load_digest(folder: Path, sha256: str) -> dict[str, Any] | None:
    """The generation with this SHA-256, on the CPU; None where there is none."""
    everything = (whole(path) for path in paths(folder))
    return next((opened(found[0]) for found in everything if found and found[1] == sha256), None)
