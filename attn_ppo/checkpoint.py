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

from attn_ppo.run_dir import ExitCode, RunError, sync_folder, write_atomically

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.prev.pt"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Makes `state` (tensors and plain Python only) the newest generation.

    At every moment at least one complete generation is on the disk. Raises RunError where the
    disk doesn't take it.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    fresh = folder / "checkpoint.new.pt"
    try:
        write_atomically(fresh, data + hashlib.sha256(data).digest())
        if (folder / NEWEST).exists():
            os.replace(folder / NEWEST, folder / PREVIOUS)
        os.replace(fresh, folder / NEWEST)
        sync_folder(folder)
    except OSError as error:
        reason = f"can't write {folder / NEWEST} ({len(data):,} bytes): {error.strerror}"
        raise RunError(ExitCode.DISK, reason) from None


def load(folder: Path) -> dict[str, Any] | None:
    """The newest generation that is whole, on the CPU; None where none was ever made.

    Raises RunError where there are checkpoints but none of them is whole.
    """
    damaged = []
    for name in (NEWEST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue
        data, digest = path.read_bytes()[:-32], path.read_bytes()[-32:]
        if hashlib.sha256(data).digest() == digest:
            if damaged:
                print(f"warning: {damaged[0]} is damaged; going on from {path}", flush=True)
                with contextlib.suppress(OSError):  # or the next save would make it the previous
                    os.replace(damaged[0], folder / "checkpoint.damaged.pt")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        damaged.append(path)
    if damaged:
        names = " and ".join(map(str, damaged))
        raise RunError(ExitCode.NO_CHECKPOINT, f"{names}: damaged, and there's no other checkpoint")
    return None
