"""What computes the network: PyTorch's operators, our CPU kernels, or torch.compile."""

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


@cache
def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    mode = "reduce-overhead" if torch.cuda.is_available() else None
    return torch.compile(function, mode=mode)


class Backend(NamedTuple):
    """The network's large layers, and `prepare` for the functions that use them."""

    name: str
    layers: Layers
    prepare: Prepare


BACKENDS = {
    "torch": Backend("torch", layers, unprepared),
    "kernels": Backend("kernels", kernels, unprepared),
    "compile": Backend("compile", layers, compiled),
}


def choose(settings: RunConfig, device: torch.device, began_with: str | None = None) -> Backend:
    """The backend of a run: the one it began with, else the one asked for.

    `auto` is `compile` on a GPU; on a CPU `kernels` if they can be built, else `torch`. Raises
    ConfigError if the backend asked for is not available.
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
