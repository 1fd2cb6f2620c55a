"""The doctor: what it finds on this machine, and on those that lack something."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attn_ppo import doctor
from attn_ppo.diagnosis import outside, storage
from attn_ppo.diagnosis.finding import Finding
from attn_ppo.lifecycle import lock, wandb_session
from attn_ppo.lifecycle.wandb_session import Standing

pytestmark = pytest.mark.usefixtures("in_empty_folder")
RUNS = Path("runs")
GOOD = Finding("ok", "fine")


@pytest.fixture
def only(monkeypatch):
    """Leaves the doctor these checks."""

    def leave(**checks) -> None:
        monkeypatch.setattr(doctor, "CHECKS", checks)

    return leave


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """Nobody asks W&B."""
    standing = Standing("", logged_in=True, no_answer="")
    monkeypatch.setattr(wandb_session, "standing", lambda: standing)


def test_the_keys_of_the_json_stay(capsys):
    assert doctor.main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"attn_ppo", "ok", "checks"}
    assert told["ok"] is True
    facts = {name: sorted(check["facts"]) for name, check in told["checks"].items()}
    assert facts == {
        "python": ["executable", "glibc", "system", "version"],
        "packages": ["missing", "other", "versions"],
        "processors": ["affinity", "chip", "load", "processors", "quotas", "threads", "usable"],
        "kernels": ["built", "compiler", "library", "threaded"],
        "gpu": ["devices", "drivers", "torch_cuda"],
        "roms": ["folder", "games", "missing"],
        "runs": ["exists", "folder"],
        "disk": ["free_bytes", "free_files"],
        "locks": ["flock", "running", "why"],
        "wandb": ["installed", "logged_in", "mode", "no_answer"],
    }
    for check in told["checks"].values():
        assert check.keys() == {"state", "told", "mend", "facts"}
        assert check["state"] in ("ok", "warn")
        assert bool(check["mend"]) == (check["state"] == "warn")
    assert list(Path().iterdir()) == []  # nothing is left behind


def test_a_table_for_people(only, capsys, monkeypatch):
    long = "word " * 30 + "end"
    only(
        python=lambda _: Finding("ok", "3.11"),
        processors=lambda _: Finding("warn", long, "buy one"),
        roms=lambda _: Finding("bad", "none"),
    )
    assert doctor.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok    python      3.11",
        "warn  processors  " + ("word " * 16).strip(),  # 82 characters are 16 words
        " " * 18 + ("word " * 14 + "end").strip(),
        " " * 18 + "mend: buy one",
        "bad   roms        none",
        "",
        "a run would stop at: roms",
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert doctor.lines("roms", GOOD) == "\x1b[32mok  \x1b[0m  roms        fine"
    monkeypatch.setenv("NO_COLOR", "1")
    assert doctor.lines("roms", GOOD) == "ok    roms        fine"


def test_the_verdict():
    warned = Finding("warn", "so")
    assert doctor.summary({"a": GOOD}) == "nothing is amiss"
    assert doctor.summary({"a": GOOD, "b": warned}) == "a run would work; see b"


def test_a_check_that_raises_is_a_finding(only, capsys):
    def broken(_):
        raise TypeError("of a kind\nthat nobody foresaw")

    def lacking(_):
        raise ModuleNotFoundError("No module named 'ale_py'")

    only(a=broken)
    assert doctor.main([]) == 0
    assert capsys.readouterr().out.startswith("warn  a           can't be told: TypeError: of a k")
    only(a=lacking)
    assert doctor.main([]) == 1


def test_roms_that_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    found = outside.roms(RUNS)
    assert (found.state, found.mend) == ("bad", "unset ALE_ROMS_DIR")
    assert found.told.startswith("104 of 104 games have none (")
    assert len(found.facts["missing"]) == 104


def test_what_libraries_print_does_not_spoil_the_json(only, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))  # ale-py says so, once a game
    only(roms=outside.roms)
    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_folder_that_cannot_be_written(only, capsys):
    only(runs=storage.writable)
    assert doctor.main(["/proc/nowhere/runs"]) == 1
    out = capsys.readouterr().out
    assert "bad   runs        can't write /proc/nowhere/runs/name: " in out
    assert "mend: choose another: export ATTN_PPO_ROOT=<a folder>" in out
    assert doctor.main([]) == 0
    assert capsys.readouterr().out.endswith("nothing is amiss\n")


def test_the_folder_is_that_of_all_runs(only, monkeypatch, tmp_path, capsys):
    only(runs=storage.writable)
    monkeypatch.setenv("ATTN_PPO_ROOT", str(tmp_path / "elsewhere"))
    doctor.main([])
    assert f"{tmp_path}/elsewhere can be written, and isn't there yet" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(("free", "state"), [(5e7, "bad"), (1e9, "warn"), (5e9, "ok")])
def test_little_space(free, state, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    found = storage.space(RUNS)
    assert found.state == state
    assert found.told.startswith(f"{free / 1e9:.1f} GB free at ")


def running(name: str) -> None:
    folder = RUNS / name / "Breakout/lambda=0/seed=0"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text('{"state": "running"}')


def test_locks_that_hold():
    assert storage.locks(RUNS).state == "ok"
    assert list(Path().iterdir()) == []


def test_locks_that_do_nothing(monkeypatch):
    """flock succeeds, and another process has it as well."""
    monkeypatch.setattr(lock.fcntl, "flock", lambda *_: None)
    found = storage.locks(RUNS)
    assert (found.state, found.facts["running"]) == ("warn", [])
    assert "it succeeds and does nothing; start no run twice" in found.told
    running("a")
    found = storage.locks(RUNS)
    assert found.facts["running"] == ["runs/a/Breakout/lambda=0/seed=0"]
    told = "1 says it is running, don't start it again: runs/a/Breakout/lambda=0/seed=0; start no"
    assert told in found.told
    running("b")
    assert "2 say they are running" in storage.locks(RUNS).told


@pytest.mark.parametrize("why", ["no fcntl", "mount", "error"])
def test_locks_whose_place_a_lease_takes(why, monkeypatch):
    def fails(*_):
        raise OSError(38, "Function not implemented")

    told = {
        "no fcntl": "this Python has no fcntl",
        "mount": "it reaches this machine only, by how the file system is mounted",
        "error": "function not implemented",
    }
    if why == "no fcntl":
        monkeypatch.setattr(lock, "fcntl", None)
    elif why == "mount":
        monkeypatch.setattr(lock, "flock_is_local", lambda *_: True)
    else:
        monkeypatch.setattr(lock.fcntl, "flock", fails)
    found = storage.locks(RUNS)
    assert (found.state, found.facts["why"]) == ("ok", told[why])
    assert "a lease does" in found.told


@pytest.mark.parametrize(
    ("standing", "state", "told"),
    [
        (("", True, ""), "ok", "logged in and the server answers"),
        (("offline", False, "x"), "ok", "offline, as its own settings ask"),
        (("", False, ""), "warn", "nobody is logged in, though the server answers: runs are"),
        (("", True, "x does not answer"), "warn", "logged in, and x does not answer: runs are"),
        (("", False, "x does not answer"), "warn", "nobody is logged in, and x does not answer"),
    ],
)
def test_wandb(standing, state, told, monkeypatch):
    monkeypatch.setattr(wandb_session, "standing", lambda: Standing(*standing))
    found = outside.wandb(RUNS)
    assert found.state == state
    assert found.told.startswith(told)
    logged_in = standing[1]
    assert found.mend.endswith("login") == (state == "warn" and not logged_in)


def test_wandb_that_hangs_or_is_missing(monkeypatch):
    monkeypatch.setattr(wandb_session, "standing", lambda: time.sleep(60))
    monkeypatch.setattr(outside, "SECONDS", 0.1)
    assert outside.wandb(RUNS).state == "warn"

    def missing():
        raise ModuleNotFoundError("No module named 'wandb'")

    monkeypatch.setattr(wandb_session, "standing", missing)
    assert outside.wandb(RUNS).told == "not installed"


@pytest.mark.slow
def test_a_server_that_never_answers_and_a_key_that_nobody_sees():
    import socket

    key = "0123456789" * 4
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        env = os.environ | {"WANDB_BASE_URL": url, "WANDB_API_KEY": key}
        command = [sys.executable, "-m", "attn_ppo.doctor", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    check = json.loads(done.stdout)["checks"]["wandb"]
    assert check["state"] == "warn"
    assert re.search("does not answer|took longer than 5 s", check["told"])
    assert key not in done.stdout + done.stderr
    assert done.stderr == ""
