"""Interrupted runs end as uninterrupted ones, to the bit, or say why they can't."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from identical import difference
from starting import COMMAND, SMALL, rows, run_command, train, wait_for

from attn_ppo import run
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.lifecycle import checkpoint, resume
from attn_ppo.lifecycle.resume import differences
from attn_ppo.lifecycle.run_dir import read_status

OFTEN_SAVED = [
    "lambda=0.005",
    "ppo.num_epochs=2",
    "checkpoint.every_updates=5",
    "checkpoint.anchor_steps=100",
]
OVERRIDES = [*OFTEN_SAVED, "total_steps=960", "checkpoint.milestones=3"]  # of 30 updates
TEN_UPDATES = [*OFTEN_SAVED, "total_steps=320", "evaluation.episodes=0", "name=a"]


def folder(name: str) -> Path:
    return Path(f"runs/{name}/Breakout/lambda=0.005/seed=0")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a run of 30 updates on one thread that nothing interrupts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("undisturbed"))
        assert train(*OVERRIDES, "name=whole").returncode == 0
        return folder("whole").absolute()


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_killed_twice_and_asked_to_stop_once_it_ends_the_same(threads, undisturbed, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    cut, whole = folder("cut"), undisturbed
    if threads != "1":
        assert run_command(*OVERRIDES, "name=whole").returncode == 0
        whole = folder("whole")
    for updates, how in ((7, signal.SIGKILL), (12, signal.SIGTERM), (18, signal.SIGKILL)):
        process = subprocess.Popen(
            [*COMMAND, *OVERRIDES, "name=cut"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(lambda n=updates: len(rows(cut / "metrics.csv")) >= n)
        wait_for(lambda: read_status(cut).get("env_steps"))  # a disk may take longer than updates
        process.send_signal(how)
        assert process.wait(60) == (75 if how == signal.SIGTERM else -9)
        assert len(rows(cut / "metrics.csv")) < 30
        monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a run keeps the threads that it began with
    done = train(*OVERRIDES, "name=cut")
    assert done.returncode == 0, done.stderr
    assert "games in progress are played again" in done.stderr
    assert difference(cut, whole) is None
    # of two asked for it is one where two processors are one core: MKL counts cores
    assert read_status(cut)["threads"] == read_status(whole)["threads"]
    assert {row["inexact_resumes"] for row in rows(cut / "metrics.csv")} == {"0"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The folder of a run of 10 updates, of which nobody changes anything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        assert train(*TEN_UPDATES).returncode == 0
        return folder("a").absolute()


@pytest.fixture
def saved_run(whole, in_empty_folder) -> Path:
    """A run of 10 updates that lost its last 5, after checkpoints at 5 and 10."""
    run = in_empty_folder / folder("a")
    shutil.copytree(whole, run)
    (run / "checkpoint.prev.pt").replace(run / "checkpoint.pt")
    status = run / "status.json"
    status.write_text(status.read_text().replace('"done"', '"preempted"'))
    return run


def again(*more: str) -> subprocess.CompletedProcess:
    return train(*TEN_UPDATES, *more)


def change_checkpoint(run: Path, **circumstances: str) -> None:
    state = checkpoint.load(run)
    assert state is not None
    state["origin"]["circumstances"] |= circumstances
    checkpoint.save(run, state)
    (run / "checkpoint.prev.pt").unlink()


def test_other_circumstances_are_refused_unless_asked_for_and_then_marked(saved_run):
    change_checkpoint(saved_run, torch="1.0.0")
    before = (saved_run / "metrics.csv").read_bytes()
    refused = again()
    assert refused.returncode == 2
    here = torch.__version__
    first, second = refused.stderr.strip().split("\n")
    where = saved_run.relative_to(Path.cwd())
    assert first == f"error: torch={here} differs from what {where} began with"
    assert "torch=1.0.0" in second
    assert "checkpoint.resume=anyway" in second
    assert (saved_run / "metrics.csv").read_bytes() == before  # nothing is lost by asking
    done = again("checkpoint.resume=anyway")
    assert done.returncode == 0, done.stderr
    column = [row["inexact_resumes"] for row in rows(saved_run / "metrics.csv")]
    assert column == ["0"] * 5 + ["1"] * 5
    told = [f"at 160 steps: torch 1.0.0 -> {here}"]
    assert json.loads((saved_run / "status.json").read_text())["inexact_resumes"] == told
    assert (checkpoint.load(saved_run) or {})["origin"]["inexact_resumes"] == told


def test_games_that_come_out_otherwise_stop_an_exact_resume(saved_run):
    state = checkpoint.load(saved_run) or {}
    state["games"][0]["actions"][-30:, 1] = 2  # the paddle goes right
    checkpoint.save(saved_run, state)
    stopped = again()
    assert stopped.returncode == 6
    assert "played again, are not what they were" in stopped.stderr
    change_checkpoint(saved_run, processor="another")
    assert again("checkpoint.resume=anyway").returncode == 0  # with new games
    assert len(rows(saved_run / "metrics.csv")) == 10


def test_the_groups_of_games_begin_side_by_side(settings_of, monkeypatch):
    both = threading.Barrier(2)  # one after the other would break it

    def beside(method: Any) -> Any:
        return lambda *arguments: both.wait(60) >= 0 and method(*arguments)

    settings = settings_of("ppo.num_envs=2", "ppo.num_steps=128")
    monkeypatch.setattr(resume.torch, "get_num_threads", lambda: 2)
    serial = resume.two_groups(
        "Breakout", num_envs=2, seed=0, protocol=settings.protocol, num_threads=2
    )
    expected = [envs.reset() for envs in serial]
    monkeypatch.setattr(AtariEnvs, "reset", beside(AtariEnvs.reset))
    origin: Any = resume.Origin({}, [], False)
    games = resume.begin_games(settings, None, origin, str)
    assert len(games.groups) == 2
    assert [obs.tobytes() for obs in games.obs] == [obs.tobytes() for obs in expected]
    shown = [
        [envs.step(np.ones(1, np.int64)).obs for _ in range(20)][-1].tobytes()  # FIRE
        for envs in games.groups
    ]
    saved: Any = SimpleNamespace(update=0, games=games.state())
    games = resume.begin_games(settings, saved, origin, str)
    assert [obs.tobytes() for obs in games.obs] == shown


def test_what_is_gone_is_not_silently_begun_afresh(saved_run):
    metrics = (saved_run / "metrics.csv").read_text().split("\n")
    (saved_run / "metrics.csv").write_text("\n".join(metrics[:3]) + "\n")
    stopped = again()
    assert stopped.returncode == 6
    assert "metrics.csv has" in stopped.stderr
    (saved_run / "checkpoint.pt").unlink()
    stopped = again()
    assert stopped.returncode == 6
    assert "no checkpoint, though one was saved at 320 steps" in stopped.stderr


def test_a_damaged_newest_checkpoint_costs_one_warning_and_no_difference(saved_run, whole):
    state = checkpoint.load(saved_run) or {}
    checkpoint.save(saved_run, state)
    data = bytearray((saved_run / "checkpoint.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (saved_run / "checkpoint.pt").write_bytes(data)
    done = again()
    assert done.returncode == 0
    assert (done.stdout + done.stderr).count("warning") == 1
    assert difference(saved_run, whole) is None


def test_differences_name_both_sides():
    then, now = {"torch": "2", "threads": 1, "kernels": "ab"}, {"torch": "3", "threads": 1}
    assert differences(then, now) == {"torch": ("2", "3"), "kernels": ("ab", "none")}
    assert differences({}, {"torch": "3"}) == {"torch": ("unknown", "3")}


LONG_UPDATE = """
import sys, time
from attn_ppo import ppo, run, train
from attn_ppo.lifecycle import signals
signals.SAVE_SECONDS = 1.0
real, calls = ppo.update, [0]
def update(*args, **more):
    calls[0] += 1
    for _ in range(600 if calls[0] == 8 else 0):
        time.sleep(0.05)
    return real(*args, **more)
