"""What the GPU is, and what computes on it."""

import platform
from collections.abc import Iterator

import torch

from bench import machine
from bench.gpu_part import MEASURED, Ask, Row

MIB = 2**20


def rows(ask: Ask) -> Iterator[Row]:
    """One row: names and versions, none of them of this host."""
    facts: dict[str, object] = {**machine.describe(), "python": platform.python_version()}
    told = (
        f"{facts['cpu']}, {facts['cores']} cores; Python {facts['python']}, torch {facts['torch']}"
    )
    if not ask.rehearsal:
        gpu = torch.cuda.get_device_properties(ask.device)
        facts |= {
            "gpu": gpu.name,
            "capability": f"{gpu.major}.{gpu.minor}",
            "mebibytes": gpu.total_memory // MIB,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
        told = f"{gpu.name}, {facts['mebibytes']:,} MiB, CUDA {facts['cuda']}; {told}"
    yield Row("machine", MEASURED, told, facts)
