"""Starting runs of a real game as a user does, and reading what they leave."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import torch

from attn_ppo.train import main

SMALL = ["ppo.num_envs=2", "ppo.num_steps=16", "evaluation.episodes=2", "wandb.mode=disabled"]
COMMAND = [sys.executable, "-m", "attn_ppo.train", *SMALL]
RUN = Path("runs/default/Breakout/lambda=0.005/seed=0")


def run_command(*overrides: str) -> subprocess.CompletedProcess:
    """A command line run to its end, in a process of its own."""
    return subprocess.run([*COMMAND, *overrides], capture_output=True, text=True)


def train(*overrides: str) -> subprocess.CompletedProcess:
    """What `run_command` returns, of one run in this process: seconds sooner, nothing to import."""
    threads, alarm = torch.get_num_threads(), signal.getitimer(signal.ITIMER_REAL)
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            code = main([*SMALL, *overrides])
        finally:
            torch.set_num_threads(threads)
            signal.setitimer(signal.ITIMER_REAL, *alarm)  # pytest's time limit, which a run ends
    return subprocess.CompletedProcess(overrides, code, out.getvalue(), err.getvalue())


@contextmanager
def in_a_group(command: Sequence[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process group of its own, which a Ctrl-C reaches as one; nothing of it is left."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | variables,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, which may grow: what is there at one moment."""
    return list(csv.DictReader(path.read_text().splitlines()))


def wait_for(condition: Callable[[], object], seconds: float = 150.0) -> None:
    """Returns once the condition holds; files that it reads may not be there yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (OSError, ValueError):
            pass
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