run.update = update
sys.exit(train.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_an_update_that_takes_too_long_to_wait_for_costs_itself_alone(undisturbed):
    command = [sys.executable, "-c", LONG_UPDATE, *SMALL, *OVERRIDES, "name=cut"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(rows(folder("cut") / "metrics.csv")) == 7)
    time.sleep(1)  # into the eighth, which takes 30 s
    began = time.monotonic()
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75, told
    assert time.monotonic() - began < 10
    assert "saved at 224 steps, without the update in progress" in told  # 7 updates of 2 x 16 steps
    assert (checkpoint.load(folder("cut")) or {})["update"] == 7  # the disk's own was of the fifth
    assert read_status(folder("cut"))["env_steps"] == 224
    assert train(*OVERRIDES, "name=cut").returncode == 0
    assert difference(folder("cut"), undisturbed) is None


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_second_signal_quits_at_once_and_one_of_the_same_moment_does_not():
    command = [
        sys.executable,
        "-c",
        LONG_UPDATE.replace("= 1.0", "= 60.0"),
        *SMALL,
        *OVERRIDES,
        "name=cut",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(rows(folder("cut") / "metrics.csv")) == 7)
    time.sleep(1)
    for pause in (0.1, 0.1, 1.5):
        os.kill(process.pid, signal.SIGINT)
        time.sleep(pause)
        assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT


HANG = """
import sys, threading
from attn_ppo import run, train
from attn_ppo.lifecycle import watchdog
watchdog.START_SECONDS, watchdog.LEAST_SECONDS = 60, 3
real, calls = run.collect, [0]
def collect(*args, **more):
    calls[0] += 1
    if calls[0] == 8:
        args[1][0]._env.send(__import__("numpy").array([99, 99]))  # which ale-py waits on for ever
        args[1][0]._env.recv()
    return real(*args, **more)
run.collect = collect
sys.exit(train.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("in_empty_folder")
def test_a_hung_run_is_ended_with_its_stack():
    command = [sys.executable, "-c", HANG, *SMALL, *OVERRIDES, "name=cut"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 7, ended.stderr
    assert "error: hung: nothing happened for" in ended.stderr
    assert "recv" in ended.stderr  # the place, and the stack
    assert "in collect" in ended.stderr
    status = json.loads((folder("cut") / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 7)
    assert "recv (vector_env.py:" in status["cause"]
    assert (checkpoint.load(folder("cut")) or {})["update"] == 5


@pytest.mark.usefixtures("in_empty_folder")
def test_broken_weights_are_never_saved(monkeypatch):
    real, calls = run.update, [0]

    def update(model, *args, **more):
        calls[0] += 1
        metrics = real(model, *args, **more)
        if calls[0] == 10:
            with torch.no_grad():
                model.value_head.bias.fill_(float("nan"))
        return metrics

    monkeypatch.setattr(run, "update", update)
    ended = train(*OVERRIDES, "name=cut")
    assert ended.returncode == 3
    assert "weights" in ended.stderr
    assert (checkpoint.load(folder("cut")) or {})["update"] == 5
