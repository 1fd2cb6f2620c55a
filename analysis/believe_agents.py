"""The measures of a sweep's agents, kept in their folders: all_measured -> Measured.

What is kept, <run>/believe.json, is used again while the agent's weights and the options are the
same, so that a command that was stopped goes on where it was. Weights that are gone are no others.
"""

import json
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm import tqdm

from analysis.files import read_json
from analysis.groups import evaluation_games
from analysis.runs import Problem, Run
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.interpret.believe.games import UNCHANGED
from attn_ppo.interpret.believe.measure import FORMAT, LOOKING, STAGES, measure, measure_looking
from attn_ppo.interpret.believe.subject import Options
from attn_ppo.interpret.believe.verdict_measures import Agent
from attn_ppo.interpret.network import OpenAgent, open_agent
from attn_ppo.interpret.play.record import recorded
from attn_ppo.lifecycle import weights
from attn_ppo.lifecycle.disk import disk_error, write_atomically

FILE, LOOKING_FILE = "believe.json", "believe_looking.json"


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
    looking: bool = False  # where attention lies, and nothing else
    lost: bool = False  # its weights aren't there any more, only what was measured

    def open(self) -> OpenAgent:
        if self.lost:
            of = "milestone" if self.folder != self.run.folder else "agent"
            raise RunError(ExitCode.NO_CHECKPOINT, f"the weights of this {of} are gone")
        return open_agent(self.run.folder, self.milestone)


def as_last_saved(run: Run, looking: bool = False) -> Wanted:
    """The agent of a run, lost where the folder has measures of it, but no checkpoint or export."""
    there = any(run.folder.glob("checkpoint*")) or (run.folder / weights.FILE).exists()
    lost = not there and (run.folder / FILE).exists()
    return Wanted(run, run.folder, looking=looking, lost=lost)


class Progress:
    """A bar on a terminal, over the parts of the work by their usual time; lines elsewhere."""

    def __init__(self, agents: int, stages: Iterable[str] = STAGES):
        self._agents, self._number, self._began, self._stage = agents, 0, time.monotonic(), ""
        self._shares = {"recording": 20, **{name: STAGES[name] for name in stages}}
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
    runs: Sequence[Run], options: Options, stress: Mapping[str, list[float]], jobs: int = 1
) -> Measured:
    """Measures what isn't kept; prints a line for each agent that can't be measured.

    `stress`: as `stress_of` reads it. `jobs`: agents at a time.
    """
    subjects = [as_last_saved(run) for run in runs]
    found = measure_all(subjects, options, jobs)
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
    subjects: Sequence[Wanted], options: Options, jobs: int = 1
) -> list[tuple[Wanted, dict[str, Any], bool]]:
    """The measures of those that can be measured, and whether they are new.

    `jobs` agents are measured at a time, each in a process of its own with one thread.
    """
    kept = [_kept(subject, options) for subject in subjects]
    left = [each for each, before in zip(subjects, kept, strict=True) if before is None]
    fresh = iter((_at_once if min(jobs, len(left)) > 1 else _in_turn)(left, options, jobs))
    found = []
    for subject, before in zip(subjects, kept, strict=True):
        measures = before or next(fresh)
        if measures:
            found.append((subject, measures, before is None))
    return found


def _in_turn(
    subjects: Sequence[Wanted], options: Options, _jobs: int
) -> list[dict[str, Any] | None]:
    """The measures of each; None for one that can't be measured, whose problem is told."""
    found = []
    light = all(subject.looking for subject in subjects)
    with closing(Progress(len(subjects), LOOKING if light else STAGES)) as progress:
        for subject in subjects:
            found.append(_told(_tried(subject, options, progress)))
    return found


