"""What a run costs before it learns anything: seconds up to its first row, and memory.

`python -m bench.growth_start BEGAN KEY=VALUE ...` is a child: train, ended after the first update.
BEGAN is the time at which the parent started it.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.pace import ContenderError, take_turns, timed
from bench.race import Tell, environment

PARTS = (
    "Python, our imports",
    "settings",
    "torch",
    "kernels",
    "network",
    "games",
    "first update",
    "the rest",
)
CACHES = ("warm", "cold")  # whether the kernels were built before
PATIENCE = 300.0
UPDATES = 4  # of the runs whose memory is looked at


def starts(
    game: str, threads: int, deadline: float, tell: Tell
) -> dict[str, list[dict[str, float]]]:
    """By cache, seconds a part of each start of a run; "cold" builds the kernels.

    Raises ContenderError.
    """
    with tempfile.TemporaryDirectory() as kept:

        def start(cache: str) -> dict[str, float]:
            if cache == "warm":
                return _start(game, threads, kept)
            with tempfile.TemporaryDirectory() as empty:
                return _start(game, threads, empty)

        start("warm")  # now they are built
        tell("start: the kernels are built")
        cold, _ = take_turns(["cold"], start, deadline=0, at_least=2)
        warm, _ = take_turns(["warm"], start, deadline=deadline, at_least=5)
    return warm | cold


def _start(game: str, threads: int, cache: str) -> dict[str, float]:
    """Seconds a part of one run's start."""
    overrides = [f"env={game}", "wandb.mode=disabled", "evaluation.episodes=0"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.growth_start", repr(time.time()), *overrides]
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment(threads) | {"XDG_CACHE_HOME": cache},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    found = re.search(r"^parts (\{.*\})$", done.stdout, re.MULTILINE)
    if not found:
        last = (done.stderr.strip() or "without a word").splitlines()[-1]
        raise ContenderError(f"a run didn't start: {last[:160]} (exit code {done.returncode})")
    return json.loads(found[1])


def main(arguments: Sequence[str]) -> None:
    """The child: tells where the time went once the first row is written, and ends."""
    began, *overrides = arguments
    spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)

    from attn_ppo import train
    from attn_ppo.launch import command_line, sweep

    spent["Python, our imports"] = time.time() - float(began)
    train_now: Any = train.train

    def train_timed(settings: Any) -> int:
        timed(_import_torch, spent, "torch")()
        _time_a_run(spent, float(began))
        return train_now(settings)

    for owner, name in ((command_line, "parse"), (sweep, "check")):
        setattr(owner, name, timed(getattr(owner, name), spent, "settings"))
    train.train = train_timed
    train.main(overrides)


def _import_torch() -> None:
    import attn_ppo.run  # noqa: F401, and all that it needs


def _time_a_run(spent: dict[str, float], began: float) -> None:
    """Times the parts of a run that begins now, and ends it at its first row."""
    from attn_ppo import run
    from attn_ppo.compute import backends
    from attn_ppo.lifecycle.rows import Rows

    whole: Any = run
    parts = {
        "kernels": (backends, "choose"),
        "network": (whole, "make_agent"),
        "games": (whole.resume, "begin_games"),
        "first update": (whole, "learn"),
    }
    for part, (owner, name) in parts.items():
        setattr(owner, name, timed(getattr(owner, name), spent, part))
    write = Rows.write

    def write_and_end(*args: Any, **more: Any) -> None:
        write(*args, **more)
        rest = time.time() - began - sum(spent.values())
        print(f"\nparts {json.dumps(spent | {'the rest': rest})}", flush=True)
        os._exit(0)

    setattr(Rows, "write", write_and_end)  # noqa: B010 pyright sees the return type


def memory(game: str, sizes: Sequence[int], tell: Tell) -> dict[int, dict[str, float]]:
    """Environments -> MB of a run: resident while it learns, and the peak, checkpoint included.

    Resident is missing where there is no /proc. Raises ContenderError.
    """
    found = {}
    for size in sizes:
        found[size] = _memory(
            f"env={game}", f"ppo.num_envs={size}", f"ppo.num_steps={1024 // size}"
        )
        tell(f"memory: {size} environments")
    return found


def _memory(*overrides: str) -> dict[str, float]:
    """MB of a run of a few updates."""
    more = [f"total_steps={1024 * UPDATES}", "evaluation.episodes=0", "wandb.mode=disabled"]
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.Popen(
            [sys.executable, "-m", "attn_ppo.train", *overrides, *more],
            cwd=folder,
            env=os.environ | environment(1),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        samples: list[float] = []
        pid = 0
        while not pid:
            pid, status, usage = os.wait4(run.pid, os.WNOHANG)
            if any(t.read_bytes().count(b"\n") > 1 for t in Path(folder).rglob("metrics.csv")):
                samples += _resident(run.pid)
            time.sleep(0.05)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise ContenderError(f"a run of {' '.join(overrides)} ended with {run.returncode}")
    scale = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, elsewhere KiB
    resident = {"resident": median(samples)} if samples else {}
    return {**resident, "peak": usage.ru_maxrss / scale}


def _resident(pid: int) -> list[float]:
    """MB of a process at this moment; nothing once it is gone."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        if match := re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE):
            return [int(match[1]) * 1024 / 1e6]
    return []


if __name__ == "__main__":
    main(sys.argv[1:])
