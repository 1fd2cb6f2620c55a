"""Standard streams that can't end a process: closed, missing, cut off, or poor in characters."""

import io
import os
import select
import sys
from typing import Any


class _Unfailing(io.FileIO):
    """A file to write to; what its reader, disk or terminal doesn't take any more is dropped."""

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # another process made it non-blocking
                select.select([], [self], [])
            return written
        except OSError:
            return memoryview(data).nbytes


def repair() -> None:
    """Replaces stdout and stderr by ones to which writing always works.

    A character that their encoding lacks becomes `?`. Descriptors 0, 1 and 2 that are closed lead
    to /dev/null: else the next file to be opened would have that number, and get what is printed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free: `number`
    sys.stdout, sys.stderr = _unfailing(1, sys.stdout), _unfailing(2, sys.stderr)


def _unfailing(number: int, before: Any) -> io.TextIOWrapper:
    raw = _Unfailing(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before else "utf-8",
        errors="replace",
        line_buffering=number == 2 or raw.isatty(),
        write_through=bool(before and before.write_through),
    )
