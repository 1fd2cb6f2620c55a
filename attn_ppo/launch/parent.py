"""Ends a run of a sweep when the process that waits for it is gone, for whatever reason.

Otherwise the run would go on, unnoticed, on a machine that its scheduler takes for free.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

VARIABLE = "ATTN_PPO_PARENT"  # holds the pid of the process that waits
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Signals this process when its parent ends; at once if it has ended already.

    Linux's kernel does it; elsewhere a thread looks every second.
    """
    parent = int(os.environ.get(VARIABLE, os.getppid()))
    if sys.platform != "linux":
        main = threading.main_thread().ident or 0
        threading.Thread(target=_watch, args=(parent, main, number), daemon=True).start()
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        signal.raise_signal(number)


def follow_parent() -> None:
    """In a run that a sweep started: ends with it, and is the first to be killed without memory."""
    if VARIABLE not in os.environ:
        return
    end_with_parent()
    with contextlib.suppress(OSError):
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(max(int(score.read_text()), _OOM_SCORE)))


def _watch(parent: int, thread: int, number: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    signal.pthread_kill(thread, number)
