"""Sweeps: every run is done once, whatever happens to the others."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from starting import COMMAND, RUN, in_a_group, rows, run_command, train, wait_for

from attn_ppo.launch import command_line, sweep
from attn_ppo.launch.worker import Worker
from attn_ppo.lifecycle.run_dir import read_status

TRAINED_SOON = ["ppo.num_epochs=1", "evaluation.episodes=0"]
SWEEP = ["-m", "env=breakout,Pong", "lambda=0,0.005", "total_steps=64", *TRAINED_SOON]
FAULTS = Path(__file__).parent / "faults"
SECOND = RUN.with_name("seed=1")


@contextmanager
def going(*overrides: str, runs: tuple[Path, ...] = (RUN,), **variables: str) -> Iterator:
    """A sweep, once these runs have rows."""
    with in_a_group([*COMMAND, "-m", *overrides], **variables) as process:
        wait_for(lambda: all(rows(run / "metrics.csv") for run in runs))
        yield process


def states(out: str) -> list[str]:
    """The column `state` of a sweep's table."""
    lines = out[out.index("game  ") :].split("\n\n")[0].splitlines()
    start, end = lines[0].index("state"), lines[0].index("progress")
    rows = [line for line in lines[1:] if re.match(r"\w+ +[\d.e-]+ +\d+ ", line)]  # no words below
    return [" ".join(line[start:end].split()[:1]) for line in rows]


def pid(folder: Path) -> int:
    """The process that has the run."""
    return int(read_status(folder)["pid"])


