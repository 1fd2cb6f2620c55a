"""The doctor: what it finds on this machine, and on those that lack something."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from attn_ppo import doctor
from attn_ppo.compute import devices, kernels
from attn_ppo.diagnosis import machine, outside, storage
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


@pytest.fixture
def fresh_kernels(monkeypatch, tmp_path):
    """As where none were built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kernels.library.cache_clear()
    yield
    kernels.library.cache_clear()


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


def test_old_systems(monkeypatch):
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.17"))
    found = machine.python(RUNS)
    assert (found.state, found.facts["glibc"]) == ("warn", "2.17")
    assert found.told.endswith(", glibc 2.17: wheels are built for glibc 2.28")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert "a C library other than glibc: wheels" in machine.python(RUNS).told
    monkeypatch.setattr(machine, "LEAST_PYTHON", (3, 99))
    assert machine.python(RUNS).state == "bad"
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert machine.python(RUNS).state == "ok"


def test_packages_that_are_missing_or_others(monkeypatch):
    asked = ["torch>=2", "numpy<2,>=1", "no-such-package>=1", "of-an-extra; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda _: asked)
    found = machine.packages(RUNS)
    assert (found.state, found.told) == ("bad", "missing: no-such-package>=1")
    assert found.mend == f"{sys.executable} -m pip install 'no-such-package>=1' 'numpy<2,>=1'"
    assert found.facts["versions"].keys() == {"torch", "numpy", "no-such-package"}
    asked.remove("no-such-package>=1")
    found = machine.packages(RUNS)
    assert found.state == "warn"
    assert found.told == f"untested versions: numpy {metadata.version('numpy')}"
    asked.remove("numpy<2,>=1")
    assert machine.packages(RUNS).state == "ok"


def test_attn_ppo_that_is_not_installed(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    found = machine.packages(RUNS)
    assert (found.state, found.told) == ("bad", "attn_ppo itself isn't installed")


def test_processors_and_threads(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(devices, "quotas", lambda *_: iter([3.5]))
    monkeypatch.delenv("OMP_NUM_THREADS")
    found = machine.processors(RUNS)  # 3.5 is rounded up
    told = "4 of 16 usable (affinity 8, a control group's quota of 3.5); a run alone has 4 threads"
    assert (found.state, found.told.partition("; AMD")[0].partition("; Intel")[0]) == ("ok", told)
    assert found.facts["threads"] == found.facts["usable"] == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    found = machine.processors(RUNS)
    assert (found.state, found.mend) == ("warn", "unset OMP_NUM_THREADS")
    assert found.told.endswith("has 5 threads, by OMP_NUM_THREADS=5: more than there are")
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")  # of nested regions, too: the first is ours
    assert "a run alone has 2 threads, by OMP_NUM_THREADS=2,1;" in machine.processors(RUNS).told
    for wrong in ("x", "0", "-1", "1.5"):  # what OpenMP passes over
        monkeypatch.setenv("OMP_NUM_THREADS", wrong)
        found = machine.processors(RUNS)
        assert (found.state, found.mend) == ("warn", "unset OMP_NUM_THREADS")
        assert found.told.endswith(f"has 4 threads; OMP_NUM_THREADS={wrong} is no number of them")


def test_other_work_is_told(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.delenv("OMP_NUM_THREADS")
    for load, told in ((7.9, ""), (8.04, "; load 8.0: other work shares them")):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 99.0))
        found = machine.processors(RUNS)
        assert (found.state, found.facts["load"]) == ("ok", load)
        assert found.told.endswith(f"; {found.facts['chip']}{told}")


@pytest.mark.usefixtures("fresh_kernels")
@pytest.mark.parametrize(
    ("compiler", "why"),
    [
        (None, "there's no C++ compiler (c++, g++ or $CXX)"),
        ("false", "false can't build the kernels: exit code 1"),
    ],
)
def test_no_kernels(compiler, why, monkeypatch):
    monkeypatch.setenv("CXX", str(shutil.which(compiler)) if compiler else "nothing")
    if not compiler:
        monkeypatch.setenv("PATH", "")
    found = machine.kernels(RUNS)
    assert found.state == "warn"
    assert found.told.endswith(why)
    assert found.mend.startswith("apt-get install g++")
    assert found.facts["built"] is None


def test_kernels_without_openmp(monkeypatch):
    monkeypatch.setattr(kernels, "threaded", lambda: False)
    found = machine.kernels(RUNS)
    assert found.state == "warn"
    assert found.told.endswith("without OpenMP, for runs of one thread: PyTorch computes others")
    assert found.mend == f"apt-get install g++ libomp-dev; rm {kernels.library()._name}"
    monkeypatch.setattr(sys, "platform", "darwin")  # where it is meant to be so
    assert machine.kernels(RUNS).state == "ok"


def test_a_driver_without_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DRIVERS", (str(tmp_path),))
    monkeypatch.setattr("torch.version.cuda", None)
    found = machine.gpu(RUNS)
    assert (found.state, found.told) == ("warn", "a driver is here, but PyTorch was built for CPUs")
    monkeypatch.setattr("torch.version.cuda", "12.8")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    found = machine.gpu(RUNS)
    assert (found.state, found.mend.partition(";")[0]) == ("warn", "nvidia-smi")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "H100")
    assert machine.gpu(RUNS).facts["devices"] == ["H100", "H100"]


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
