"""A sweep: Hydra's launcher decides where its runs execute, each one in a process of its own.

So whatever happens to one run, leaks of memory or settings included, stays there. What the sweep
shows while it goes on is read from the run folders, wherever the runs are.
"""

import dataclasses
import functools
import multiprocessing.resource_tracker
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Sequence, Set
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import hydra
from hydra.types import TaskFunction
from joblib.externals.loky.backend import resource_tracker as joblibs

from attn_ppo import config, schema, status
from attn_ppo.compute import devices
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.formats import printable
from attn_ppo.launch import completion, conf_files, on_ray, slurm, usage
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.conf_files import conf_dir
from attn_ppo.launch.decided import decided, design
from attn_ppo.launch.overrides import quoted
from attn_ppo.launch.search import objective, search
from attn_ppo.launch.watch import Watch
from attn_ppo.launch.worker import this_worker
from attn_ppo.lifecycle import plan, process, wandb_environment, wandb_session
from attn_ppo.lifecycle.run_dir import (
    FINAL,
    check_identity,
    is_done,
    mark_status,
    read_status,
)
from attn_ppo.lifecycle.signals import held_back, say_at_once
from attn_ppo.version import __version__


def check(asked: CommandLine) -> None:
    """Raises ConfigError for what can't be made: runs in their folders, a search, a decision."""
    if any(settings.until for settings in asked.configs):
        design.check(asked)
    if asked.is_search:
        search.check(asked)
    check_folders(asked.configs[:1] if asked.is_search else asked.configs)


def check_folders(configs: Sequence[RunConfig]) -> None:
    """Raises ConfigError where runs would share a folder, or find one of other settings there.

    Or where they are to be online on W&B and nobody is logged in.
    """
    for root in dict.fromkeys(Path(c.root) for c in configs):
        _check_root(root)
    seen: dict[Path, RunConfig] = {}
    settled: dict[tuple[Any, ...], RunConfig] = {}
    for settings in configs:
        other = seen.setdefault(settings.folder, settings)
        if other is not settings:
            ours, theirs = (schema.flatten(config.as_dict(c)) for c in (settings, other))
            keys = ", ".join(key for key in ours if ours[key] != theirs[key])
            wrong = f"would be shared by runs that differ in {keys}" if keys else "comes twice"
            allowed = f"a name= for each value of {keys}" if keys else "each run once"
            raise ConfigError("", settings.folder, allowed, wrong=wrong)
        twin = settled.setdefault((settings.root, *config.identity(settings).items()), settings)
        if twin is not settings:  # a group swept whose options differ in nothing that is left
            wrong = f"has all settings of {twin.folder}"
            raise ConfigError("", settings.folder, "each run once", wrong=wrong)
        check_identity(settings.folder, settings)
    if any(c.wandb.mode == "online" and not is_done(c) for c in configs):
        wandb_session.check_login()


def _check_root(root: Path) -> None:
    why = "" if root.parent.is_dir() else f"there's no folder {root.parent}"
    if root.is_file() and root != Path("runs"):  # which nobody asked for: the disk's fault
        why = "it is a file"
    if why:
        allowed = "a folder in one that is there"
        raise ConfigError("root", root, allowed, wrong=f"can't be made: {why}")


