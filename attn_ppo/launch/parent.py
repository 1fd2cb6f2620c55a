"""A run that a sweep started ends when the process that waits for it is gone, whatever ended that.

Else it would go on unseen on a machine that its scheduler takes for free.
"""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

VARIABLE = "ATTN_PPO_PARENT"  # the waiting process's pid
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Sends this process a signal when its parent is gone, even by now."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != int(os.environ.get(VARIABLE, os.getppid())):
        signal.raise_signal(number)


def serve() -> None:
    """Where a sweep started this run: ends with it, and is what goes when memory runs out."""
    if VARIABLE not in os.environ:
        return
    end_with_parent()
    with contextlib.suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(int(score.read_text()), _OOM_SCORE)))
