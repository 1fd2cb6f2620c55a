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
from collections.abc import Mapping, Sequence
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
from attn_ppo.signals import INTERRUPTS, pass_on
from attn_ppo.terminal import Terminal

FINAL = ("done", "failed", "preempted")


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
    print(table(configs))
    states = [read_status(c.folder).get("state") for c in configs]
    if all(state == "done" for state in states):
        return ExitCode.DONE
    stopped = _interrupted or "preempted" in states
    return ExitCode.PREEMPTED if stopped and "failed" not in states else ExitCode.RUN_FAILED


def show(argv: Sequence[str]) -> int:
    """Lets Hydra print what was asked for: --help, --cfg job, ..."""
    _hydra_main(argv)
    return ExitCode.DONE


def run_one(cfg: DictConfig) -> int:
    """One job of the sweep, wherever the launcher put it: a run in a process of its own."""
    values = OmegaConf.to_container(cfg)
    assert isinstance(values, dict)
    settings = config.from_dict({str(key): value for key, value in values.items()})
    folder = settings.folder
    _note_interrupts()  # in the launcher's process, wherever that is
    before = read_status(folder)
    if before.get("state") == "done" or _interrupted:
        return ExitCode.DONE
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "attn_ppo.train", *HydraConfig.get().overrides.task]
    with open(folder / "output.log", "ab") as log:
        code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if code not in (ExitCode.DONE, ExitCode.BUSY):
        _mark_sudden_end(folder, code, before)
    return code


def _mark_sudden_end(folder: Path, code: int, before: Mapping[str, Any]) -> None:
    """Marks a run whose process ended without saying why: killed, or before it had its folder."""
    status = read_status(folder)
    if status.get("state") in FINAL and status.get("heartbeat") != before.get("heartbeat"):
        return
    number = signal.Signals(-code) if code < 0 else None
    lines = (folder / "output.log").read_text(errors="replace").split("\n")
    error = next((line for line in reversed(lines) if line.startswith("error: ")), "")
    cause = f"killed by {number.name}" if number else error.removeprefix("error: ")
    state = "preempted" if number in INTERRUPTS else "failed"
    mark_status(folder, state, cause=cause or f"exit code {code}", exit_code=code)


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
    status, result = read_status(settings.folder), read_last_row(settings.folder)
    result |= _evaluation(settings.folder, result.get("env_steps"))
    score, entropy = (result.get(key) for key in ("episode_return", "attention_entropy"))
    state = str(status.get("state", "not started"))
    cause = f": {schema.shorten(status['cause'])}" if status.get("cause") else ""
    return _number(score, 1), _number(entropy, 2), state + cause


def _evaluation(folder: Path, env_steps: float | None) -> dict[str, Any]:
    """Score and attention entropy of evaluation.json, if it is of the agent as it now is."""
    try:
        result = json.loads((folder / "evaluation.json").read_text())
        if result["env_steps"] != env_steps:
            return {}
        return {
            "episode_return": result["score_mean"],
            "attention_entropy": result["attention_entropy"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


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
    _note_interrupts()
    try:
        _hydra_main(["--multirun", *overrides])
    except SystemExit as error:
        print(f"error: Hydra's launcher ended with {error.code}", file=sys.stderr)


_interrupted = False


def _note_interrupts() -> None:
    """Lets the runs save and end when the sweep is interrupted, and starts no further one.

    As KeyboardInterrupt it would make joblib kill the runs before they had saved. Ctrl-C reaches
    them as it does us; other signals are passed on, through the launcher's workers where it has
    any. A second one ends the sweep at once.
    """

    def note(number: int, _: Any) -> None:
        global _interrupted
        if _interrupted:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        _interrupted = True
        if number != signal.SIGINT:
            pass_on(number)

    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN and not _interrupted:
            signal.signal(number, note)


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
