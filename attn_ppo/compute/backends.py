"""What computes the network: PyTorch's operators, our CPU kernels, or torch.compile."""

import os
import shutil
import sysconfig
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import nn

from attn_ppo.compute import actor, kernels, layers
from attn_ppo.compute.layers import Layers
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError

BF16_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}  # x86, x86, ARM, ARM

Function = TypeVar("Function", bound=Callable[..., Any])


class Prepare(Protocol):
    """Turns a function of tensors into one that does the same, faster."""

    def __call__(self, function: Function, /) -> Function: ...


def unprepared(function: Function, /) -> Function:
    """The function as it is."""
    return function


def compiled(function: Function, /) -> Function:
    """The function compiled by torch.compile; on a GPU into CUDA graphs, which launch faster.

    Functions are compiled, not modules, which would put `_orig_mod.` into the checkpoints' keys.
    """
    return cast(Function, _compile(function))


# The mode "reduce-overhead", and no kernel is chosen by how fast it was a moment ago: two starts of
# a run could choose reductions that add up in different orders, and the resume wouldn't be exact.
ON_GPU: dict[str, Any] = {"triton.cudagraphs": True, "deterministic": True}


@cache
def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, options=ON_GPU if torch.cuda.is_available() else None)


def unfrozen(model: nn.Module, /) -> nn.Module:
    """The model as it is, which acts with the weights that it has then."""
    return model


class Backend(NamedTuple):
    """The network's large layers, `prepare` for the functions that use them, and `freeze`: what
    acts as the model does with the weights that it has now."""

    name: str
    layers: Layers
    prepare: Prepare
    freeze: Callable[[nn.Module], Callable[..., Any]] = unfrozen


BACKENDS = {
    "torch": Backend("torch", layers, unprepared),
    "kernels": Backend("kernels", kernels, unprepared, actor.frozen),
    "compile": Backend("compile", layers, compiled),
}


def choose(settings: RunConfig, device: torch.device, began_with: str | None = None) -> Backend:
    """The backend of a run: the one it began with, else the one asked for.

    `auto` is the fastest for the device, unless it is `slower`: then `torch`. Raises ConfigError if
    the backend asked for is not available.
    """
    inexact = settings.checkpoint.resume == "anyway"
    if inexact and began_with and missing(began_with, settings, device):
        began_with = None
    asked = began_with or settings.compute.backend
    if asked == "auto":
        return BACKENDS["torch" if slower(settings, device) else fastest(device)]
    if why := missing(asked, settings, device):
        others = [n for n in BACKENDS if n != asked and not missing(n, settings, device)]
        raise ConfigError("compute.backend", asked, f"{' or '.join(others)} here: {why}")
    return BACKENDS[asked]


def fastest(device: torch.device) -> str:
    """The name of the backend that is the fastest on a device."""
    return "kernels" if device.type == "cpu" else "compile"


def slower(settings: RunConfig, device: torch.device) -> str:
    """Why `auto` doesn't take the fastest backend for the device, in one line; "" if it does."""
    name, threads = fastest(device), torch.get_num_threads()
    if why := missing(name, settings, device):
        return why
    if name == "kernels" and threads > 1 and not kernels.threaded():
        return f"the kernels have 1 of {threads} threads: the compiler has no OpenMP"
    return ""


def missing(name: str, settings: RunConfig, device: torch.device) -> str:
    """Why a backend can't compute this run on this machine, in one line; "" if it can."""
    if name == "kernels":
        return kernels_missing(settings, device)
    return compile_missing(device) if name == "compile" else ""


def kernels_missing(settings: RunConfig, device: torch.device) -> str:
    """Why our kernels can't compute this run on this machine, in one line; "" if they can."""
    if device.type != "cpu":
        return f"the kernels are for CPUs, the device is {device.type}"
    if settings.compute.precision != "fp32":
        return f"the kernels compute in fp32, compute.precision is {settings.compute.precision}"
    try:
        block = kernels.library().block()
    except kernels.KernelsUnavailable as error:
        return str(error)
    if settings.attention.gate != "none" and settings.attention.hidden % block:
        return f"the kernels need attention.hidden to be a multiple of {block}"
    return ""


def compile_missing(device: torch.device) -> str:
    """Why torch.compile has nothing to compile with, which it would say at the first update."""
    variable, usual = ("CXX", ["g++"]) if device.type == "cpu" else ("CC", ["gcc", "clang"])
    compilers = [os.environ[variable]] if variable in os.environ else usual
    if not any(map(shutil.which, compilers)):
        named = " or ".join(name or "''" for name in compilers)
        return f"torch.compile needs a compiler, there's no {named} (or ${variable})"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return f"torch.compile needs Python's headers, there's no {header}"
    if device.type != "cpu" and not find_spec("triton"):
        return "torch.compile needs Triton on a GPU: pip install triton"
    return ""


def settle_convolutions(device: torch.device) -> None:
    """Has a GPU's convolutions add up in one order, and be exactly 0 where they see only zeros.

    cuDNN's in TF32, PyTorch's default, are. In fp32 it leaves up to 1e-5 there (cuDNN 9.19 on an
    H100), as Winograd's algorithm does; scaled to length one, a cell's features would be that
    noise. So without TF32 PyTorch computes convolutions itself, which is slower.
    """
    if device.type == "cuda":
        torch.backends.cudnn.deterministic = True
        if not has_tf32(device):
            torch.backends.cudnn.enabled = False


def has_tf32(device: torch.device) -> bool:
    """Whether a GPU computes in TF32: NVIDIA's do from compute capability 8.0 on, if they may."""
    if torch.version.hip or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def bf16_is_emulated(device: torch.device, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the device has no instructions for bf16, which then costs more than it gains."""
    if device.type == "cuda":
        return not torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return bool(flags) and BF16_INSTRUCTIONS.isdisjoint(flags.split())
