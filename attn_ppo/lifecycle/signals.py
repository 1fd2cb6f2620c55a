"""Signals that ask a process to stop: a run saves first, a sweep signals its runs.

After the first signal the update in progress may finish and be saved; one that takes longer than
SAVE_SECONDS is given up, and what the update before it left is saved (keeper.py). A second signal
quits at once, unless it comes within SAME_REQUEST_SECONDS of the first: Ctrl-C reaches a run twice,
from the terminal and from its sweep, and so does a scheduler's signal.

handle, held_back, let_in · StopRequest, stop_request · signal_children · say_at_once.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Container, Iterator
from typing import Any

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import processes

STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,  # with USR2 how Slurm announces the end of a job
    signal.SIGUSR2,
)
SAME_REQUEST_SECONDS = 1.0
SAVE_SECONDS = 5.0


def handle(handler: Callable[[int, Any], object] | signal.Handlers) -> None:
    """Sets the handler of STOP_SIGNALS; those that are ignored (nohup) stay ignored."""
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Holds STOP_SIGNALS back in this thread, and in what it starts until that calls `let_in`.

    A new process would be ended by them until it has handlers: with a traceback, or unmarked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_in() -> None:
    """Lets STOP_SIGNALS in, those first that came while they were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


class StopRequest:
    """Whether this process has been asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.gave_up = False  # whether it took too long to wait for
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
        say_at_once(f"{self.name}: saving, then stopping; again to quit unsaved")
        if self._raises:
            raise self.error("stopped during the evaluation")
        signal.setitimer(signal.ITIMER_REAL, SAVE_SECONDS)

    def on_deadline(self, *_: Any) -> None:
        """The handler of the alarm: the update takes too long to wait for. Raises RunError."""
        if not self._raises:
            self.gave_up = True
            raise self.error("stopped within an update")

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
    before = {number: signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, request.on_deadline)
    handle(request.receive)
    try:
        yield request
    finally:
        request.cancel_deadline()
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_children(number: int, but: Container[int] = ()) -> set[int]:
    """Sends a signal to this process's children, not to the pids in `but`; returns the pids."""
    reached = set[int]()
    for pid in processes.children(os.getpid()):
        with contextlib.suppress(OSError):
            if pid not in but:
                os.kill(pid, number)
                reached.add(pid)
    return reached


def say_at_once(text: str) -> None:
    """Prints a line to stderr from a signal's handler, where the stream itself may be in use.

    On a terminal in the place of a progress bar, which is drawn again below it.
    """
    with contextlib.suppress(OSError):
        clear = "\r\x1b[K" if os.isatty(2) else ""
        os.write(2, f"{clear}{text}\n".encode())
