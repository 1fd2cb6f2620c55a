"""Being asked to stop: a run saves first, a sweep passes it on.

The first signal lets the update in progress finish and be saved; a second one quits at once.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attn_ppo.run_dir import ExitCode, RunError

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ASKING = (*INTERRUPTS, signal.SIGUSR1, signal.SIGUSR2)  # the last two: how Slurm announces an end


class StopRequest:
    """Whether this process has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._at_once = False

    def __bool__(self) -> bool:
        return self.name is not None

    def receive(self, number: int, _: Any = None) -> None:
        """The handler of the signals in ASKING."""
        if self:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.name = signal.Signals(number).name
        with contextlib.suppress(OSError):
            print(f"{self.name}: saving, then stopping; again to quit unsaved", file=sys.stderr)
        if self._at_once:
            raise self.error("during the evaluation")

    def stop_at_once(self) -> None:
        """From here on nothing is lost by stopping anywhere: raise RunError, now or when asked."""
        self._at_once = True
        if self:
            raise self.error("before the evaluation")

    def error(self, where: str) -> RunError:
        """What ends the run."""
        return RunError(ExitCode.PREEMPTED, f"{self.name}: saved {where}")


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches the signals that ask a run to stop. One that is ignored (nohup) stays ignored."""
    request = StopRequest()
    handled = [n for n in ASKING if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, request.receive) for number in handled}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def pass_on(number: int) -> None:
    """Sends a signal to this process's children."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                os.kill(int(stat.parent.name), number)
