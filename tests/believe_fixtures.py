"""Fixtures of the tests of `analysis.believe`: made-up runs, and measuring them made up."""

import json
from pathlib import Path

import pytest
import torch
from believe_results import measures
from starting import SMALL

from analysis import believe, believe_agents
from attn_ppo import config
from attn_ppo.interpret.believe.measure import FORMAT
from attn_ppo.lifecycle import checkpoint
from attn_ppo.model import ActorCritic

HEADER = "update,env_steps,episode_return,attention_entropy,policy_entropy\n"
ROWS = "1,32,1,7,1.5\n2,64,{score},6,{entropy}\n"


@pytest.fixture
def write_run(settings_of):
    """A finished run of two updates of an agent that learned nothing, with an evaluation."""

    def write(*overrides: str, score: float = 2, entropy: float = 1, state="done") -> Path:
        words = ["attention.hidden=16", "total_steps=64", *SMALL[:2], "name=demo", *overrides]
        settings = settings_of(*words)
        folder = settings.folder
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(config.to_yaml(settings))
        (folder / "metrics.csv").write_text(HEADER + ROWS.format(score=score, entropy=entropy))
        (folder / "status.json").write_text(json.dumps({"state": state}))
        evaluation = {"score_mean": score, "scores": [score, score + 2], "env_steps": 64}
        evaluation["attention_entropy"] = 6
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
        _save_weights(folder, settings, settings.seed)
        return folder

    return write


def _save_weights(folder: Path, settings, seed: int) -> None:
    model = ActorCritic(4, settings.attention, torch.Generator().manual_seed(seed))
    agent = {"model": model.state_dict(), "backend": "torch"}
    state = {"format": 2, "update": 2, "agent": agent}
    state |= {"rows": {}, "games": [], "origin": {"threads": 1}, "wandb_id": None}
    checkpoint.save(folder, state)


@pytest.fixture
def save_weights():
    """Replaces a run's weights: save_weights(folder, settings, seed)."""
    return _save_weights


@pytest.fixture
def asked(monkeypatch):
    """The agents that were measured, by lambda and seed; measuring them is made up."""
    found = []

    def measure(agent, _recording, options, *, begin):
        begin("objects")
        found.append((agent.settings.lambda_, agent.settings.seed))
        about = {"format": FORMAT, "weights": agent.weights, "options": options._asdict()}
        return measures() | about | {"env_steps": agent.env_steps}

    monkeypatch.setattr(believe_agents, "measure", measure)
    monkeypatch.setattr(believe_agents, "recorded", lambda *_, **__: None)
    monkeypatch.setattr(believe, "available_cpus", lambda: 1)  # here, where it is made up
    return found
