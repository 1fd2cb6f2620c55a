"""What it costs to be resumable: the share of training that goes into checkpoints and anchors.

`python -m bench.overhead --updates 100` trains Breakout with the study's settings and counts the
seconds spent in everything that only a resume needs. Two runs, one with and one without, would
differ by less than this machine's noise.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import json
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from attn_ppo import train
from attn_ppo.agent import Agent
from attn_ppo.arguments import Parser
from attn_ppo.atari.action_log import ActionLog
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.config import RunConfig
from attn_ppo.launch import command_line
from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.keeper import Keeper
from attn_ppo.lifecycle.resume import Games
from attn_ppo.lifecycle.rows import Rows
from attn_ppo.lifecycle.run_dir import RunDir
from bench.pace import timed

PARTS = {
    "checkpoint: serialise, SHA-256, write, fsync": (checkpoint, "save"),
    "checkpoint: tables on the disk": (RunDir, "sync"),
    "every update: action logs and digests": (Games, "state"),
    "every update: lengths of the tables": (Rows, "state"),
    "every update: finite weights": (Agent, "is_finite"),
    "every update: a copy in memory": (Keeper, "keep"),
    "status.json": (RunDir, "write_status"),
    "anchors: seeded resets": (AtariEnvs, "_anchor"),
    "action log": (ActionLog, "add"),
    "action log: due": (ActionLog, "due"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 1 above 2 %."""
    parser = Parser("bench.overhead", __doc__, "--updates 20")
    parser.add_argument("--updates", type=int, default=100, help="to measure; default: 100")
    parser.add_argument("--out", type=Path, default=Path("bench/out"), help="default: bench/out")
    asked = parser.parse_args(arguments)
    out = asked.out.absolute()
    settings = command_line.parse(
        [
            f"total_steps={1024 * asked.updates}",
            "evaluation.episodes=0",
            "lambda=0.0005",
            "wandb.mode=disabled",
            "name=overhead",
        ]
    ).configs[0]
    result = measure(settings)
    out.mkdir(parents=True, exist_ok=True)
    (out / "overhead.json").write_text(json.dumps(result, indent=2) + "\n")
    for part, seconds in result["seconds"].items():
        print(f"{part:46}{seconds:8.3f} s  {100 * seconds / result['training']:6.3f} %")
    share = 100 * sum(result["seconds"].values()) / result["training"]
    print(f"{'together':46}{result['training']:8.1f} s  {share:6.3f} %")
    return int(share > 2)


def measure(settings: RunConfig) -> dict[str, Any]:
    """Seconds of a run's training and of each part of it."""
    spent = dict.fromkeys(PARTS, 0.0)
    for part, (owner, name) in PARTS.items():
        setattr(owner, name, timed(getattr(owner, name), spent, part))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        assert train.train(settings) == 0
        row = (settings.folder / "metrics.csv").read_text().split("\n")
        training = float(
            dict(zip(row[0].split(","), row[-2].split(","), strict=True))["elapsed_seconds"]
        )
    return {"training": training, "seconds": spent, "env_steps": settings.trained_steps}


if __name__ == "__main__":
    process.finish(lambda _: main())
