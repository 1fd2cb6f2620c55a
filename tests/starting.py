"""Starting runs of a real game as a user does, and reading what they leave."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SMALL = ["ppo.num_envs=2", "ppo.num_steps=16", "evaluation.episodes=2", "wandb.mode=disabled"]
COMMAND = [sys.executable, "-m", "attn_ppo.train", *SMALL]
RUN = Path("runs/default/Breakout/lambda=0.005/seed=0")


def train(*overrides: str) -> subprocess.CompletedProcess:
    """A command line run to its end."""
    return subprocess.run([*COMMAND, *overrides], capture_output=True, text=True)


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with open(path) as file:
        return list(csv.DictReader(file))


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
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
