"""The host's part beside the device: threads that emulator and model share, observations on their
way up."""

from collections.abc import Iterator
from contextlib import contextmanager

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


def upload(obs: np.ndarray, to: Tensor) -> None:
    """Copies observations to the device; to a GPU from page-locked memory, without waiting."""
    source = torch.from_numpy(obs)
    to.copy_(source.pin_memory() if to.is_cuda else source, non_blocking=True)
