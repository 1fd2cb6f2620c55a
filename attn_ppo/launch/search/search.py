"""A search: trials at points that a sweeper chooses, a run each, some at a time.

Below it is the same machinery as below a grid: a run a process, on the engine asked for. Optuna's
trials are in a file beside the runs, so that the same command goes on; of another sweeper only the
runs remain, and those that are done are skipped when it asks for them again.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from attn_ppo import config, schema
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, report, shorten
from attn_ppo.launch import overrides
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.search import objective, plots, results
from attn_ppo.launch.search import study as studies
from attn_ppo.launch.search.results import Run, Searched
from attn_ppo.launch.search.study import Study
from attn_ppo.launch.search.watch import SearchWatch
from attn_ppo.lifecycle import plan, process, wandb_session
from attn_ppo.lifecycle.lock import RunLock
from attn_ppo.schema import Range, check_whole

OPTUNA = "optuna"
COUNTS = Range(1, 10_000)
OURS = ("storage", "study_name", "direction", "max_failure_rate")
OURS += ("search_space", "custom_search_space")  # the keys' values are the space
ROUNDS = 3  # without a trial that ends, broken off by dead workers

# Has a sweeper start runs, of which those up to now are in the list; returns what broke it off.
Start = Callable[[CommandLine, list[RunConfig]], BaseException | None]


def check(asked: CommandLine) -> None:
    """Raises ConfigError for a search that can't be made, or if the folder has another one."""
    searched = of(asked)
    objective.check(asked.configs, searched.space)
    if not searched.space:
        allowed = "a key with several values, such as lambda=tag(log,interval(1e-6,1e-2))"
        raise ConfigError("hydra/sweeper", asked.sweeper, allowed, wrong="has nothing to vary")
    if asked.sweeper != OPTUNA:
        return
    for text in asked.overrides:
        key, _, value = text.removeprefix("++").partition("=")
        if key.removeprefix("hydra.sweeper.") in OURS:
            allowed = f"nothing else: a search maximises, in {studies.NAME} beside its runs"
            raise ConfigError(key, value, allowed, wrong="can't be set")
    for key in ("n_trials", "n_jobs"):
        check_whole(f"hydra.sweeper.{key}", asked.sweeper_settings[key], COUNTS)
    sampler = asked.sweeper_settings["sampler"]["_target_"]
    if sampler.endswith(".GridSampler"):  # stopped, it would forget points
        allowed = "a sampler that chooses; a sweep without hydra/sweeper is a grid"
        raise ConfigError("hydra/sweeper/sampler", "grid", allowed)
    for key in searched.space:
        _check_space(overrides.parse(searched.point[key], asked.own))
    folder = asked.configs[0].sweep_folder
    studies.check(folder / studies.NAME, asked.configs[0].name, searched.common)


def _check_space(override: Override) -> None:
    """Raises ConfigError for an interval that Optuna doesn't take."""
    swept = override.value()
    if not isinstance(swept, IntervalSweep):
        return
    low, high = float(swept.start or 0), float(swept.end or 0)
    if low >= high:
        raise overrides.error(override, "interval(low,high) with low below high")
    if "log" in swept.tags and low <= 0:
        allowed = "above 0 on a log scale; search.zero_below=1e-5 runs a smaller lambda as 0"
        raise overrides.error(override, allowed)


def of(asked: CommandLine) -> Searched:
    """What a search varies, and what its trials have in common."""
    first, point, space = asked.configs[0], dict[str, str](), dict[str, str]()
    for text in asked.overrides:
        key, _, value = text.partition("=")
        if not key.startswith(("hydra", "++hydra")):
            point[key] = text
            if overrides.parse(text, asked.own).is_sweep_override():
                space[key] = value
    fixed = config.identity(first) | {"evaluation.episodes": first.evaluation.episodes}
    fixed |= {f"search.{k}": v for k, v in dataclasses.asdict(first.search).items()}
    sections = tuple(f"{key}." for key in space)  # a group stands for its section's keys
    common = {k: v for k, v in fixed.items() if k not in space and not k.startswith(sections)}
    return Searched(space, common | space, point, asked.own)


def run(asked: CommandLine, start: Start) -> int:
    """Makes the trials that are left, then shows all of them; returns the exit code."""
    folder = asked.configs[0].sweep_folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = RunLock(folder)
        try:
            return (_run if asked.sweeper == OPTUNA else _run_other)(asked, start)
        finally:
            lock.close()
    except (ConfigError, RunError, OSError) as error:
        return report(error)


