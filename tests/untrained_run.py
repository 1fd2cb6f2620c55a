"""Run folders of agents that learned nothing."""

import json
from pathlib import Path

import torch
from starting import SMALL

from attn_ppo import config
from attn_ppo.launch import command_line
from attn_ppo.lifecycle import checkpoint
from attn_ppo.model import ActorCritic


def write_run(*overrides: str, name: str = "demo", **status) -> Path:
    """A finished run of two updates, as it would lie there, of an agent that learned nothing."""
    words = ["attention.hidden=16", "total_steps=64", *SMALL[:2], f"name={name}", *overrides]
    settings = command_line.parse(words).configs[0]
    settings.folder.mkdir(parents=True)
    (settings.folder / "config.yaml").write_text(config.to_yaml(settings))
    table = "update,env_steps,episode_return,attention_entropy\n1,32,1,7\n2,64,2,6\n"
    (settings.folder / "metrics.csv").write_text(table)
    (settings.folder / "status.json").write_text(json.dumps({"state": "done"} | status))
    model = ActorCritic(4, settings.attention, torch.Generator().manual_seed(settings.seed))
    agent = {"model": model.state_dict(), "backend": "torch"}
    state = {"format": 2, "update": 2, "agent": agent}
    state |= {"rows": {}, "games": [], "origin": {"threads": 1}, "wandb_id": None}
    checkpoint.save(settings.folder, state)
    return settings.folder
