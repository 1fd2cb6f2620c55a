"""By what a network is computed: PyTorch's operators, our CPU kernels, or torch.compile."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch

from attn_ppo.compute import kernels, layers
from attn_ppo.compute.layers import Layers
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError

Function = TypeVar("Function", bound=Callable[..., Any])


class Prepare(Protocol):
    """What turns a function of tensors into one that does the same, faster."""

    def __call__(self, function: Function, /) -> Function: ...


def unprepared(function: Function, /) -> Function:
    """The function as it is."""
    return function


def compiled(function: Function, /) -> Function:
    """By torch.compile: a function, not a module, or `_orig_mod.` would reach the checkpoints.

    On a GPU as CUDA graphs, so that the CPU has one thing to launch instead of a hundred.
    """
    return cast(Function, _compile(function))


@cache
def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    mode = "reduce-overhead" if torch.cuda.is_available() else None
    return torch.compile(function, mode=mode)


class Backend(NamedTuple):
    """The network's large layers, and what is done to the functions around them."""

    name: str
    layers: Layers
    prepare: Prepare


BACKENDS = {
    "torch": Backend("torch", layers, unprepared),
    "kernels": Backend("kernels", kernels, unprepared),
    "compile": Backend("compile", layers, compiled),
}


def choose(settings: RunConfig, device: torch.device, began_with: str | None = None) -> Backend:
    """The backend of a run: the one that it began with, or was asked for, or the fastest.

    On a GPU `compile` is taken to be the fastest; on a CPU, where they can be built, the kernels.
    Raises ConfigError where the one asked for can't be had.
    """
    inexact = began_with == "kernels" and settings.checkpoint.resume == "anyway"
    if inexact and kernels_missing(settings, device):
        began_with = None
    asked = began_with or settings.compute.backend
    if asked == "auto":
        if device.type == "cuda":
            return BACKENDS["compile"]
        return BACKENDS["torch" if kernels_missing(settings, device) else "kernels"]
    if asked == "kernels" and (missing := kernels_missing(settings, device)):
        raise ConfigError("compute.backend", asked, f"torch or compile here: {missing}")
    return BACKENDS[asked]


def kernels_missing(settings: RunConfig, device: torch.device) -> str:
    """Why our kernels can't compute this run on this machine, in a line; empty if they can."""
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
