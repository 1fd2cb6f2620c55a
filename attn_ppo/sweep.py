"""A sweep: Hydra's launcher decides where its runs execute, each one in a process of its own.

So whatever happens to one run, leaks of memory or settings included, stays there. What the sweep
shows while it goes on is read from the run folders, wherever the runs are.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import hydra

from attn_ppo import config, schema, status, worker
from attn_ppo.command_line import CommandLine, conf_dir
from attn_ppo.config import RunConfig
from attn_ppo.run_dir import FINAL, ExitCode, check_identity, read_last_row, read_status
from attn_ppo.schema import ConfigError
from attn_ppo.terminal import Terminal


def check_folders(configs: Sequence[RunConfig]) -> None:
    """Raises ConfigError where runs would share a folder, or find one of other settings there."""
    seen: dict[Path, RunConfig] = {}
    for settings in configs:
        other = seen.setdefault(settings.folder, settings)
        if other is not settings:
            ours, theirs = (schema.flatten(config.as_dict(c)) for c in (settings, other))
            keys = ", ".join(key for key in ours if ours[key] != theirs[key])
            allowed = f"a name for each value of {keys}" if keys else "each run once"
            allowed += f": two would share {settings.folder}"
            raise ConfigError("name", settings.name, allowed)
        check_identity(settings.folder, settings)


def run_all(asked: CommandLine) -> int:
    """Runs what isn't done yet, with the launcher of the command line; returns the exit code."""
    configs = asked.configs
    todo = [c for c in configs if read_status(c.folder).get("state") != "done"]
    names = ", ".join(dict.fromkeys(f"runs/{c.name}" for c in configs))
    print(f"{len(configs)} runs in {names}: {len(configs) - len(todo)} done already", flush=True)
    if todo:
        _share_threads(asked.jobs_at_once, len(todo))
        with _Watch(todo):
            _launch(asked.overrides)
    print(status.table(configs))
    states = [read_status(c.folder).get("state") for c in configs]
    if all(state == "done" for state in states):
        return ExitCode.DONE
    stopped = worker.interrupted() or "preempted" in states
    return ExitCode.PREEMPTED if stopped and "failed" not in states else ExitCode.RUN_FAILED


def show(argv: Sequence[str]) -> int:
    """Lets Hydra print what was asked for: --help, --cfg job, ..."""
    _hydra_main(argv)
    return ExitCode.DONE


def _share_threads(jobs_at_once: int | None, runs: int) -> None:
    """Divides the cores among the runs that this machine executes at once.

    Both names, or joblib sets the other one for its workers, and torch takes the smaller.
    """
    if jobs_at_once is None:
        return
    cores = len(os.sched_getaffinity(0))
    at_once = min(cores if jobs_at_once < 0 else jobs_at_once, runs)
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // at_once)))
    os.environ["OMP_NUM_THREADS"] = threads
    os.environ.setdefault("MKL_NUM_THREADS", threads)


def _launch(overrides: Sequence[str]) -> None:
    """Hydra's multirun of `run_one`."""
    worker.note_interrupts()
    try:
        _hydra_main(["--multirun", *overrides])
    except SystemExit as error:
        print(f"error: Hydra's launcher ended with {error.code}", file=sys.stderr)


def _hydra_main(argv: Sequence[str]) -> None:
    sys.argv[1:] = argv
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(
        worker.run_one
    )()


class _Watch:
    """Follows run folders from a thread: a line as each run ends, and the sweep's progress."""

    def __init__(self, configs: Sequence[RunConfig], *, interval: float = 2.0):
        self._configs, self._interval = configs, interval
        self._ends = {c.folder: self._end(c) for c in configs}
        self._ended = 0
        self._began, self._first = time.monotonic(), self._steps()
        total = sum(c.trained_steps for c in configs)
        self._terminal = Terminal(f"{len(configs)} runs", total, self._first)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        self._terminal.close()

    def _follow(self) -> None:
        while not self._over.wait(self._interval):
            self._look()
        self._look()

    def _look(self) -> None:
        for settings in self._configs:
            end = self._end(settings)
            if end and end != self._ends[settings.folder]:
                self._ends[settings.folder] = end
                self._ended += 1
                score, entropy, state = status.outcome(settings)
                self._terminal.message(
                    f"[{self._ended}/{len(self._configs)}] {settings.label}: {state}, "
                    f"score {score}, attention entropy {entropy}"
                )
        steps, seconds = self._steps(), time.monotonic() - self._began
        self._terminal.write(
            {"env_steps": steps, "env_steps_per_second": (steps - self._first) / seconds}
        )

    def _steps(self) -> int:
        return sum(int(read_last_row(c.folder).get("env_steps", 0)) for c in self._configs)

    @staticmethod
    def _end(settings: RunConfig) -> tuple[str, str] | None:
        """How and when a run ended; None while it hasn't."""
        said = read_status(settings.folder)
        return (said["state"], said["heartbeat"]) if said.get("state") in FINAL else None
