"""How many threads and jobs: what affinity, control groups and the environment allow."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from starting import COMMAND, train

from attn_ppo import config
from attn_ppo.compute import devices
from attn_ppo.launch import command_line, sweep

FOLDER = Path("runs/default/Breakout/lambda=0/seed=0")
SHORT = ["total_steps=64", "evaluation.episodes=0", "attention.hidden=16", "compute.backend=torch"]


@pytest.fixture(autouse=True)
def sixteen_cpus(monkeypatch):
    """A machine of 16 processors and no limits of the environment's."""
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


def planted(folder: Path, cgroup: str, mounts: str, **files: str) -> Path:
    """A /proc/self whose control groups lie in `folder`; files by path, / written as __."""
    (folder / "proc").mkdir()
    (folder / "proc/cgroup").write_text(cgroup)
    (folder / "proc/mountinfo").write_text(mounts.replace("/fs", f"{folder}/fs"))
    for name, text in files.items():
        path = folder / "fs" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "proc"


ROOT = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
V2 = ROOT + "30 22 0:26 / /fs rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    ROOT
    + "31 22 0:27 / /fs/mem rw - cgroup cgroup rw,memory\n"
    + "32 22 0:28 / /fs/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
)
IN_DOCKER = ROOT + "33 22 0:29 /docker/ab /fs/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
JOB = "3:cpuset:/\n2:cpu,cpuacct:/docker/ab\n0::/\n"


@pytest.mark.parametrize(
    ("cgroup", "mounts", "files", "expected"),
    [
        ("0::/\n", V2, {}, 16),  # the root group has no quota
        ("0::/\n", V2, {"cpu.max": "100000 100000\n"}, 1),  # of a container's own view
        ("0::/a/b\n", V2, {"a__b__cpu.max": "max 100000\n"}, 16),
        ("0::/a/b\n", V2, {"a__b__cpu.max": "250000 100000\n"}, 3),  # 2.5, rounded up
        ("0::/a/b\n", V2, {"a__cpu.max": "200000 100000\n", "a__b__cpu.max": "max 100000\n"}, 2),
        ("0::/a\n", V2, {"a__b__cpu.max": "100000 100000\n"}, 16),  # another's
        ("0::/a\n", V2, {"a__cpu.max": "5000 100000\n"}, 1),  # at least one
        ("0::/a\n", V2, {"a__cpu.max": "9900000 100000\n"}, 16),
        ("0::/../elsewhere\n", V2, {"cpu.max": "400000 100000\n"}, 4),
        (JOB, V1, {"cpu__docker__ab__cpu.cfs_quota_us": "-1\n"}, 16),
        (JOB, IN_DOCKER, {"cpu__cpu.cfs_quota_us": "350000\n"}, 4),
        (JOB, V1, {"cpu__docker__ab__cpu.cfs_quota_us": "100000\n"}, 1),
        (JOB, V1, {"cpu__docker__cpu.cfs_quota_us": "600000\n"}, 6),
        ("", "", {}, 16),
    ],
)
def test_quotas_of_control_groups(cgroup, mounts, files, expected, tmp_path):
    periods = {name.replace("quota", "period"): "100000\n" for name in files if "cfs" in name}
    proc = planted(tmp_path, cgroup, mounts, **files, **periods)
    assert devices.available_cpus(proc) == expected


def test_affinity_and_lokys_variable(monkeypatch, tmp_path):
    assert devices.available_cpus(tmp_path) == 16
    for limit, expected in (("3", 3), ("99", 16), ("0", 1), ("many", 16), ("", 16)):
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", limit)
        assert devices.available_cpus(tmp_path) == expected
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "8")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert devices.available_cpus(tmp_path) == 2


def test_a_real_control_group():
    """Version 1, in which a user without a container gets one; joblib finds no quota there."""
    group = Path("/sys/fs/cgroup/cpu") / f"attn_ppo-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"can't make a control group: {error}")
    try:
        if not (group / "cpu.cfs_quota_us").exists():
            pytest.skip("no quotas in /sys/fs/cgroup/cpu")
        (group / "cpu.cfs_quota_us").write_text("100000")
        code = "from attn_ppo.compute.devices import available_cpus; print(available_cpus())"
        done = subprocess.run(
            [sys.executable, "-c", code],
            preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
            capture_output=True,
            text=True,
        )
        assert done.stdout == "1\n", done.stderr
    finally:
        group.rmdir()


def test_threads_are_lowered_to_the_processors_unless_asked_for(monkeypatch):
    before = torch.get_num_threads()
    try:
        for said, expected in (({}, 3), ({"OMP_NUM_THREADS": "4"}, 4)):
            torch.set_num_threads(4)
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            for name, value in said.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(devices, "available_cpus", lambda: 3)
            devices.limit_threads()
            assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def spins(printed: str) -> set[str]:
    """What GCC's OpenMP, told to display its settings, took when it was loaded."""
    return {line.split("'")[1] for line in printed.splitlines() if "GOMP_SPINCOUNT" in line}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch brings Clang's OpenMP")