def parent(number: int) -> int:
    return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_sweep_runs_all_skips_all_and_survives_a_bad_run():
    bad = Path("runs/default/Pong/lambda=0/seed=0")
    bad.mkdir(parents=True)
    (bad / "checkpoint.pt").write_text("damaged")
    done = run_command(*SWEEP)
    assert done.returncode == 1, done.stdout + done.stderr
    table = done.stdout[done.stdout.index("game  ") :].splitlines()[1:5]
    assert [line.split()[:3] for line in table] == [
        ["Breakout", "0", "0"],
        ["Breakout", "0.005", "0"],
        ["Pong", "0", "0"],
        ["Pong", "0.005", "0"],
    ]
    assert "4 runs in runs/default" in done.stdout.splitlines()
    assert states(done.stdout) == ["done", "done", "failed", "done"]
    assert "damaged" in table[2]
    assert "4 runs: 3 done, 1 failed" in done.stdout
    assert done.stderr.count("done, score") == 3  # a line as each run ends
    (bad / "checkpoint.pt").unlink()
    done = run_command(*SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 runs in runs/default: 3 done already" in done.stdout
    start = time.monotonic()
    done = train(*SWEEP)  # in this process: nothing is launched
    assert done.returncode == 0
    assert "4 done already" in done.stdout
    assert time.monotonic() - start < 30


def test_runs_that_would_share_a_folder_are_refused(in_empty_folder):
    done = train("-m", "compute.threads=1,2")
    assert done.returncode == 2
    assert "compute.threads" in done.stderr
    assert "name=" in done.stderr
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_every_kind_of_failure_is_named_and_harms_no_other_run(monkeypatch):
    kinds = {"0": "exception", "1": "segfault", "2": "sigkill", "4": "memory", "5": "nan@2"}
    monkeypatch.setenv("PYTHONPATH", str(FAULTS))
    monkeypatch.setenv("ATTN_PPO_FAULTS", json.dumps(kinds))
    done = run_command("-m", "seed=0,1,2,3,4,5", "total_steps=96", *TRAINED_SOON)
    assert done.returncode == 1
    table = done.stdout[done.stdout.index("game  ") :].splitlines()[1:7]
    bad = ["failed"] * 3
    assert states(done.stdout) == [*bad, "done", "failed", "failed"]
    assert "RuntimeError: an injected fault" in table[0]
    assert "killed by SIGSEGV" in table[1]
    assert "killed by SIGKILL (out of memory?)" in table[2]
    assert "MemoryError" in table[4]
    assert "policy_loss is nan at update 2" in table[5]
    assert "runs/default/Breakout/lambda=0/seed=1/output.log" in done.stdout


INTERRUPTED = {
    "Ctrl-C": ("local", lambda process: os.killpg(process.pid, signal.SIGINT)),
    "SIGINT": ("local", lambda process: process.send_signal(signal.SIGINT)),
    "SIGHUP, serial": ("serial", lambda process: process.send_signal(signal.SIGHUP)),
}


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("how", INTERRUPTED)
def test_an_interrupted_sweep_saves_its_runs_and_starts_no_more(how):
    engine, interrupt = INTERRUPTED[how]
    running = (RUN,) if engine == "serial" else (RUN, SECOND)
    engine = [f"engine={engine}", *(["hydra.launcher.n_jobs=2"] if engine == "local" else [])]
    with going("lambda=0.005,0.1", "seed=0,1,2", *engine, runs=running) as process:
        interrupt(process)
        out, told = process.communicate(timeout=90)
    assert process.returncode == 75, out
    assert f"saving {len(running)} run{'s'[: len(running) - 1]}; again to quit unsaved\n" in told
    assert "error:" not in out + told
    assert f"\nto continue: {shlex.join(process.args)}\n" in out
    assert states(out) == ["preempted"] * len(running) + ["not"] * (6 - len(running))  # not started
    saved = torch.load(RUN / "checkpoint.pt", weights_only=True)["update"]
    assert len(rows(RUN / "metrics.csv")) == saved


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_second_signal_ends_all_at_once_even_what_hangs():
    faults = {"PYTHONPATH": str(FAULTS), "ATTN_PPO_FAULTS": '{"0": "hang"}'}
    options = ("lambda=0.005", "seed=0,1,2", "hydra.launcher.n_jobs=2")
    with going(*options, runs=(RUN, SECOND), **faults) as process:
        pids = [pid(RUN), pid(SECOND), parent(pid(RUN)), parent(pid(SECOND))]
        process.terminate()
        wait_for(lambda: read_status(SECOND)["state"] == "preempted")
        time.sleep(1.2)  # sooner it would be taken for the same one
        assert alive(process.pid)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
        wait_for(lambda: not any(map(alive, pids)), 5)
    assert not RUN.with_name("seed=2").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_the_end_of_the_main_process_stops_its_runs_and_the_same_command_goes_on():
    options = ["lambda=0.005", "seed=0,1,2", "hydra.launcher.n_jobs=2", "evaluation.episodes=0"]
    with going(*options, runs=(RUN, SECOND)) as process:
        pids = [pid(RUN), pid(SECOND), parent(pid(RUN)), parent(pid(SECOND))]
        process.kill()
        wait_for(lambda: not any(map(alive, pids)), 30)
    assert [read_status(run)["state"] for run in (RUN, SECOND)] == ["preempted", "preempted"]
    assert not RUN.with_name("seed=2").exists()
    before = int(rows(RUN / "metrics.csv")[-1]["update"])
    with going(*options) as process:
        wait_for(lambda: int(rows(RUN / "metrics.csv")[-1]["update"]) > before)


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_one_run_at_a_time_goes_on_without_the_shell_that_started_it():
    command = [*COMMAND, "-m", "lambda=0.005", "seed=0,1", "total_steps=96", *TRAINED_SOON]
    begun = f"{shlex.join(command)} hydra.launcher.n_jobs=1 & until [ -s {RUN}/metrics.csv ]"
    shell = subprocess.run(["sh", "-c", f"{begun}; do sleep 0.1; done"], capture_output=True)
    assert shell.returncode == 0
    wait_for(lambda: read_status(SECOND).get("state") == "done")
    assert read_status(RUN)["state"] == "done"


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_killed_worker_takes_its_own_run_only():
    options = [
        "lambda=0.005",
        "seed=0,1,2",
        "hydra.launcher.n_jobs=2",
        "ppo.num_epochs=2",
        "total_steps=1024",
        "evaluation.episodes=0",
    ]
    with going(*options, runs=(RUN, SECOND)) as process:
        os.kill(parent(pid(SECOND)), signal.SIGKILL)
        out, _ = process.communicate(timeout=200)
    assert process.returncode == 1
    assert states(out) == ["done", "failed", "done"]
    assert "its worker process was killed" in out


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_the_same_sweep_twice_at_once():
    options = ["lambda=0.005", "seed=0,1", "hydra.launcher.n_jobs=2"]
    with going(*options, runs=(RUN, SECOND)) as process:
        done = run_command("-m", *options)
        assert done.returncode == 5, done.stdout + done.stderr
        assert states(done.stdout) == ["running", "running"]
        assert f"pid {pid(RUN)} on {os.uname().nodename}" in done.stdout
        assert alive(process.pid)
        assert read_status(RUN)["state"] == "running"


@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("error", [RuntimeError("no launcher today"), SystemExit(1)])
def test_a_launcher_that_raises_still_leaves_a_table(error, monkeypatch, capsys):
    def launch(*_):
        raise error

    monkeypatch.setattr(sweep, "_hydra_main", launch)
    monkeypatch.setattr(Worker, "lead", lambda *_: None)
    assert sweep.run_all(command_line.parse(["-m", "seed=0,1"])) == 1
    out, told = capsys.readouterr()
    assert "2 runs: 2 not started" in out
    assert "no launcher today" in told or "Hydra's launcher ended with 1" in told


@pytest.mark.usefixtures("in_empty_folder")
def test_a_run_that_never_starts_is_a_failure_with_a_cause():
    # Checked where the run is: the width of the kernels' blocks is known only once they are built.
    done = run_command("-m", "compute.backend=kernels", "attention.hidden=511", "seed=0,1")
    assert done.returncode == 1
    assert done.stdout.count("compute.backend=kernels is not allowed") == 2


@pytest.mark.parametrize(
    ("states", "interrupted", "code"),
    [
        ({"done"}, False, 0),
        ({"done"}, True, 0),
        ({"done", "failed", "preempted"}, True, 1),
        ({"done", "killed"}, False, 1),
        ({"done", "preempted"}, False, 75),  # a run was told to stop, not the sweep
        ({"running", "not started"}, True, 75),
        ({"done", "running"}, False, 5),  # another sweep has them
        ({"running", "not started"}, False, 1),
    ],
)
def test_exit_codes(states, interrupted, code):
    assert sweep.exit_code(states, interrupted=interrupted) == code