def _run(asked: CommandLine, start: Start) -> int:
    first, searched = asked.configs[0], of(asked)
    study = Study(first.name, first.sweep_folder, searched.common)
    study.let_wait()
    total, done = asked.sweeper_settings["n_trials"], study.finished()
    trials, already = f"trial{'s' * (total != 1)}", f"; {done} done already" if done else ""
    print(f"{total} {trials} in {first.sweep_folder}, over {searched.keys}{already}", flush=True)
    rounds, error = 0, None
    while study.finished() < total and rounds < ROUNDS:
        before, begun = study.finished(), list[RunConfig]()
        with SearchWatch(study, searched, total, first.trained_steps, begun).follow():
            error = start(_for_sweeper(asked, study), begun)
        study.let_wait()
        if not isinstance(error, BrokenProcessPool):
            _tell(error if study.finished() < total else None)
            break
        rounds = 0 if study.finished() > before else rounds + 1
        print("a worker process was killed: going on", file=sys.stderr)
    runs = results.of_study(study.trials(), searched)
    planned = [r.settings for r in runs if r.settings and r.state != "failed"]
    plan.record(process.command(), planned)  # for `status` to know what goes on with them
    code = _show(runs, searched, first)
    plots.draw(study, runs, first)
    left = total - study.finished()
    if left <= 0:
        return code
    print(f"{left} of {total} trials are left", flush=True)
    stopped = error is None or isinstance(error, objective.Stopped)
    return process.tell_how_to_go_on(ExitCode.PREEMPTED if stopped else ExitCode.RUN_FAILED)


def _run_other(asked: CommandLine, start: Start) -> int:
    first, searched = asked.configs[0], of(asked)
    print(f"a search in {first.sweep_folder}, over {searched.keys}", flush=True)
    _tell(start(asked, []))
    return _show(results.of_folder(first, searched), searched, first)


def _tell(error: BaseException | None) -> None:
    """Says what ended a sweeper before its time, unless it was a run that was stopped."""
    if error is not None and not isinstance(error, objective.Stopped):
        reason = shorten(str(error).partition("\n")[0], 300)
        print(f"error: the sweeper ended: {type(error).__name__}: {reason}", file=sys.stderr)


def _for_sweeper(asked: CommandLine, study: Study) -> CommandLine:
    """The command line with what Optuna's sweeper needs to make the trials that are left."""
    left = asked.sweeper_settings["n_trials"] - study.finished()
    jobs = min(asked.sweeper_settings["n_jobs"], left)
    if asked.engine in ("local", "serial"):
        jobs = min(jobs, asked.jobs_at_once or 1)
    ours = {
        "storage": overrides.quoted(study.url),
        "study_name": overrides.quoted(study.name),
        "direction": "maximize",
        "max_failure_rate": "1.0",
        "n_trials": str(left),
        "n_jobs": str(jobs),
    }
    sampler = asked.sweeper_settings["sampler"]
    if "seed" in sampler:
        given = sampler["seed"] if isinstance(sampler["seed"], int) else asked.configs[0].seed
        ours["sampler.seed"] = str(study.seed(given))
    added = [f"++hydra.sweeper.{key}={value}" for key, value in ours.items()]
    values = schema.flatten(config.as_dict(asked.configs[0]))
    given = [whole(text) if _is_whole(text, values) else text for text in asked.overrides]
    return dataclasses.replace(asked, overrides=[*given, *added])


def _is_whole(text: str, values: Mapping[str, Any]) -> bool:
    """Whether a key takes whole numbers."""
    return type(values.get(text.partition("=")[0])) is int


def whole(text: str) -> str:
    """The space of a key of whole numbers as Optuna's sweeper understands it.

    Hydra's intervals have fractions, and of a list it doesn't know the order.
    """
    key, _, space = text.partition("=")
    if "interval(" in space and not space.startswith("int("):
        return f"{key}=int({space})"
    if not re.fullmatch(r"\d+(,\d+)+", space):
        return text
    numbers = [int(number) for number in space.split(",")]
    successive = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{key}=int(interval({numbers[0]},{numbers[-1]}))" if successive else text


def _show(runs: Sequence[Run], searched: Searched, first: RunConfig) -> ExitCode:
    """Prints the table of the trials and writes it; returns the exit code that they stand for."""
    if runs:
        print(results.table(runs, searched))
        path = results.write(runs, searched, first.sweep_folder)
        print(f"\n{results.best(runs, searched)}\nall trials: {path}")
    settings = [run.settings for run in runs if run.settings]
    mirrored = (c.folder for c in settings if c.wandb.mode != "disabled")
    if upload := wandb_session.sync_command(mirrored):
        print(f"W&B: to upload what it lacks: {upload}")
    failed = not runs or any(r.state == "failed" for r in runs)
    return ExitCode.RUN_FAILED if failed else ExitCode.DONE
