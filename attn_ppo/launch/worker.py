"""One job of a sweep, in whatever process the launcher put it: it starts the run and waits for it.

A run is a process of its own on every engine, so whatever happens to it stays there.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from hydra.core.hydra_config import HydraConfig

from attn_ppo.errors import ExitCode
from attn_ppo.launch import conf_files, gpus, parent, slurm
from attn_ppo.launch.settings import settings_at
from attn_ppo.lifecycle import signals
from attn_ppo.lifecycle.run_dir import FINAL, is_done, mark_status, read_status
from attn_ppo.lifecycle.signals import SAME_REQUEST_SECONDS, STOP_SIGNALS, signal_children
from attn_ppo.lifecycle.wandb_environment import without_those_of_one_run

# What a worker of joblib gets when the sweep's main process is gone. macOS has no SIGRTMIN.
ORPHANED = getattr(signal, "SIGRTMIN", signal.SIGURG)


@cache
def this_worker() -> "Worker":
    """The worker of this process: the launcher's jobs share it, and the sweep's own loop."""
    return Worker()


class Worker:
    """A process that starts runs and waits for them: the sweep's own, or one of its launcher's."""

    def __init__(self) -> None:
        self._leads = False  # whether this is the sweep's own process
        self._say: Callable[[str], object] = str  # what answers an interrupt
        self._interrupted_by: int | None = None
        self._interrupted_at = 0.0
        self._reached = set[int]()  # the children that were told
        self._run: subprocess.Popen[bytes] | None = None

    def run_one(self, own: Path | None, given_up: Container[Path] = ()) -> int:
        """Hydra's present job: a run in a process of its own; returns its exit code.

        `own` is the user's folder of settings. Runs that are done, or that this sweep has given
        up, are left as they are.
        """
        asked = HydraConfig.get().overrides.task
        settings = settings_at(asked, own)
        folder = settings.folder
        requeue = signal.getsignal(signal.SIGUSR2)  # where submitit put its handler
        if threading.current_thread() is threading.main_thread():
            self.handle_interrupts()  # in the launcher's process, wherever that is
        before, hydra, environment = read_status(folder), HydraConfig.get(), dict(os.environ)
        launcher = hydra.runtime.choices["hydra/launcher"]
        if launcher == "joblib":
            if not self._leads:  # as it does where one run at a time needs no further process
                signal.signal(ORPHANED, self._end_as_orphan)
                parent.end_with_parent(ORPHANED)
            visible = gpus.visible_gpus(os.environ)
            environment |= gpus.job_environment(settings.device, hydra.job.num, visible)
        elif launcher == "submitit_slurm":
            environment |= slurm.thread_environment(os.environ)
        if is_done(settings) or folder in given_up:
            return ExitCode.DONE
        code = ExitCode.PREEMPTED
        if not self.interrupted():
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "attn_ppo.train", *asked, *conf_files.flags(own)]
            with open(folder / "output.log", "ab") as log:
                printed = log.tell()
                code = self._call(command, log, environment)
            if code not in (ExitCode.DONE, ExitCode.BUSY):
                _mark_sudden_end(folder, code, before, printed)
        stopped = code == ExitCode.PREEMPTED or -code in STOP_SIGNALS
        if launcher == "submitit_slurm" and stopped and slurm.should_requeue(os.environ):
            assert callable(requeue)
            requeue(signal.SIGUSR2, None)  # counts time limits reached, ends this process
        return code

    def lead(self, say: Callable[[str], object]) -> None:
        """`handle_interrupts` in the sweep's own process; `say` is told the first one's name."""
        self._leads, self._say = True, say
        self.handle_interrupts()

    def handle_interrupts(self) -> None:
        """From here on an interrupt lets the runs save and end, and starts no further one.

        As KeyboardInterrupt it would make joblib kill the runs before they had saved. Signals are
        passed on, through the launcher's workers where it has any; the terminal's Ctrl-C reaches
        all of them at once too, so one soon after the first counts as the same. A second one ends
        all.
        """

        def receive(number: int, _: Any) -> None:
            first = not self.interrupted()
            if self._pass_on_once(number):
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            if first:
                self._say(signal.Signals(number).name)

        if not self.interrupted():
            signals.handle(receive)
        signals.let_in()

    def interrupted(self) -> bool:
        """Whether this process has been interrupted."""
        return self._interrupted_by is not None

    def pass_on(self) -> None:
        """Tells those children of an interrupt that were born after it."""
        if self._interrupted_by is not None:
            self._reached |= signal_children(self._interrupted_by, but=self._reached)

    def _call(self, command: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> int:
        """Runs a command to its end; returns its exit code, below 0 the signal that killed it."""
        null, environment = subprocess.DEVNULL, without_those_of_one_run(environment)
        environment[parent.VARIABLE] = str(os.getpid())
        with signals.held_back():
            run = subprocess.Popen(command, stdin=null, stdout=log, stderr=log, env=environment)
        self._run = run
        if self.interrupted():  # since we looked last
            run.terminate()
        return run.wait()

    def _pass_on_once(self, number: int) -> bool:
        """Asks the runs to stop; if that was asked before, ends them and returns True."""
        if self._interrupted_by is None:
            self._interrupted_by, self._interrupted_at = number, time.monotonic()
            self.pass_on()
            return False
        if time.monotonic() - self._interrupted_at <= SAME_REQUEST_SECONDS:
            return False
        signal_children(number)
        if self._run:
            self._run.kill()  # it may be stuck where no handler of its own is called
        return True

    def _end_as_orphan(self, *_: Any) -> None:
        """Ends a worker, which would idle for minutes, without waiting for its run."""
        self._pass_on_once(signal.SIGTERM)
        os._exit(ExitCode.PREEMPTED)


def _mark_sudden_end(folder: Path, code: int, before: Mapping[str, Any], printed: int) -> None:
    """Marks a run whose process ended without saying why: killed, or before it had its folder.

    The run's own output starts `printed` bytes into output.log.
    """
    status = read_status(folder)
    if status.get("state") in FINAL and status.get("heartbeat") != before.get("heartbeat"):
        return
    number = signal.Signals(-code) if code < 0 else None
    lines = (folder / "output.log").read_bytes()[printed:].decode(errors="replace").split("\n")
    told = "" if code == ExitCode.PREEMPTED else "error: "  # a stop in time is no error
    said = next((line for line in reversed(lines) if line and line.startswith(told)), "")
    cause = f"killed by {number.name}" if number else said.removeprefix("error: ")
    cause += " (out of memory?)" if number == signal.SIGKILL else ""
    stopped = code == ExitCode.PREEMPTED or number in STOP_SIGNALS
    state = "preempted" if stopped else "failed"
    mark_status(folder, state, cause=cause or f"exit code {code}", exit_code=code)