@pytest.mark.usefixtures("in_empty_folder")
def test_threads_wait_briefly_in_a_run_alone_and_in_those_of_a_sweep(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "verbose")
    overrides = [*COMMAND, *SHORT, "total_steps=32"]
    alone = subprocess.run([*overrides, "lambda=0"], capture_output=True, text=True)
    assert (alone.returncode, spins(alone.stderr)) == (0, {"5000"}), alone.stderr
    swept = subprocess.run([*overrides, "-m", "lambda=0.1,0.2"], capture_output=True, text=True)
    assert swept.returncode == 0, swept.stderr
    logs = [path.read_text() for path in Path("runs").rglob("output.log")]
    assert [spins(text) for text in logs] == [{"5000"}, {"5000"}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"GOMP_SPINCOUNT": "5000"}),
        ({"GOMP_SPINCOUNT": "70"}, {"GOMP_SPINCOUNT": "70"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
        ({"KMP_BLOCKTIME": "0"}, {"KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "5000"}),  # Clang's
    ],
)
def test_how_threads_wait_is_the_users_if_he_says(given, expected, monkeypatch):
    monkeypatch.setattr(os, "environ", dict(given))
    devices.wait_briefly()
    assert os.environ == expected


def test_who_only_imports_us_keeps_his_environment():
    code = "import os; before = dict(os.environ); import attn_ppo; attn_ppo.load; "
    code += "import attn_ppo.train, attn_ppo.run; assert os.environ == before"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def shared(monkeypatch, *overrides: str, cpus: int = 8, **environment: str) -> tuple[str, str, str]:
    """Jobs at once, and threads of each by both variables, of a sweep of four runs."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(devices, "available_cpus", lambda: cpus)
    asked = command_line.parse(["-m", "seed=0,1,2,3", *overrides])
    jobs = sweep._share_cpus(asked, asked.configs).overrides[-1]
    return jobs, os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]


def test_a_sweep_divides_the_processors(monkeypatch):
    jobs: Callable[[int], str] = "++hydra.launcher.n_jobs={}".format
    assert shared(monkeypatch) == (jobs(8), "2", "2")  # four runs on eight
    assert shared(monkeypatch, cpus=2) == (jobs(2), "1", "1")
    assert shared(monkeypatch, "hydra.launcher.n_jobs=2") == (jobs(2), "4", "4")
    assert shared(monkeypatch, "hydra.launcher.n_jobs=3", cpus=2) == (jobs(3), "1", "1")
    assert shared(monkeypatch, "compute.threads=4") == (jobs(2), "4", "4")
    assert shared(monkeypatch, OMP_NUM_THREADS="3") == (jobs(2), "3", "3")
    assert shared(monkeypatch, OMP_NUM_THREADS="1", MKL_NUM_THREADS="7") == (jobs(8), "1", "7")
    assert shared(monkeypatch, "compute.threads=99") == (jobs(1), "8", "8")


def status() -> dict:
    return json.loads((FOLDER / "status.json").read_text())


def lose_the_last_update() -> None:
    """As if the run had been stopped after its first of two updates."""
    (FOLDER / "checkpoint.prev.pt").replace(FOLDER / "checkpoint.pt")
    path = FOLDER / "status.json"
    path.write_text(path.read_text().replace('"done"', '"preempted"'))


@pytest.mark.usefixtures("in_empty_folder")
def test_a_key_sets_the_threads_and_a_run_keeps_them(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = [*SHORT, "lambda=0", "checkpoint.every_updates=1"]
    assert train(*run, "compute.threads=2").returncode == 0
    assert status()["threads"] == 2
    assert config.read(FOLDER / "config.yaml").compute.threads == "2"
    lose_the_last_update()
    refused = train(*run, "compute.threads=3")
    assert refused.returncode == 2
    first, second = refused.stderr.splitlines()
    assert first == f"error: threads=3 differs from what {FOLDER} began with"
    assert second.startswith("allowed: threads=2; or checkpoint.resume=anyway")
    assert train(*run).returncode == 0  # auto: those that it began with
    assert status()["threads"] == 2
    assert status()["inexact_resumes"] == []
    lose_the_last_update()
    marked = train(*run, "compute.threads=1", "checkpoint.resume=anyway")
    assert marked.returncode == 0
    assert status()["inexact_resumes"] == ["at 32 steps: threads 2 -> 1"]


@pytest.mark.usefixtures("in_empty_folder")
def test_two_threads_have_other_bits_than_one():
    """Why a run alone and the same one in a sweep differ, unless `compute.threads` says."""
    weights = []
    for threads in ("1", "2"):
        train(*SHORT, "lambda=0", f"compute.threads={threads}", f"name={threads}")
        path = f"runs/{threads}/Breakout/lambda=0/seed=0/checkpoint.pt"
        model = torch.load(path, weights_only=True)["agent"]["model"]
        weights.append(torch.cat([tensor.flatten() for tensor in model.values()]))
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, atol=1e-2, rtol=0)


def test_a_run_of_before_the_key_is_read_and_is_the_same_run(settings_of, tmp_path):
    two = settings_of("compute.threads=2")
    earlier = config.to_yaml(two).replace("  threads: '2'\n", "")
    (tmp_path / "config.yaml").write_text(earlier)
    read = config.read(tmp_path / "config.yaml")
    assert (read.compute.threads, two.compute.threads) == ("auto", "2")
    assert config.identity(read) == config.identity(two)
    assert "compute.precision" in config.identity(two)
    assert "compute.threads" not in config.identity(two)


@pytest.mark.parametrize("threads", ["0", "1000", "two", "1.5", "[1]"])
def test_threads_that_there_are_not(settings_of, threads):
    with pytest.raises(ValueError, match=r"(?s)compute\.threads=.*auto, or a number from 1 to 999"):
        settings_of(f"compute.threads={threads}")
