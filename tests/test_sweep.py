"""Sweeps: every run is done once, whatever happens to the others."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from starting import COMMAND, RUN, rows, train, wait_for

SWEEP = ["-m", "env=Breakout,Pong", "lambda=0,0.005", "total_steps=64", "evaluation.episodes=0"]


@pytest.mark.usefixtures("in_empty_folder")
def test_a_sweep_runs_all_skips_all_and_survives_a_bad_run():
    bad = Path("runs/default/Pong/lambda=0/seed=0")
    bad.mkdir(parents=True)
    (bad / "checkpoint.pt").write_text("damaged")
    done = train(*SWEEP)
    assert done.returncode == 1, done.stdout + done.stderr
    table = done.stdout.rstrip().split("\n")[-4:]
    assert [line.split()[:3] for line in table] == [
        ["Breakout", "0", "0"],
        ["Breakout", "0.005", "0"],
        ["Pong", "0", "0"],
        ["Pong", "0.005", "0"],
    ]
    assert [line.split()[5].rstrip(":") for line in table] == ["done", "done", "failed", "done"]
    assert "damaged" in table[2]
    assert done.stderr.count("done, score") == 3  # a line as each run ends
    (bad / "checkpoint.pt").unlink()
    done = train(*SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs in runs/default: 3 done already" in done.stdout
    start = time.monotonic()
    done = train(*SWEEP)
    assert done.returncode == 0
    assert "4 done already" in done.stdout
    assert time.monotonic() - start < 30


def test_runs_that_would_share_a_folder_are_refused(in_empty_folder):
    done = train("-m", "ppo.gamma=0.9,0.99")
    assert done.returncode == 2
    assert "ppo.gamma" in done.stderr
    assert "name=" in done.stderr
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.usefixtures("in_empty_folder")
def test_killed_runs_are_named_in_the_table():
    command = [*COMMAND, "-m", "lambda=0.005"]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: (RUN / "metrics.csv").exists() and rows(RUN / "metrics.csv"))
    os.kill(json.loads((RUN / "status.json").read_text())["pid"], signal.SIGKILL)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 1
    assert "failed: killed by SIGKILL" in out


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("to", ["local", "serial", "SIGTERM"])
def test_an_interrupted_sweep_saves_its_runs_and_starts_no_more(to):
    engine = ["engine=serial"] if to == "serial" else ["engine=local", "hydra.launcher.n_jobs=2"]
    overrides = ["-m", "lambda=0.005,0.1", "seed=0,1,2", *engine]
    command = [*COMMAND, *overrides]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    second = RUN.with_name("seed=1")
    wait_for(lambda: rows(RUN / "metrics.csv") and (to == "serial" or rows(second / "metrics.csv")))
    if to == "SIGTERM":
        sweep.terminate()
    else:
        os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
    out, _ = sweep.communicate(timeout=90)
    assert sweep.returncode == 75
    states = [line.split()[5].rstrip(":") for line in out.rstrip().split("\n")[-6:]]
    running = 1 if to == "serial" else 2
    assert states == ["preempted"] * running + ["not"] * (6 - running)  # not started
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    assert len(rows(RUN / "metrics.csv")) == saved


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_that_never_starts_is_a_failure_with_a_cause():
    done = train("-m", "device=cuda:99", "seed=0,1")
    assert done.returncode == 1
    assert done.stdout.count("failed: device=cuda:99 is not allowed") == 2
