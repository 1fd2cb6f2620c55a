"""Ends a run that has stopped going on: a stuck emulator can't be interrupted by a signal."""

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from attn_ppo.errors import ExitCode

START_SECONDS = 1_800  # until the first beat: games played again, functions compiled
LEAST_SECONDS = 300
TIMES_LONGEST = 10


class Watchdog:
    """Waits for `beat` in a thread; without one for long enough, ends the process with code 7.

    Long enough is START_SECONDS for the first and then ten times the longest wait so far, at least
    LEAST_SECONDS. Seconds are counted, not read off a clock, so a suspended process has time.
    """

    def __init__(self, last_words: Callable[[str], None]):
        """`last_words` is told why, in a line, before the end."""
        self._last_words = last_words
        self._waited, self._longest, self._patience = 0, 0, START_SECONDS
        self._over = threading.Event()

    def beat(self) -> None:
        """The run goes on."""
        self._longest, self._waited = max(self._longest, self._waited), 0
        self._patience = max(LEAST_SECONDS, TIMES_LONGEST * self._longest)

    def __enter__(self) -> "Watchdog":
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(1):
            self._waited += 1
            if self._waited >= self._patience:
                self._end()

    def _end(self) -> None:
        reason = f"hung: nothing happened for {self._waited} s, last seen in {_place()}"
        # Even where the disk or the terminal is what hangs:
        threading.Timer(10, os._exit, [int(ExitCode.HUNG)]).start()
        print(f"error: {reason}", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(all_threads=True)
        self._last_words(reason)
        os._exit(ExitCode.HUNG)


def _place() -> str:
    """Where the main thread is: the innermost function, its file and line."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    if frame is None:
        return "no Python code"
    last = traceback.extract_stack(frame)[-1]
    return f"{last.name} ({Path(last.filename).name}:{last.lineno})"
