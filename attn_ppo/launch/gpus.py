"""Spreads the runs of a local sweep over this machine's GPUs; on a cluster its scheduler does.

Without torch, whose import takes seconds and some of the GPU's memory.
"""

import itertools
import subprocess
from collections.abc import Mapping, Sequence

VARIABLE = "CUDA_VISIBLE_DEVICES"


def job_environment(device: str, number: int, gpus: Sequence[str]) -> dict[str, str]:
    """Variables that give the sweep's `number`-th job one of `gpus`; {} if it needn't choose."""
    if device not in ("auto", "cuda") or not gpus:
        return {}
    return {VARIABLE: gpus[number % len(gpus)]}


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """CUDA's names of the GPUs that a process with this environment may use."""
    if VARIABLE in environment:
        names = (name.strip() for name in environment[VARIABLE].split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number in range(count_gpus(listed.stdout))]


def count_gpus(listed: str) -> int:
    """The number of GPUs in the output of `nvidia-smi -L`, which lists MIG slices as well."""
    return sum(line.startswith("GPU ") for line in listed.splitlines())