def run_all(asked: CommandLine) -> int:
    """Runs what isn't done yet, with the launcher of the command line; returns the exit code."""
    configs = asked.configs
    if asked.is_search:
        at_once = asked.sweeper_settings.get("n_jobs") or 1
        return search.run(_share_cpus(asked, configs[:1] * at_once), _start_search)
    if configs[0].until:
        return decided.run(_share_cpus(asked, decided.first_runs(configs)), _launch)
    todo = [c for c in configs if not is_done(c)]
    names = ", ".join(dict.fromkeys(str(c.sweep_folder) for c in configs))
    done = len(configs) - len(todo)
    already = f": {done} done already" if done else ""
    print(f"{len(configs)} run{'s' * (len(configs) != 1)} in {names}{already}", flush=True)
    on_wandb = any(c.wandb.mode != "disabled" for c in todo)
    if on_wandb and (note := wandb_environment.note(os.environ, sweep=True)):
        print(note, flush=True)
    command = process.command()
    if todo:
        plan.record(command, configs)
        asked = _share_cpus(asked, todo)
        with Watch(todo).follow():
            _launch(asked, todo)
    standings = status.look((c.folder, c) for c in configs)
    left = status.summary(standings, {command: {c.folder for c in configs}})
    for folder in (sweeps := dict.fromkeys(c.sweep_folder for c in configs)):
        head = f"{printable(folder)}\n" if len(sweeps) > 1 else ""
        rows = [s for s in standings if s.folder.is_relative_to(folder)]
        print(f"{head}{status.table(rows)}\n")
    print(left)
    mirrored = (c.folder for c in configs if c.wandb.mode != "disabled")
    if upload := wandb_session.sync_command(mirrored):
        print(f"W&B: to upload what it lacks: {upload}")
    return exit_code({s.state for s in standings}, interrupted=this_worker().interrupted())


def exit_code(states: Set[str], *, interrupted: bool) -> ExitCode:
    """What a sweep ends with whose runs were left in these states."""
    if states == {"done"}:
        return ExitCode.DONE
    if not states.isdisjoint(status.BAD):
        return ExitCode.RUN_FAILED
    if interrupted or "preempted" in states:
        return ExitCode.PREEMPTED
    # What goes on without us is another sweep's, and what never started had no one to say why.
    return ExitCode.BUSY if states <= {"done", "running"} else ExitCode.RUN_FAILED


def show(asked: CommandLine) -> int:
    """Prints what was asked for: --help, --version, or with Hydra --cfg job, ..."""
    argv = asked.shows
    if argv[0] == "--help":
        print(usage.text(min(100, max(60, shutil.get_terminal_size().columns)), asked.own))
    elif argv[0] == "--version":
        print(f"attn_ppo {__version__}")
    elif argv[0] == "--shell-completion":
        return completion.show(" ".join(argv[1:]))
    else:
        _hydra_main(str, argv, asked.own)
    return ExitCode.DONE


