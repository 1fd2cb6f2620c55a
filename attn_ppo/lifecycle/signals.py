"""Signals that ask a process to stop: a run saves first, a sweep signals its runs.

After the first signal the update in progress may finish and be saved, if that takes no more than
SAVE_SECONDS. A second signal quits at once, unless it comes within SAME_REQUEST_SECONDS of the
first: Ctrl-C reaches a run twice, from the terminal and from its sweep, and so does a scheduler's
signal.
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

STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,  # with USR2 how Slurm announces the end of a job
    signal.SIGUSR2,
)
SAME_REQUEST_SECONDS = 1.0
SAVE_SECONDS = 5.0


class StopRequest:
    """Whether this process has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._asked_at = 0.0
        self._raises = False

    def __bool__(self) -> bool:
        return self.name is not None

    def receive(self, number: int, _: Any = None) -> None:
        """The handler of the signals in STOP_SIGNALS."""
        if self:
            if time.monotonic() - self._asked_at > SAME_REQUEST_SECONDS:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            return
        self.name, self._asked_at = signal.Signals(number).name, time.monotonic()
        with contextlib.suppress(OSError):
            print(f"{self.name}: saving, then stopping; again to quit unsaved", file=sys.stderr)
        if self._raises:
            raise self.error("stopped during the evaluation")
        signal.setitimer(signal.ITIMER_REAL, SAVE_SECONDS)

    def on_deadline(self, *_: Any) -> None:
        """The handler of the alarm: the update takes too long to wait for. Raises RunError."""
        if not self._raises:
            raise self.error("stopped within an update; the last checkpoint counts")

    def raise_when_asked(self) -> None:
        """From now on a signal raises RunError wherever the run is: nothing is lost by that.

        Raises it now if the process has been asked already.
        """
        self._raises = True
        if self:
            raise self.error("stopped before the evaluation")

    def cancel_deadline(self) -> None:
        """The update was finished in time: saving it may take as long as it takes."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def error(self, what: str) -> RunError:
        """The RunError that ends the run: the signal's name and `what` it did."""
        return RunError(ExitCode.PREEMPTED, f"{self.name}: {what}")


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches STOP_SIGNALS within a `with` block; those that are ignored (nohup) stay ignored."""
    request = StopRequest()
    handled = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.receive) for number in handled}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, request.on_deadline)
    try:
        yield request
    finally:
        request.cancel_deadline()
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_children(number: int) -> None:
    """Sends a signal to this process's children."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                os.kill(int(stat.parent.name), number)
