"""The network's layers on CPUs, computed by our own kernels (native/) in place of `layers`.

fp32 only. Built once with the machine's C++ compiler and kept in the user's cache. The results are
those of `layers` up to rounding; bench/ measures the speed.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attn_ppo.compute import building
from attn_ppo.compute.building import KernelsUnavailable

SOURCE = Path(__file__).parent / "native" / "kernels.cpp"
OPENMP = ("GOMP_parallel", "__kmpc_fork_call")  # what a library of GCC or Clang calls with it
SIGNATURES = {  # how many arguments are numbers, and then pointers
    "convolve": (0, 6),
    "convolve_backward": (0, 9),
    "normalize": (2, 3),
    "normalize_backward": (2, 4),
    "gate": (3, 3),
    "gate_backward": (3, 5),
    "freeze": (2, 5),
    "thaw": (0, 1),
    "look": (1, 4),
    "decide": (1, 5),
}
ACTIVATIONS = {nn.ReLU: 1, nn.ELU: 2}


class _Conv(ctypes.Structure):
    names = (
        "images",
        "channels",
        "height",
        "width",
        "filters",
        "kernel",
        "stride",
        "bytes",
        "activation",
    )
    _fields_ = [(name, ctypes.c_long) for name in names]


class _Readout(ctypes.Structure):
    names = ("weight", "bias", "scores", "dscores", "dweight")
    _fields_ = [("maps", ctypes.c_long), *((name, ctypes.c_void_p) for name in names)]


def encode(encoder: nn.Sequential, obs: Tensor) -> Tensor:
    """Convolutions and activations in turn: (B, 4, 84, 84) uint8 -> (B, C, H, W) features."""
    x, modules = obs, list(encoder)
    for layer, activation in zip(modules[::2], modules[1::2], strict=True):
        assert isinstance(layer, nn.Conv2d)
        kind = ACTIVATIONS[type(activation)]
        x = _Convolution.apply(x, layer.weight, layer.bias, layer.stride[0], kind)
    return x


def normalize_channels(features: Tensor) -> Tensor:
    """(B, C, H, W) with each cell's C features scaled to L2 norm one; dead cells stay zero."""
    return _Normalize.apply(features)


def score(layers: nn.Sequential, features: Tensor) -> Tensor:
    """Two 1x1 convolutions with an ELU between: (B, C, H, W) -> (B, K, H, W) scores."""
    first, _, second = layers
    return _Score.apply(features, first.weight, first.bias, second.weight, second.bias)


