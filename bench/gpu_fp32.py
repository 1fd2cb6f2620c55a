"""What gpu_agreement.py does, in fp32, without cuDNN.

In a process of its own: PyTorch 2.11 on an H100 took strides of convolutions without cuDNN, which
it had compiled for, for those of cuDNN afterwards, and an assertion ended the part. Its caches on
the disk don't know of cuDNN either.
"""

from collections.abc import Iterator

from bench import gpu_agreement
from bench.gpu_part import Ask, Row


def rows(ask: Ask) -> Iterator[Row]:
    """A row for the CPU, then one for each backend."""
    return gpu_agreement.rows(ask, ("fp32",))
