"""A sweep: Hydra's launcher decides where its runs execute, each one in a process of its own.

So whatever happens to one run, leaks of memory or settings included, stays there. What the sweep
shows while it goes on is read from the run folders, wherever the runs are.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from attn_ppo import config, schema
from attn_ppo.command_line import CommandLine, conf_dir
from attn_ppo.config import RunConfig
from attn_ppo.run_dir import ExitCode, check_identity, mark_status, read_last_row, read_status
from attn_ppo.schema import ConfigError
from attn_ppo.terminal import Terminal

FINAL = ("done", "failed", "preempted")


def check_folders(configs: Sequence[RunConfig]) -> None:
    """Raises ConfigError where runs would share a folder, or find one of other settings there."""
    seen: dict[Path, RunConfig] = {}
    for settings in configs:
        other = seen.setdefault(settings.folder, settings)
        if other is not settings:
            ours, theirs = (
                schema.flatten(config.as_dict(settings)),
                schema.flatten(config.as_dict(other)),
            )
            keys = [key for key in ours if ours[key] != theirs[key]]
            raise ConfigError("name", settings.name, f"a name for each value of {', '.join(keys)}: "
                              f"two runs would share {settings.folder}")  # fmt: skip
        check_identity(settings.folder, settings)


def run_all(asked: CommandLine) -> int:
    """Runs what isn't done yet, with the launcher of the command line; returns the exit code."""
    configs = asked.configs
    todo = [c for c in configs if read_status(c.folder).get("state") != "done"]
    print(f"{len(configs)} runs in runs/{configs[0].name}: {len(configs) - len(todo)} done already")
    if todo:
        _share_threads(asked.jobs_at_once, len(todo))
        with _Watch(todo):
            _launch(asked.overrides)
    print(table(configs))
    states = [read_status(c.folder).get("state") for c in configs]
    if all(state == "done" for state in states):
        return ExitCode.DONE
    return (
        ExitCode.PREEMPTED
        if "failed" not in states and "preempted" in states
        else ExitCode.RUN_FAILED
    )


def show(argv: Sequence[str]) -> int:
    """Lets Hydra print what was asked for: --help, --cfg job, ..."""
    _hydra_main(argv)
    return ExitCode.DONE


def run_one(cfg: DictConfig) -> int:
    """One job of the sweep, wherever the launcher put it: a process that we only wait for."""
    values = OmegaConf.to_container(cfg)
    assert isinstance(values, dict)
    settings = config.from_dict({str(key): value for key, value in values.items()})
    folder = settings.folder
    signal.signal(signal.SIGINT, _note_interrupt)  # in the launcher's process, wherever that is
    if _interrupted:
        return ExitCode.PREEMPTED
    if read_status(folder).get("state") == "done":
        return ExitCode.DONE
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "attn_ppo.train", *HydraConfig.get().overrides.task]
    with open(folder / "output.log", "ab") as log:
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if code < 0:
        name = signal.Signals(-code).name
        mark_status(folder, "failed", cause=f"killed by {name}", exit_code=code)
    return code


def table(configs: Sequence[RunConfig]) -> str:
    """Game, lambda, seed, score, attention entropy and state of each run, for people."""
    head = ("game", "lambda", "seed", "score", "attention entropy", "state")
    rows = [head, *((c.env, config.plain(c.lambda_), str(c.seed), *_outcome(c)) for c in configs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    align = (str.ljust, str.rjust, str.rjust, str.rjust, str.rjust, str.ljust)
    lines = ("  ".join(map(lambda to, cell, n: to(cell, n), align, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _outcome(settings: RunConfig) -> tuple[str, str, str]:
    """Score, attention entropy (nats) and state; of the evaluation where it was made."""
    status = read_status(settings.folder)
    result = read_last_row(settings.folder) | _evaluation(settings.folder)
    score, entropy = (result.get(key) for key in ("episode_return", "attention_entropy"))
    state = str(status.get("state", "not started"))
    cause = f": {schema.shorten(status['cause'])}" if status.get("cause") else ""
    return _number(score, 1), _number(entropy, 2), state + cause


def _evaluation(folder: Path) -> dict[str, Any]:
    try:
        result = json.loads((folder / "evaluation.json").read_text())
    except (OSError, ValueError):
        return {}
    return {
        "episode_return": result["score_mean"],
        "attention_entropy": result["attention_entropy"],
    }


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _share_threads(jobs_at_once: int | None, runs: int) -> None:
    """Divides the cores among the runs that this machine executes at once."""
    if jobs_at_once is None:
        return
    cores = len(os.sched_getaffinity(0))
    at_once = min(cores if jobs_at_once < 0 else jobs_at_once, runs)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // max(1, at_once))))


def _launch(overrides: Sequence[str]) -> None:
    """Hydra's multirun of `run_one`."""
    before = signal.signal(signal.SIGINT, _note_interrupt)
    try:
        _hydra_main(["--multirun", *overrides])
    except SystemExit as error:
        print(f"error: Hydra's launcher ended with {error.code}", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, before)


_interrupted = False


def _note_interrupt(*_: Any) -> None:
    """Ctrl-C reaches the runs too: they save and end, and no further one is started.

    Had it raised KeyboardInterrupt, joblib would kill the runs before they had saved.
    """
    global _interrupted
    if _interrupted:
        raise KeyboardInterrupt
    _interrupted = True


def _hydra_main(argv: Sequence[str]) -> None:
    sys.argv[1:] = argv
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(run_one)()


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
                score, entropy, state = _outcome(settings)
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
        status = read_status(settings.folder)
        return (status["state"], status["heartbeat"]) if status.get("state") in FINAL else None
