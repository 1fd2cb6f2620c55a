"""What is told of measured agents beside the tables: in evaluation.json, and on W&B."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.believe_agents import Measured, write
from analysis.files import read_json
from analysis.runs import Run
from analysis.videos_on_wandb import Mirror
from attn_ppo.interpret.believe.verdict import Row
from attn_ppo.interpret.believe.verdict_measures import Agent


def summaries(measured: Measured, rows: Sequence[Row]) -> None:
    """Puts a few numbers of each agent into its evaluation.json, as "believe"."""
    keys = {row.game: row.key for row in rows}
    for run, agent in zip(measured.runs, measured.agents, strict=True):
        evaluation = _evaluation(run)
        if evaluation and evaluation.get("env_steps") == agent.measures["env_steps"]:
            told = evaluation | {"believe": summary(agent, keys[agent.game])}
            write(run.folder / "evaluation.json", json.dumps(told, indent=2) + "\n")


def summary(agent: Agent, key: str) -> dict[str, Any]:
    """The numbers of an agent that a person would look at first."""
    measures, on_key = agent.measures, agent.objects.get(key, {})
    attention = measures["methods"].get("attention", {})
    uniform = measures["interventions"].get("uniform", {})
    passing = [name for name, each in measures["methods"].items() if each.get("passes")]
    return {
        "object": key or None,
        "lift": _value(on_key.get("lift")),
        "seen": _value(on_key.get("seen")),
        "mutual_information": _value(on_key.get("information")),
        "importance": _value(on_key.get("importance")),
        "agreement": _value(attention.get("agreement")),
        "agreement_shifted": attention.get("timeless"),
        "uniform_kl": _value(uniform.get("kl_forward")),
        "methods_that_pass": passing,
    }


def told_on_wandb(measured: Measured) -> None:
    """Sends the summaries of what was measured now to the runs on W&B, where they are there."""
    mirror = Mirror(print, what="the measures")
    for run in measured.runs:
        if run.folder in measured.new and (evaluation := _evaluation(run)):
            mirror.show(replace(run, evaluation=evaluation), {}, env_steps=run.env_steps)
    mirror.tell_how_to_sync()


def _evaluation(run: Run) -> dict[str, Any] | None:
    """evaluation.json as it is now."""
    try:
        return read_json(run.folder / "evaluation.json", ("score_mean",))
    except (ValueError, OSError):
        return None


def _value(told: dict[str, Any] | None) -> float | None:
    return told["value"] if told else None
