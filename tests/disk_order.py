"""What is done on the disk, in its order."""

import os
from pathlib import Path

import pytest


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From here on: `fsync NAME` and `NAME -> NEW NAME`, growing."""
    done: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
        real_fsync(handle)

    def replace(source: Path, target: Path) -> None:
        done.append(f"{source.name} -> {target.name}")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    return done
