"""What this machine can't do for a run, found out at once: a missing GPU, an unwritable folder."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from attn_ppo.lifecycle.run_dir import ExitCode, RunError
from attn_ppo.schema import ConfigError

# Without one of these there's no GPU: NVIDIA's on a server, under WSL, on a Jetson; AMD's.
DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/nvmap", "/dev/kfd")


def check_device(device: str) -> None:
    """Raises ConfigError where the device asked for isn't there."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return
    devices = _gpus()
    if int(index or 0) >= devices:
        there = ", ".join(["auto", "cpu", *(f"cuda:{i}" for i in range(devices))])
        raise ConfigError("device", device, f"what this machine has: {there}")


def check_writable(folders: Iterable[Path]) -> None:
    """Raises RunError where a run's folder couldn't be made or written to. Leaves nothing."""
    there: dict[Path, Path] = {}  # what exists of each folder's path
    for folder in folders:
        exists = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        there.setdefault(exists, folder)
    for exists, folder in there.items():
        try:
            with tempfile.TemporaryFile(dir=exists):
                pass
        except OSError as error:
            raise RunError(ExitCode.DISK, f"can't write {folder}: {error.strerror}") from None


def _gpus() -> int:
    """How many GPUs a run could use. Imports torch, two seconds, only where there may be one."""
    if not any(map(os.path.exists, DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()
