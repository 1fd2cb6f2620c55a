"""The measures of a sweep's agents, kept in their folders: all_measured -> Measured.

<run>/believe.json is used again while the agent's weights and the options are the same, so that a
command that was stopped goes on where it was.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from analysis.files import read_json
from analysis.groups import evaluation_games
from analysis.runs import Problem, Run
from analysis.videos_on_wandb import Mirror
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.interpret.believe.games import UNCHANGED
from attn_ppo.interpret.believe.measure import FORMAT, STAGES, measure
from attn_ppo.interpret.believe.subject import Options
from attn_ppo.interpret.believe.verdict import Agent, Row
from attn_ppo.interpret.network import OpenAgent, open_agent
from attn_ppo.interpret.play.record import recorded
from attn_ppo.lifecycle.disk import disk_error, write_atomically

FILE = "believe.json"


class Measured(NamedTuple):
    """The agents of a sweep; `runs` are theirs, in the same order."""

    runs: list[Run]
    agents: list[Agent]
    new: set[Path]  # folders of the runs that weren't measured before


class Wanted(NamedTuple):
    """An agent to measure."""

    run: Run
    folder: Path  # where its measures and its recording are kept
    milestone: int | None = None  # of the run, counted from 1; None: as last saved

    def open(self) -> OpenAgent:
        return open_agent(self.run.folder, self.milestone)


class Progress:
    """A bar on a terminal, over the parts of the work by their usual time; lines elsewhere."""

    def __init__(self, agents: int):
        self._agents, self._number, self._began, self._stage = agents, 0, time.monotonic(), ""
        self._shares = {"recording": 20, **STAGES}
        shape = "{desc} |{bar}| {percentage:3.0f} %, {remaining} to go"
        total = agents * sum(self._shares.values())
        self._bar = tqdm(total=total, bar_format=shape, disable=None)

    def agent(self, label: str) -> None:
        """Begins the next agent."""
        self._finish_stage()
        done, self._number = self._number, self._number + 1
        self._label = label
        if not self._bar.disable:
            return
        left = (time.monotonic() - self._began) / done * (self._agents - done) if done else 0
        to_go = f", about {max(1, round(left / 60))} min to go" if done else ""
        print(f"measuring {label} ({self._number} of {self._agents}{to_go})", flush=True)

    def stage(self, name: str) -> None:
        """Begins a part of the work on the agent."""
        self._finish_stage()
        self._stage = name
        self._bar.set_description(f"{self._label}: {name}")

    def close(self) -> None:
        self._finish_stage()
        self._bar.close()

    def _finish_stage(self) -> None:
        self._bar.update(self._shares.get(self._stage, 0))
        self._stage = ""


def all_measured(
    runs: Sequence[Run], options: Options, stress: Mapping[str, list[float]]
) -> Measured:
    """Measures what isn't kept; prints a line for each agent that can't be measured.

    `stress`: as `stress_of` reads it.
    """
    subjects = [Wanted(run, run.folder) for run in runs]
    found = measure_all(subjects, options)
    runs = [subject.run for subject, _, _ in found]
    agents = [
        agent_of(
            subject.run,
            measures,
            evaluation_games(subject.run).tolist(),
            stress.get(measures["weights"], []),
        )
        for subject, measures, _ in found
    ]
    return Measured(runs, agents, {subject.folder for subject, _, new in found if new})


def measure_all(
    subjects: Sequence[Wanted], options: Options
) -> list[tuple[Wanted, dict[str, Any], bool]]:
    """The measures of those that can be measured, and whether they are new."""
    kept = [_kept(subject, options) for subject in subjects]
    found = []
    with closing(Progress(sum(each is None for each in kept))) as progress:
        for subject, before in zip(subjects, kept, strict=True):
            try:
                measures = before or _measured(subject, options, progress)
            except (ConfigError, RunError, KeyError, RuntimeError) as error:
                if isinstance(error, RunError) and error.code == ExitCode.DISK:
                    raise
                what = str(error).removeprefix("error: ")
                tqdm.write(str(Problem("skipped", subject.folder, what)))
                continue
            found.append((subject, measures, before is None))
    return found


def agent_of(
    run: Run, measures: dict[str, Any], scores: Sequence[float] = (), stress: Sequence[float] = ()
) -> Agent:
    """A run's agent as the verdict takes it; without `scores` they are of the games played here."""
    scores = scores or measures["scores"].get("unchanged", [])
    config, settings = run.config, run.variant.short
    return Agent(
        config.env, config.lambda_, settings, config.seed, tuple(scores), measures, tuple(stress)
    )


def stress_of(path: Path) -> dict[str, list[float]]:
    """What `make stress` wrote: by SHA-256 of the weights, per cent of the score that each change
    of the game costs, in the games played last. {} without such a file."""
    try:
        table = pd.read_csv(path)
        means = table.pivot_table("score", ["weights", "games_seed", "games"], "change", sort=False)
        means = means.droplevel(["games_seed", "games"])
        means = means[~means.index.duplicated(keep="last")]  # its own games alone: they are matched
    except (OSError, ValueError, KeyError):
        return {}
    if UNCHANGED.name not in means:
        return {}
    before = means.pop(UNCHANGED.name)
    lost = 100 * (1 - means.div(before.where(before != 0), axis=0))
    return {str(weights): row.dropna().tolist() for weights, row in lost.iterrows()}


def summaries(measured: Measured, rows: Sequence[Row]) -> None:
    """Puts a few numbers of each agent into its evaluation.json, as "believe"."""
    keys = {row.game: row.key for row in rows}
    for run, agent in zip(measured.runs, measured.agents, strict=True):
        evaluation = _evaluation(run)
        if evaluation and evaluation.get("env_steps") == agent.measures["env_steps"]:
            told = evaluation | {"believe": summary(agent, keys[agent.game])}
            _write(run.folder / "evaluation.json", json.dumps(told, indent=2) + "\n")


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


def _kept(subject: Wanted, options: Options) -> dict[str, Any] | None:
    """What an earlier command measured, if it is of these weights and options."""
    try:
        kept = read_json(subject.folder / FILE, ("format", "weights", "options"))
    except (ValueError, OSError):
        return None
    if not kept or kept["format"] != FORMAT or kept["options"] != options._asdict():
        return None
    try:
        return kept if subject.open().weights == kept["weights"] else None
    except (ConfigError, RunError, KeyError, RuntimeError):
        return None  # what is wrong is told when it is measured


def _measured(subject: Wanted, options: Options, progress: Progress) -> dict[str, Any]:
    agent, folder = subject.open(), subject.folder
    progress.agent(agent.settings.label)
    progress.stage("recording")
    recording = recorded(folder, agent, steps=options.steps, seed=options.seed)
    found = measure(agent, recording, options, begin=progress.stage)
    _write(folder / FILE, json.dumps(found, indent=1) + "\n")
    return found


def _evaluation(run: Run) -> dict[str, Any] | None:
    """evaluation.json as it is now."""
    try:
        return read_json(run.folder / "evaluation.json", ("score_mean",))
    except (ValueError, OSError):
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise disk_error(path, error, len(text)) from None


def _value(told: dict[str, Any] | None) -> float | None:
    return told["value"] if told else None