def _at_once(
    subjects: Sequence[Wanted], options: Options, jobs: int
) -> list[dict[str, Any] | None]:
    """The same, so many at a time; each is kept as soon as it is done."""
    found: list[dict[str, Any] | None] = [None] * len(subjects)
    tasks = (delayed(_in_a_worker)(*each, options) for each in enumerate(subjects))
    began, shape = time.monotonic(), "{desc} |{bar}| {n} of {total} agents, {remaining} to go"
    print(f"measuring {len(subjects)} agents, {min(jobs, len(subjects))} at a time", flush=True)
    with (
        parallel_config("loky", inner_max_num_threads=1),
        tqdm(total=len(subjects), bar_format=shape, smoothing=0, disable=None) as bar,
    ):
        work: Any = Parallel(n_jobs=jobs, return_as="generator_unordered")
        try:
            for done, (number, measures) in enumerate(work(tasks), 1):
                found[number] = _told(measures)
                bar.update()
                left = (time.monotonic() - began) / done * (len(subjects) - done)
                line = f"{label_of(subjects[number])} ({done} of {len(subjects)}"
                if bar.disable:
                    to_go = f", about {max(1, round(left / 60))} min to go" if left else ""
                    print(f"measured {line}{to_go})", flush=True)
        except TerminatedWorkerError:
            reason = (
                "a process that measured an agent was killed: out of memory? --jobs 1 needs less"
            )
            raise RunError(ExitCode.RUN_FAILED, reason) from None
    return found


def _in_a_worker(
    number: int, subject: Wanted, options: Options
) -> tuple[int, dict[str, Any] | Problem]:
    """Its place among the others, and what was found."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal it is the parent's to answer
    return number, _tried(subject, options, None)


def _tried(
    subject: Wanted, options: Options, progress: Progress | None
) -> dict[str, Any] | Problem:
    """Its measures, or why there are none. Raises RunError where the disk doesn't take them."""
    try:
        return _measured(subject, options, progress)
    except (ConfigError, RunError, KeyError, RuntimeError) as error:
        if isinstance(error, RunError) and error.code == ExitCode.DISK:
            raise
        return Problem("skipped", subject.folder, str(error).removeprefix("error: "))


def _told(found: dict[str, Any] | Problem) -> dict[str, Any] | None:
    """The measures; a problem is printed."""
    if isinstance(found, Problem):
        tqdm.write(str(found))
        return None
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


def _kept(subject: Wanted, options: Options) -> dict[str, Any] | None:
    """What an earlier command measured, if it is of these weights and options."""
    asked = _asked(subject, options).items()
    for file in (FILE, LOOKING_FILE) if subject.looking else (FILE,):
        try:
            kept = read_json(subject.folder / file, ("format", "weights", "options"))
            if not kept or kept["format"] != FORMAT or not asked <= kept["options"].items():
                continue
            if subject.lost or subject.open().weights == kept["weights"]:
                return kept
        except (ConfigError, RunError, KeyError, RuntimeError, ValueError, OSError):
            continue  # what is wrong is told when it is measured
    return None


def _asked(subject: Wanted, options: Options) -> dict[str, int]:
    """The options on which what is measured depends."""
    names = ("steps", "seed") if subject.looking else Options._fields
    return {name: getattr(options, name) for name in names}


def _measured(subject: Wanted, options: Options, progress: Progress | None) -> dict[str, Any]:
    agent, folder = subject.open(), subject.folder
    if progress:
        progress.agent(label_of(subject))
    begin = progress.stage if progress else lambda _: None
    begin("recording")
    recording = recorded(folder, agent, steps=options.steps, seed=options.seed)
    if subject.looking:
        found = measure_looking(agent, recording, options, begin=begin)
        found |= {"options": _asked(subject, options)}
    else:
        found = measure(agent, recording, options, begin=begin)
    file = LOOKING_FILE if subject.looking else FILE
    write(folder / file, json.dumps(found, indent=1) + "\n")
    return found


def label_of(subject: Wanted) -> str:
    """`Breakout lambda=0 seed=1`, of a milestone with its folder's name."""
    label = subject.run.config.label
    return label if subject.folder == subject.run.folder else f"{label} {subject.folder.name}"


def write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise disk_error(path, error, len(text)) from None
