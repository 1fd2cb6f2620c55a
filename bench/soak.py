"""Does a run grow? Follows one for half an hour: memory, threads, open files.

`python -m bench.soak --minutes 30` trains Breakout with short updates, saving every fifth of them
and logging to W&B offline, so that whatever leaks has many steps to do so. Memory goes up and down
within an update, so the least of half a minute counts.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from attn_ppo.arguments import Parser

OVERRIDES = [
    "ppo.num_epochs=1",
    "attention.hidden=64",
    "checkpoint.every_updates=5",
    "checkpoint.anchor_steps=2000",
    "lambda=0.0005",
    "total_steps=1e9",
    "wandb.mode=offline",
    "name=soak",
]
WINDOW = 30
COLUMNS = ("seconds", "env_steps", "rss_mb", "threads", "open_files")
WARM_UP = 0.2  # share of the time before growth is looked at: buffers fill, the allocator settles


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 1 where the run grew."""
    parser = Parser("bench.soak", __doc__, "--minutes 5")
    parser.add_argument("--minutes", type=float, default=30, help="of training; default: 30")
    parser.add_argument("--out", type=Path, default=Path("bench/out"), help="default: bench/out")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    samples = follow(asked.minutes * 60)
    with open(asked.out / "soak.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *samples])
    return judge(np.array(samples))


def follow(seconds: float) -> list[tuple[float, ...]]:
    """The least memory of each WINDOW, with the steps then, of a run ended after `seconds`."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "attn_ppo.train", *OVERRIDES]
        run = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
        metrics = Path(folder) / "runs/soak/Breakout/lambda=0.0005/seed=0/metrics.csv"
        began, samples = time.monotonic(), []
        while run.poll() is None and time.monotonic() < began + seconds:
            window = []
            for _ in range(WINDOW):
                time.sleep(1)
                window += [sample(run.pid, metrics)] if metrics.exists() else []
            if window:
                samples.append((round(time.monotonic() - began, 1), *min(window, key=memory)))
        run.terminate()
        assert run.wait() == 75, "the run ended before its time"
    return samples


def memory(measured: tuple[int, float, int, int]) -> float:
    """The second of a sample's numbers."""
    return measured[1]


def sample(pid: int, metrics: Path) -> tuple[int, float, int, int]:
    """Agent steps, resident memory in MB, threads and open files of a process."""
    steps = (metrics.read_bytes().count(b"\n") - 1) * 1024
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return steps, int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files


def judge(samples: np.ndarray) -> int:
    """Says how memory, threads and files went after the warm-up; 1 if any of them grew."""
    late = samples[samples[:, 0] > WARM_UP * samples[-1, 0]]
    slope = np.polyfit(late[:, 1] / 1e6, late[:, 2], 1)[0]
    thirds = np.array_split(late, 3)
    threads, files = ([float(np.median(part[:, i])) for part in thirds] for i in (3, 4))
    print(f"{samples[-1, 0] / 60:.0f} minutes, {samples[-1, 1]:,.0f} agent steps")
    print(f"memory {late[0, 2]:.0f} to {late[-1, 2]:.0f} MB: {slope:+.1f} MB a million steps")
    print(f"threads {threads}, open files {files} (medians of thirds)")
    return int(slope > 10 or threads[0] < threads[-1] or files[0] < files[-1])


if __name__ == "__main__":
    process.finish(lambda _: main())
