"""A run folder with the agent of planted.py."""

from pathlib import Path

import planted
import torch

from attn_ppo import config
from attn_ppo.launch import command_line
from attn_ppo.lifecycle import saved
from attn_ppo.lifecycle.saved import Saved

SETTINGS = ["env=Breakout", "lambda=0.0005", "attention.maps=1", "attention.hidden=8"]


def write_planted_run(path: Path) -> Path:
    """`path`, with the agent after 5 updates of 8 * 128 agent steps."""
    settings = command_line.parse(SETTINGS).configs[0]
    path.joinpath("config.yaml").write_text(config.to_yaml(settings))
    weights = planted.planted().state_dict()
    agent = {"model": weights, "optimizer": {}, "rng": torch.zeros(1), "backend": "torch"}
    rows = {"recent": [], "elapsed_seconds": 0.0, "sizes": {}}
    origin = {"circumstances": {}, "inexact_resumes": [], "threads": 1}
    saved.save(path, Saved(5, agent, rows, [], origin, None))  # pyright: ignore[reportArgumentType]
    return path
