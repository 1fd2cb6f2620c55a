"""What this machine could do at best: its rates, and the floor that they put under a trainer.

The floor is the time that an agent step takes where every multiplication runs at the best rate
of a matrix product, nothing else costs anything, and the emulator plays alone. No trainer that
computes in float32 and takes turns between playing and learning gets below it.
"""

import platform
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute.devices import available_cpus
from bench.ours import settings_of

# (rows, inner, columns) of the network's layers as matrix products over a minibatch of 256, and a
# square one.
SHAPES = {
    "conv1": (102_400, 256, 32),
    "conv2": (20_736, 512, 64),
    "conv3": (12_544, 576, 64),
    "attention": (12_544, 64, 512),
    "body": (256, 3_136, 512),
    "square": (1_024, 1_024, 1_024),
}
# Elsewhere a product in bfloat16 is emulated, 200 times slower than one in float32.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
MEASURE_SECONDS = 0.25


def describe() -> dict[str, str | int]:
    """The processor, and the cores that we may use."""
    model = platform.machine()
    for line in _cpuinfo():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cores": cores(), "torch": torch.__version__}


def cores() -> int:
    """Cores that this process may keep busy."""
    return available_cpus()


def gemm_rates(threads: int) -> dict[str, dict[str, float]]:
    """Best GFLOP/s of a matrix product: type -> shape -> rate; bfloat16 only where built in."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    flags = {flag for line in _cpuinfo() if line.startswith("flags") for flag in line.split()}
    types = {"float32": torch.float32}
    if flags & BFLOAT16_FLAGS:
        types["bfloat16"] = torch.bfloat16
    rates = {
        name: {shape: _gemm_rate(*sizes, dtype) for shape, sizes in SHAPES.items()}
        for name, dtype in types.items()
    }
    torch.set_num_threads(before)
    return rates


def emulator_seconds(game: str, num_envs: int, threads: int, seconds: float = 1.5) -> float:
    """Seconds an agent step of random play, the best of stretches of 32 steps."""
    settings = settings_of(f"env={game}")
    envs = AtariEnvs(
        game, num_envs=num_envs, seed=0, protocol=settings.protocol, num_threads=threads
    )
    envs.reset()
    rng, best = np.random.default_rng(0), float("inf")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        actions = rng.integers(envs.num_actions, size=(32, num_envs))
        began = time.perf_counter()
        for row in actions:
            envs.step(row)
        best = min(best, (time.perf_counter() - began) / actions.size)
    envs.close()
    return best


def training_flops(model: nn.Module, epochs: int) -> int:
    """FLOPs an agent step: one forward pass to act, then forward and backward in each epoch.

    Two to a multiply-add, of the convolutions and linear layers alone. The gradient of the
    observations isn't counted: nobody needs it.
    """
    obs = torch.zeros(1, 4, 84, 84, dtype=torch.uint8, device=next(model.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as acting:
        model(obs)
    with torch.enable_grad(), FlopCounterMode(display=False) as learning:
        policy, value, *_ = model(obs)
        (policy.sum() + value.sum()).backward()
    return acting.get_total_flops() + epochs * learning.get_total_flops()


def floor_seconds(flops: float, flops_per_second: float, emulator: float) -> float:
    """Seconds an agent step at best."""
    return flops / flops_per_second + emulator


def _gemm_rate(rows: int, inner: int, columns: int, dtype: torch.dtype) -> float:
    """GFLOP/s of the fastest of many products."""
    left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
    out, best = torch.mm(left, right), float("inf")
    end = time.monotonic() + MEASURE_SECONDS
    while time.monotonic() < end:
        began = time.perf_counter()
        torch.mm(left, right, out=out)
        best = min(best, time.perf_counter() - began)
    return 2 * rows * inner * columns / best / 1e9


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
