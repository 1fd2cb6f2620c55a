"""Checks the device of a run, without importing torch where that is possible."""

import os

from attn_ppo.errors import ConfigError

# Drivers; without one of these there is no GPU: NVIDIA on a server, under WSL, on a Jetson; AMD.
DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/nvmap", "/dev/kfd")


def check_device(device: str) -> None:
    """Raises ConfigError if this machine doesn't have the device."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return
    devices = _gpus()
    if int(index or 0) >= devices:
        there = ", ".join(["auto", "cpu", *(f"cuda:{i}" for i in range(devices))])
        raise ConfigError("device", device, f"what this machine has: {there}")


def _gpus() -> int:
    """The number of usable GPUs. Imports torch, which takes seconds, only if there may be one."""
    if not any(map(os.path.exists, DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()
