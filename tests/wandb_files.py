"""What W&B's own tools say of a run folder, and the run that the mirror's tests describe to W&B."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIG = {"env": "Breakout", "lambda": 0.0005, "seed": 0, "ppo": {"gamma": 0.99}}
ABOUT: dict[str, Any] = {
    "project": "attention",
    "entity": None,
    "tags": ["study", "Breakout", "lambda=0.0005"],
    "name": "Breakout lambda=0.0005 seed=0",
    "group": "paper",
    "config": CONFIG,
}


def records(folder: Path) -> list[dict[str, Any]]:
    """What one W&B run folder holds, read by W&B's own tool."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows of one W&B run folder, without W&B's own columns."""
    items = [r["history"]["item"] for r in records(folder) if r["type"] == "history"]
    return [{k: v for k, v in item.items() if not k.startswith("_")} for item in items]


def sync(folder: Path) -> None:
    """Upload a run folder with W&B's own command."""
    command = [sys.executable, "-m", "wandb", "sync", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder)