def attend(features: Tensor, attention: Tensor) -> Tensor:
    """The features times the sum of the maps: (B, C, H, W), (B, K, H, W) -> (B, C * H * W)."""
    return _Gate.apply(features, attention.sum(1))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, kind: int
    ) -> Tensor:
        x, weight = _dense(x), weight.contiguous()
        conv, y = _conv(x, weight, stride, kind)
        library().convolve(ctypes.byref(conv), None, *map(_pointer, (x, weight, bias, y)))
        ctx.conv = conv
        ctx.save_for_backward(x, weight, y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight, y = ctx.saved_tensors
        dy = _dense(dy)
        dx, dweight, dbias = _convolve_backward(ctx.conv, None, x, weight, y, dy)
        return dx, dweight, dbias, None, None


class _Score(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        x, w1, w2 = _dense(x), w1.contiguous(), w2.contiguous()
        (images, channels, *cells), (width, maps) = x.shape, (len(w1), len(w2))
        pixels = images * cells[0] * cells[1]
        # every cell as an image of its own, so that a kernel works on any number at once
        conv = _Conv(pixels, channels, 1, 1, width, 1, 1, False, ACTIVATIONS[nn.ELU])
        hidden = x.new_empty(pixels, width)
        scores = _empty(images, maps, *cells)
        readout = _Readout(maps, *map(_pointer, (w2, b2, scores)))
        pointers = map(_pointer, (x, w1, b1, hidden))
        library().convolve(ctypes.byref(conv), ctypes.byref(readout), *pointers)
        ctx.conv = conv
        ctx.save_for_backward(x, w1, w2, hidden)
        return scores

    @staticmethod
    def backward(ctx: Any, dscores: Tensor) -> Any:
        x, w1, w2, hidden = ctx.saved_tensors
        dscores, dw2 = _dense(dscores), torch.empty_like(w2)
        readout = _Readout(len(w2), *map(_pointer, (w2, None, None, dscores, dw2)))
        dx, dw1, db1 = _convolve_backward(ctx.conv, readout, x, w1, hidden, None)
        return dx, dw1, db1, dw2, dscores.sum((0, 2, 3))


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = _dense(x)
        (images, channels, height, width), y = x.shape, torch.empty_like(x)
        inverse = x.new_empty(images * height * width)
        library().normalize(len(inverse), channels, *map(_pointer, (x, y, inverse)))
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        dy, dx = _dense(dy), torch.empty_like(y)
        library().normalize_backward(len(inverse), y.shape[1], *map(_pointer, (y, inverse, dy, dx)))
        return dx


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x, weight = _dense(x), weight.contiguous()
        images, channels, height, width = x.shape
        y = x.new_empty(images, channels * height * width)
        library().gate(images, height * width, channels, *map(_pointer, (x, weight, y)))
        ctx.save_for_backward(x, weight)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        images, channels, height, width = x.shape
        dy, dx, dweight = dy.contiguous(), torch.empty_like(x), torch.empty_like(weight)
        tensors = (x, weight, dy, dx, dweight)
        library().gate_backward(images, height * width, channels, *map(_pointer, tensors))
        return dx, dweight


def _conv(x: Tensor, weight: Tensor, stride: int, kind: int) -> tuple[_Conv, Tensor]:
    """The kernel's description of a convolution, and an empty output, channels last."""
    (images, channels, height, width), (filters, _, kernel, _) = x.shape, weight.shape
    is_bytes = x.dtype == torch.uint8
    conv = _Conv(images, channels, height, width, filters, kernel, stride, is_bytes, kind)
    rows, cols = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    return conv, _empty(images, filters, rows, cols)


def _empty(*shape: int) -> Tensor:
    """An uninitialised (B, C, H, W) float32 tensor, channels last."""
    return torch.empty(shape, dtype=torch.float32, memory_format=torch.channels_last)


def _convolve_backward(
    conv: _Conv, readout: _Readout | None, x: Tensor, weight: Tensor, y: Tensor, dy: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """The gradients of input (none for bytes), weights and bias."""
    dx = None if conv.bytes else torch.empty_like(x)
    dweight, dbias = torch.empty_like(weight), weight.new_empty(len(weight))
    library().convolve_backward(
        ctypes.byref(conv),
        readout and ctypes.byref(readout),
        *map(_pointer, (x, weight, y, dy, dx, dweight, dbias)),
    )
    return dx, dweight, dbias


def _dense(x: Tensor) -> Tensor:
    """The tensor in the layout that the kernels read: bytes contiguous, floats channels last."""
    if x.dtype == torch.uint8:
        return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last)


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


def fingerprint() -> str:
    """Identifies the built kernels, as other compilers may round differently. 12 hex digits.

    Raises KernelsUnavailable.
    """
    return building.digest(Path(library()._name))[:12]


def threaded() -> bool:
    """Whether they use more than one thread: not if the compiler has no OpenMP.

    Raises KernelsUnavailable.
    """
    return any(hasattr(library(), name) for name in OPENMP)


@cache
def library() -> ctypes.CDLL:
    """The kernels' library, built if necessary. Raises KernelsUnavailable."""
    try:
        loaded = ctypes.CDLL(str(building.built(SOURCE)))
    except OSError as error:
        raise KernelsUnavailable(f"the built kernels can't be used: {error}") from None
    loaded.block.restype = ctypes.c_long
    for name, (numbers, pointers) in SIGNATURES.items():
        function = getattr(loaded, name)
        function.argtypes = [ctypes.c_long] * numbers + [ctypes.c_void_p] * pointers
        function.restype = None
    loaded.freeze.restype = ctypes.c_void_p
    return loaded
