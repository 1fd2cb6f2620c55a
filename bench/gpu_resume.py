"""Whether a run that is killed and resumed ends as one that is left alone, to the last bit."""

import csv
import importlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attn_ppo.lifecycle.run_dir import read_status
from bench.gpu_part import LEFT_OUT, Ask, Row, judged
from bench.race import ROOT

WHAT = "a killed run ends as one left alone"
WHOLE, CUT = "whole", "cut"
PAUSE = 0.01  # seconds between looks at a run


class OutOfTime(Exception):
    """The deadline has come."""


def rows(ask: Ask) -> Iterator[Row]:
    """One row: two runs of the trainer at the same time, one of them killed and started again."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield _row(ask, Path.cwd(), processes)
    except OutOfTime as error:
        yield Row(WHAT, LEFT_OUT, f"no time: {error}; give more --minutes")
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _row(ask: Ask, root: Path, processes: list[subprocess.Popen[bytes]]) -> Row:
    def start(name: str) -> subprocess.Popen[bytes]:
        with open(root / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                command(ask, root, name), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        processes.append(process)
        return process

    whole, cut = start(WHOLE), start(CUT)
    kill_at = 12 if ask.rehearsal else 24
    folder = folder_of(root, CUT)
    wait(
        ask,
        lambda: cut.poll() is not None or (saved(folder) and updates(folder) >= kill_at),
        "the run to be killed had not come far enough",
    )
    cut.send_signal(signal.SIGKILL)
    if cut.wait() != -signal.SIGKILL:
        return judged(WHAT, False, _ended(root, CUT, cut))
    killed_after = updates(folder)
    for name, process in ((CUT, start(CUT)), (WHOLE, whole)):
        wait(ask, lambda p=process: p.poll() is not None, f"{name} was still going on")
        if process.returncode:
            return judged(WHAT, False, _ended(root, name, process))
    return verdict(root, killed_after)


def verdict(root: Path, killed_after: int) -> Row:
    """The row of two finished runs."""
    sys.path.append(str(ROOT / "tests"))
    difference = importlib.import_module("identical").difference
    found = difference(folder_of(root, CUT), folder_of(root, WHOLE))
    resumed = [int(row["inexact_resumes"]) for row in _table(folder_of(root, CUT))]
    told = f"SIGKILL after {killed_after} of {len(resumed)} updates, resumed: "
    told += found or "tables, evaluation and checkpoint are equal"
    backend = read_status(folder_of(root, WHOLE)).get("backend")
    return judged(WHAT, not found and not any(resumed), f"{backend}: {told}")


def command(ask: Ask, root: Path, name: str) -> Sequence[str]:
    """What starts a run: 30 small updates on the CPU; 96 on a GPU, which is done with them soon."""
    num_envs, num_steps, num_updates, every = (2, 16, 30, 5) if ask.rehearsal else (8, 32, 96, 8)
    threads = 1 if ask.rehearsal else min(2, ask.cores)
    return [
        *(sys.executable, "-m", "attn_ppo.train", "env=Breakout", "lambda=0.005", "seed=0"),
        *(f"root={root}", f"name={name}", f"device={ask.device}", "wandb.mode=disabled"),
        *(f"ppo.num_envs={num_envs}", f"ppo.num_steps={num_steps}", f"compute.threads={threads}"),
        *(f"total_steps={num_envs * num_steps * num_updates}", "evaluation.episodes=1"),
        *(f"checkpoint.every_updates={every}", "checkpoint.anchor_steps=100"),
    ]


def folder_of(root: Path, name: str) -> Path:
    """A run's folder."""
    return root / name / "Breakout" / "lambda=0.005" / "seed=0"


def updates(folder: Path) -> int:
    """How many updates a run has told of."""
    return len(_table(folder))


def saved(folder: Path) -> bool:
    """Whether a run has a checkpoint."""
    return bool(read_status(folder).get("env_steps"))


def wait(ask: Ask, condition: Callable[[], bool], otherwise: str) -> None:
    """Returns once the condition holds. Raises OutOfTime with `otherwise`."""
    while not condition():
        if not ask.left:
            raise OutOfTime(otherwise)
        time.sleep(PAUSE)


def _table(folder: Path) -> list[dict[str, str]]:
    try:
        with open(folder / "metrics.csv") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def _ended(root: Path, name: str, process: subprocess.Popen[bytes]) -> str:
    """How a run ended that should have gone on, and its last line."""
    lines = (root / f"{name}.log").read_text(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "without a word")
    done = updates(folder_of(root, name))
    return f"{name} ended with {process.returncode} after {done} updates: {last[:160]}"
