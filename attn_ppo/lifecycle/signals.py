"""Being asked to stop: a run saves first, a sweep passes it on.

The first signal lets the update in progress finish and be saved, if that takes no more than
SAVE_SECONDS; a second one quits at once. One soon after the first is taken for the same: Ctrl-C
reaches a run from the terminal and from its sweep, a scheduler's signal from both as well.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attn_ppo.errors import ExitCode, RunError

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ASKING = (*INTERRUPTS, signal.SIGUSR1, signal.SIGUSR2)  # the last two: how Slurm announces an end
SAME_SECONDS = 1.0
SAVE_SECONDS = 5.0


class StopRequest:
    """Whether this process has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._asked_at = 0.0
        self._at_once = False

    def __bool__(self) -> bool:
        return self.name is not None

    def receive(self, number: int, _: Any = None) -> None:
        """The handler of the signals in ASKING."""
        if self:
            if time.monotonic() - self._asked_at > SAME_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        self.name, self._asked_at = signal.Signals(number).name, time.monotonic()
        with contextlib.suppress(OSError):
            print(f"{self.name}: saving, then stopping; again to quit unsaved", file=sys.stderr)
        if self._at_once:
            raise self.error("stopped during the evaluation")
        signal.setitimer(signal.ITIMER_REAL, SAVE_SECONDS)

    def give_up(self, *_: Any) -> None:
        """The handler of the alarm: the update is too long to wait for. Raises RunError."""
        if not self._at_once:
            raise self.error("stopped within an update; the last checkpoint counts")

    def stop_at_once(self) -> None:
        """From here on nothing is lost by stopping anywhere: raise RunError, now or when asked."""
        self._at_once = True
        if self:
            raise self.error("stopped before the evaluation")

    def no_hurry(self) -> None:
        """The update is done in time: what is left to do takes as long as it takes."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def error(self, what: str) -> RunError:
        """What ends the run."""
        return RunError(ExitCode.PREEMPTED, f"{self.name}: {what}")


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches the signals that ask a run to stop. One that is ignored (nohup) stays ignored."""
    request = StopRequest()
    handled = [n for n in ASKING if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.receive) for number in handled}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, request.give_up)
    try:
        yield request
    finally:
        request.no_hurry()
        for number, handler in before.items():
            signal.signal(number, handler)


def pass_on(number: int) -> None:
    """Sends a signal to this process's children."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                os.kill(int(stat.parent.name), number)
