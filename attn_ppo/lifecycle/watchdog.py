"""Ends a run that hangs: an emulator stuck in C++ can't be interrupted by a signal."""

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from attn_ppo.errors import ExitCode

START_SECONDS = 1_800  # until the first beat: a resume replays games, torch.compile compiles
LEAST_SECONDS = 300
TIMES_LONGEST = 10


class Watchdog:
    """Waits for `beat` in a thread and ends the process with code 7 if none comes in time.

    The limit is START_SECONDS for the first beat, then TIMES_LONGEST times the longest wait so far,
    at least LEAST_SECONDS. Seconds are counted by the thread, not read off a clock: a process that
    was suspended is not taken for one that hangs.
    """

    def __init__(self, on_hang: Callable[[str], None]):
        """`on_hang` is called with the reason, one line, just before the process ends."""
        self._on_hang = on_hang
        self._waited, self._longest, self._limit = 0, 0, START_SECONDS
        self._over = threading.Event()

    def beat(self) -> None:
        """Reports that the run goes on."""
        self._longest, self._waited = max(self._longest, self._waited), 0
        self._limit = max(LEAST_SECONDS, TIMES_LONGEST * self._longest)

    def __enter__(self) -> "Watchdog":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(1):
            self._waited += 1
            if self._waited >= self._limit:
                self._end()

    def _end(self) -> None:
        reason = (
            f"hung: nothing happened for {self._waited} s, last seen in {_main_thread_position()}"
        )
        # In case that the disk or the terminal hangs, and what follows with it:
        threading.Timer(10, os._exit, [int(ExitCode.HUNG)]).start()
        print(f"error: {reason}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True)
        self._on_hang(reason)
        os._exit(ExitCode.HUNG)


def _main_thread_position() -> str:
    """The innermost function that the main thread is in, its file and line."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return "no Python code"
    last = traceback.extract_stack(frame)[-1]
    return f"{last.name} ({Path(last.filename).name}:{last.lineno})"
