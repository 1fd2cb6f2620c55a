"""What a sweep costs outside of training: launching its runs, following them, telling of them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from attn_ppo import config
from attn_ppo.launch import command_line
from attn_ppo.launch.watch import Watch
from attn_ppo.lifecycle import plan
from attn_ppo.lifecycle.run_dir import METRICS, read_last_row
from bench.pace import ContenderError, take_turns
from bench.race import Tell, environment

# Runs that train as little as one can: a rollout of 128 agent steps and four gradient steps.
SHORTEST = [
    "ppo.num_steps=16",
    "ppo.num_minibatches=1",
    "total_steps=128",
    "evaluation.episodes=0",
    "wandb.mode=disabled",
    "name=short",
    "root=runs",
]
# The study's 180 runs, and three times as many. Each has a row for every 5,000 steps or so.
STUDY = ["-m", "experiment=paper", "wandb.mode=disabled", "root=runs"]
SWEEPS = {180: STUDY, 540: [*STUDY, "ppo.clip_range=0.1,0.2,0.3"]}
ROWS = 2_000
WATCH_SECONDS = 2.0  # from one look of Watch to the next
PATIENCE = 300.0


def launching(game: str, jobs: int, deadline: float, tell: Tell) -> dict[str, Any]:
    """Seconds of sweeps of a few and of many of the shortest runs, `jobs` of them at once.

    `a_run` are the seconds that each run has one of the jobs without training, `fixed` those of
    a sweep whatever its runs; both by rounds. Raises ContenderError.
    """
    few, many = jobs, 4 * jobs
    trained: list[float] = []

    def sweep(runs: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            seeds = f"seed=range(0,{runs})"
            seconds = _seconds(["train", "-m", f"env={game}", seeds, *SHORTEST], folder)
            tables = Path(folder).rglob("metrics.csv")
            rows = [read_last_row(table.parent) for table in tables]
        trained.extend(row["elapsed_seconds"] for row in rows)
        tell(f"launching: {runs} runs in {seconds:.1f} s")
        return seconds

    taken, lost = take_turns([few, many], sweep, deadline=deadline, at_least=2)
    for why in lost.values():
        raise ContenderError(why)
    training = mean(trained)
    a_run = [
        (long - short) * jobs / (many - few) - training
        for short, long in zip(taken[few], taken[many], strict=True)
    ]
    fixed = [
        short - cost - training for short, cost in zip(taken[few], a_run, strict=True)
    ]  # one run a job
    return {"jobs": jobs, "a_run": a_run, "fixed": fixed, "trained": training}


def telling(deadline: float, tell: Tell) -> dict[str, dict[int, list[float]]]:
    """By number of runs: seconds of `status`, of a sweep that is done already, and of a look.

    The runs' folders are made up, with the files that finished ones have. Raises ContenderError.
    """
    with tempfile.TemporaryDirectory() as folder:
        for count in SWEEPS:
            _plant(Path(folder) / str(count), count)
        tell("telling: the folders are made")
        commands = {
            **{("status", count): ["status", "runs"] for count in SWEEPS},
            **{("again", count): ["train", *texts] for count, texts in SWEEPS.items()},
        }
        names = [f"{what} {count}" for what, count in commands]
        keys = dict(zip(names, commands, strict=True))

        def run(name: str) -> float:
            return _seconds(commands[keys[name]], Path(folder) / str(keys[name][1]))

        taken, lost = take_turns(names, run, deadline=deadline, at_least=5)
        for why in lost.values():
            raise ContenderError(why)
        found: dict[str, dict[int, list[float]]] = {"status": {}, "again": {}, "look": {}}
        for name, (what, count) in keys.items():
            found[what][count] = taken[name]
        for count in SWEEPS:
            found["look"][count] = _looks(Path(folder) / str(count), count)
    return found


def share(sweep: Mapping[str, Any], rate: float, runs: int, steps: int) -> float:
    """The part of a sweep's seconds that is not training, where runs make `rate` steps together.

    `sweep` has the medians of `launching` and, as `look`, the processor seconds of each look at
    the runs while they train.
    """
    jobs, training = sweep["jobs"], runs * steps / rate
    outside = sweep["fixed"] + runs * sweep["a_run"] / jobs
    outside += training * sweep["look"] / WATCH_SECONDS / jobs  # on the runs' own processors
    return outside / (outside + training)


def _plant(folder: Path, count: int) -> None:
    """A sweep of so many finished runs."""
    rng = np.random.default_rng(0)
    table = "\n".join(",".join(f"{x:.9g}" for x in row) for row in rng.random((ROWS, len(METRICS))))
    configs = command_line.parse(SWEEPS[count]).configs
    assert len(configs) == count
    for settings in configs:
        run = folder / settings.folder
        run.mkdir(parents=True)
        steps = settings.trained_steps
        last = {name: "1" for name in METRICS} | {"env_steps": str(steps)}
        rows = [",".join(METRICS), table, ",".join(last.values())]
        (run / "metrics.csv").write_text("\n".join(rows) + "\n")
        (run / "config.yaml").write_text(config.to_yaml(settings))
        (run / "lock").write_text("pid 1 on elsewhere")
        said = {"state": "done", "env_steps": steps, "pid": 1, "host": "elsewhere"}
        (run / "status.json").write_text(json.dumps(said))
        evaluated = {"env_steps": steps, "score_mean": 100.5, "attention_entropy": 3.25}
        (run / "evaluation.json").write_text(json.dumps(evaluated))
    with chdir(folder):
        plan.record("python -m attn_ppo.train", configs)


def _looks(folder: Path, count: int) -> list[float]:
    """Processor seconds of looks at a sweep's runs, all of them there."""
    seconds = []
    with chdir(folder), open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        watch = Watch(command_line.parse(SWEEPS[count]).configs)
        for _ in range(20):
            began = time.process_time()
            watch._look()
            seconds.append(time.process_time() - began)
    return seconds


def _seconds(words: Sequence[str], folder: Path | str) -> float:
    """Seconds of one of our commands, from its start to its end. Raises ContenderError."""
    variables = environment(1)
    if words[0] == "train":  # which divides the processors among its runs
        del variables["OMP_NUM_THREADS"], variables["MKL_NUM_THREADS"]
    inherited = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"attn_ppo.{words[0]}", *words[1:]],
        cwd=folder,
        env=inherited | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        last = (done.stderr.strip() or "without a word").splitlines()[-1]
        raise ContenderError(f"{words[0]} failed: {last[:160]} (exit code {done.returncode})")
    return seconds