def _share_cpus(asked: CommandLine, todo: Sequence[RunConfig]) -> CommandLine:
    """Divides the processors among the runs that this machine executes at once.

    Both names, or joblib sets the other one for its workers, and torch takes the smaller. joblib
    is told how many jobs, as it knows neither the quotas nor the threads of a run.
    """
    if asked.jobs_at_once is None:
        return asked
    cpus, given = devices.available_cpus(), os.environ.get("OMP_NUM_THREADS", "auto")
    threads = [c.compute.threads for c in todo]
    most = max(int(n) for n in [given, *threads, "1"] if n.isdecimal())
    at_once = max(1, cpus // most) if asked.jobs_at_once < 0 else asked.jobs_at_once
    share = str(max(1, cpus // min(at_once, len(todo))))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, share if given == "auto" else given)
    jobs = f"++hydra.launcher.n_jobs={at_once}"
    return dataclasses.replace(asked, overrides=[*asked.overrides, jobs], jobs_at_once=at_once)


def _launch(
    asked: CommandLine, todo: Sequence[RunConfig], left_out: Set[Path] = frozenset()
) -> None:
    """Hydra's multirun of `run_one`, again for what is left if it broke off at a dead worker.

    `left_out` are folders of the command line's grid whose runs aren't to be made.
    joblib then kills its other workers too, with their runs. These go on from their checkpoints;
    the dead worker's own run, which may well be the reason, is given up.
    """
    worker = this_worker()
    worker.lead(functools.partial(_say_stopping, todo) if asked.engine != "slurm" else str)
    before = {c.folder: read_status(c.folder).get("heartbeat") for c in todo}
    given_up = set[Path]()
    while _broke_off(_start(asked, todo, given_up | left_out)) and not worker.interrupted():
        _wait_for_orphans(todo)
        ended = [f for f in before.keys() - given_up if _ended(f) and _ended(f) != before[f]]
        for folder in ended:
            if read_status(folder)["state"] == "preempted":  # by the death of its worker
                mark_status(folder, "failed", cause="its worker process was killed")
        given_up.update(ended)
        left = len(todo) - len(given_up)
        if not ended or not left:
            break
        print(f"a worker process was killed: going on with {left} runs", file=sys.stderr)


def _start_search(asked: CommandLine, begun: Sequence[RunConfig]) -> BaseException | None:
    """`_start` of a sweeper that chooses points; `begun` has its runs up to now, at any time."""
    worker = this_worker()
    worker.lead(functools.partial(_say_stopping, begun) if asked.engine != "slurm" else str)
    _wait_for_orphans(begun)
    return _start(asked, begun, set())


def _start(
    asked: CommandLine, runs: Sequence[RunConfig], given_up: Set[Path]
) -> BaseException | None:
    """Has the engine run what isn't done; returns what broke it off, if anything did."""
    worker, once = this_worker(), functools.partial(_multirun, asked, given_up)
    if asked.engine == "slurm":
        return slurm.launch(once, {c.name for c in asked.configs}, worker.interrupted)
    if asked.engine == "ray":
        on_ray.set_environment(asked.ray_address)
        on_ray.launch(once, worker.handle_interrupts, worker.interrupted)
        return _wait_for_orphans(runs)
    return _in_thread(asked, given_up)


def _broke_off(error: BaseException | None) -> bool:
    """Whether it was a worker's death."""
    return isinstance(error, BrokenProcessPool)


def _say_stopping(todo: Sequence[RunConfig], name: str) -> None:
    """Answers an interrupt at once: saving may take some seconds."""
    saving = sum(read_status(c.folder).get("state") == "running" for c in todo)
    runs = f"saving {saving} run{'s' * (saving != 1)}" if saving else "stopping"
    say_at_once(f"{name}: {runs}; again to quit unsaved")


def _in_thread(asked: CommandLine, given_up: Set[Path]) -> BaseException | None:
    """`_multirun` in a thread where signals are held back, and so in the workers that it starts.

    One that a signal found importing would end, and joblib would kill the others and their runs.
    """
    if asked.engine != "local":
        return _multirun(asked, given_up)
    ends: list[BaseException | None] = []

    def call() -> None:
        ends.append(_multirun(asked, given_up))

    with held_back():
        for tracker in (multiprocessing.resource_tracker, joblibs):
            tracker.ensure_running()  # lets signals in where it is started: so not in the thread
    with held_back():
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
    while thread.is_alive():
        thread.join(0.2)
        this_worker().pass_on()
    return next(iter(ends), None)


def _multirun(asked: CommandLine, given_up: Set[Path]) -> BaseException | None:
    """Lets Hydra's launcher run what isn't done; returns what broke it off, if anything did."""
    own, searches = asked.own, asked.is_search

    def job(_: Any) -> Any:
        run_one = functools.partial(this_worker().run_one, own, given_up)
        return objective.of_job(run_one, own) if searches else run_one()

    if searches:
        os.environ["HYDRA_FULL_ERROR"] = "1"  # what ends a sweeper isn't printed but raised
    folder = f"++hydra.sweep.dir={quoted(str(asked.configs[0].sweep_folder))}"
    try:
        _hydra_main(job, ["--multirun", *asked.overrides, folder], own)
    except SystemExit as error:
        print(f"error: Hydra's launcher ended with {error.code}", file=sys.stderr)
        return error.__context__
    except (objective.Stopped, Exception) as error:
        if not searches:  # with HYDRA_FULL_ERROR=1
            traceback.print_exc()
        return error
    return None


def _wait_for_orphans(todo: Sequence[RunConfig], seconds: float = 60.0) -> None:
    """Returns once no run is going on any more: one whose worker died still saves."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        standings = status.look((c.folder, c) for c in todo)
        if all(s.state != "running" for s in standings):
            return
        time.sleep(0.2)


def _hydra_main(task: TaskFunction, argv: Sequence[str], own: Path | None) -> None:
    sys.argv[1:] = [*argv, *conf_files.flags(own)]
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()


def _ended(folder: Path) -> str | None:
    """When a run ended; None while it hasn't."""
    said = read_status(folder)
    return said.get("heartbeat") if said.get("state") in FINAL else None
