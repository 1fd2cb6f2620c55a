"""The host's part beside the device: threads that emulator and model share, observations on their
way up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


@contextmanager
def share_of_threads(groups: int) -> Iterator[None]:
    """While one group is stepped by its threads, the model has the others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // groups))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Event(Protocol):
    """torch.cuda.Event; before the first `record` there is nothing to wait for."""

    def record(self, stream: Any, /) -> None:
        """From here on it happens once all that is on the stream by now is done."""
        ...

    def synchronize(self) -> None:
        """Returns once it has happened."""
        ...


Upload = Callable[[np.ndarray, Tensor], None]  # copies observations to their place on the device


def uploader(obs: np.ndarray, device: torch.device) -> Upload:
    """What copies observations shaped as `obs`; to a GPU through one page-locked buffer."""
    if device.type != "cuda":
        return _copy
    buffer = torch.empty(obs.shape, dtype=torch.uint8, pin_memory=True)
    return Staging(buffer, torch.cuda.Event(), torch.cuda.current_stream(device)).upload


class Staging:
    """A page-locked buffer that observations pass through: the host doesn't wait for the copy."""

    def __init__(self, buffer: Tensor, sent: Event, stream: Any) -> None:
        """`sent` happens on `stream`, where the copies are made."""
        self._buffer, self._sent, self._stream = buffer, sent, stream

    def upload(self, obs: np.ndarray, to: Tensor) -> None:
        """Copies to `to` by and by; `obs` may change at once."""
        self._sent.synchronize()  # what the buffer holds is on its way no more
        self._buffer.copy_(torch.from_numpy(obs))
        to.copy_(self._buffer, non_blocking=True)
        self._sent.record(self._stream)


def _copy(obs: np.ndarray, to: Tensor) -> None:
    to.copy_(torch.from_numpy(obs))
