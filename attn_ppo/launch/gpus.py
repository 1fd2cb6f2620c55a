"""Which of this machine's GPUs a run of a local sweep gets: they take turns.

A scheduler does this on a cluster. Without torch, which takes seconds and memory of the GPU.
"""

import itertools
import subprocess
from collections.abc import Mapping, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


def turn(device: str, number: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of a sweep's job of this number; {} where there is no GPU to choose."""
    if device not in ("auto", "cuda") or not gpus:
        return {}
    return {VARIABLE: gpus[number % len(gpus)]}


def visible(environment: Mapping[str, str]) -> list[str]:
    """What CUDA calls the GPUs that a process with this environment may use."""
    if VARIABLE in environment:
        names = (name.strip() for name in environment[VARIABLE].split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number in range(count(listed.stdout))]


def count(listed: str) -> int:
    """The GPUs in what `nvidia-smi -L` prints; its MIG slices have lines of their own."""
    return sum(line.startswith("GPU ") for line in listed.splitlines())
