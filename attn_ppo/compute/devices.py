"""Which device a run computes on: found out at once, before torch is imported, where it can be."""

import os

from attn_ppo.errors import ConfigError

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


def _gpus() -> int:
    """How many GPUs a run could use. Imports torch, two seconds, only where there may be one."""
    if not any(map(os.path.exists, DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()
