"""What macOS lacks is done without: as far as a Linux that is made to look like it can tell."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starting import SMALL, rows, wait_for

from attn_ppo import errors
from attn_ppo.compute import backends, building, devices, kernels
from attn_ppo.lifecycle import disk, lock, processes
from attn_ppo.lifecycle.lock import RunLock

HERE = Path(__file__).parent
# As Apple's compiler answers.
CXX = """#!/bin/sh
for word in "$@"; do
    [ "$word" = -fopenmp ] && { echo "clang: error: unsupported option '-fopenmp'" >&2; exit 1; }
done
exec c++ "$@"
"""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory) -> Path:
    """A C++ compiler without OpenMP."""
    path = tmp_path_factory.mktemp("compiler") / "c++"
    path.write_text(CXX)
    path.chmod(0o755)
    return path


@pytest.fixture
def without_proc(monkeypatch, tmp_path):
    """As where processes have no files."""
    monkeypatch.setattr(processes, "PROC", tmp_path / "proc")


@pytest.mark.usefixtures("without_proc")
def test_children_are_found_by_ps():
    with subprocess.Popen(["sleep", "60"]) as child:
        found = processes.children(os.getpid())
        assert child.pid in found
        assert processes.children(child.pid) == set()
        child.kill()


@pytest.mark.usefixtures("without_proc")
def test_when_a_process_began_by_ps():
    with subprocess.Popen(["sleep", "60"]) as child:
        began = processes.started(child.pid)
        assert began is not None
        assert time.strptime(began, "%a %b %d %H:%M:%S %Y").tm_year >= 2026
        age = processes.seconds_alive(child.pid)
        assert age is not None
        assert 0 <= age < 30
        child.kill()
        wait_for(lambda: processes.started(child.pid) == "")  # nobody has waited for it yet
    assert processes.started(child.pid) is None
    assert processes.seconds_alive(child.pid) is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("      00:07\n", 7),
        ("   03:02:01\n", 10_921),  # 3 * 3600 + 2 * 60 + 1
        ("2-03:00:00\n", 183_600),  # 2 * 86400 + 3 * 3600
        ("", None),
    ],
)
def test_how_long_a_process_is_alive(told, seconds, monkeypatch):
    monkeypatch.setattr(processes, "_ps", lambda *_: told.splitlines())
    assert processes.seconds_alive(1) == seconds


def test_without_ps_either_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert processes.children(os.getpid()) == set()
    assert processes.started(os.getpid()) is None
    assert processes.seconds_alive(os.getpid()) is None


def test_where_no_list_of_locks_is_its_holder_is_a_process_that_is_there(tmp_path):
    held = RunLock(tmp_path)
    told = f"pid {os.getpid()} on "
    assert lock.holder(tmp_path, None).startswith(told)
    assert lock.holder(tmp_path, set()) == ""
    held.close()
    file = tmp_path / "lock"
    os.utime(file, (0, 0))  # locked before this process began: by another of its number
    assert lock.holder(tmp_path, None) == ""
    file.write_text(f"pid {os.getpid()} on elsewhere")
    assert lock.holder(tmp_path, None) == ""
    with subprocess.Popen(["true"]) as gone:
        pass
    file.write_text(lock.lease.this_process().replace(str(os.getpid()), str(gone.pid)))
    assert lock.holder(tmp_path, None) == ""


def test_without_fcntl_a_lease_is_the_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    held = RunLock(tmp_path)
    assert (tmp_path / "lease.1").exists()
    with pytest.raises(errors.RunError, match=f"is being run by pid {os.getpid()} on "):
        RunLock(tmp_path)
    held.close()


def test_the_drives_own_cache_is_emptied_where_the_system_can(monkeypatch, tmp_path):
    """With fsync where F_FULLFSYNC fails, as on a network file system."""
    asked = []

    def fcntl(_: int, command: int) -> None:
        asked.append(command)
        if len(asked) > 1:
            raise OSError(errno.ENOTSUP, "not here")

    monkeypatch.setattr(disk, "FULL_SYNC", 51)
    monkeypatch.setattr(disk.fcntl, "fcntl", fcntl)
    monkeypatch.setattr(os, "fsync", lambda _: asked.append("fsync"))
    with open(tmp_path / "file", "w") as file:
        disk.sync(file.fileno())
        assert asked == [51]
        disk.sync(file.fileno())
        assert asked == [51, 51, "fsync"]


def test_processors_without_affinity(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert devices.available_cpus(tmp_path) == 6


@pytest.mark.parametrize(
    ("system", "machine", "flags"),
    [
        ("linux", "x86_64", [["-march=native", "-fopenmp"], ["-march=native"], []]),
        ("linux", "aarch64", [["-mcpu=native", "-fopenmp"], ["-mcpu=native"], []]),
        ("darwin", "arm64", [["-mcpu=native"], []]),
        ("darwin", "x86_64", [["-march=native"], []]),
    ],
)
def test_flags_of_the_kernels(system, machine, flags):
    assert building._attempts(system, machine) == flags


def test_kernels_without_openmp_are_left_to_runs_of_one_thread(
    compiler, monkeypatch, tmp_path, settings_of
):
    """`auto` takes PyTorch's operators, which have all threads, and says why."""
    auto, asked, cpu = settings_of(), settings_of("compute.backend=kernels"), devices_cpu()
    for cxx, threaded in (("c++", True), (str(compiler), False)):
        monkeypatch.setenv("CXX", cxx)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / str(threaded)))
        kernels.library.cache_clear()
        assert kernels.threaded() == threaded
        for threads in (1, 4):
            monkeypatch.setattr("torch.get_num_threads", lambda threads=threads: threads)
            fast = threaded or threads == 1
            assert backends.choose(auto, cpu).name == ("kernels" if fast else "torch")
            assert backends.choose(asked, cpu).name == "kernels"
            why = "the kernels have 1 of 4 threads: the compiler has no OpenMP"
            assert backends.slower(auto, cpu) == ("" if fast else why)
    kernels.library.cache_clear()


def devices_cpu():
    import torch

    return torch.device("cpu")


@pytest.fixture
def mac(compiler, tmp_path, monkeypatch, request):
    """Starts a command as on macOS, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    env = os.environ | {
        "PYTHONPATH": f"{HERE / 'macos'}:{HERE.parent}",
        "CXX": str(compiler),
        "ATTN_PPO_NO_FCNTL": request.param,
    }

    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command, pipe = [sys.executable, "-m", *arguments], subprocess.PIPE
        started.append(
            subprocess.Popen(
                command, env=env, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):  # a test that failed leaves some
            os.killpg(process.pid, signal.SIGKILL)


both = pytest.mark.parametrize("mac", ["", "1"], indirect=True, ids=["macos", "no_fcntl"])
RUN = [*SMALL, "ppo.num_epochs=1", "evaluation.episodes=1", "name=m"]
FOLDERS = [Path(f"runs/m/Breakout/lambda=0/seed={seed}") for seed in (0, 1)]


def trained(folder: Path) -> int:
    found = rows(folder / "metrics.csv")
    return int(found[-1]["env_steps"]) if found else 0


@pytest.mark.slow
@both
def test_a_run_trains_and_is_resumed(mac, request):
    run = ["attn_ppo.train", *RUN, "total_steps=640", "checkpoint.every_updates=2"]
    stopped = mac(*run)
    wait_for(lambda: trained(FOLDERS[0]) >= 128)
    table = mac("attn_ppo.status", "runs/m").communicate(timeout=60)[0]
    assert f"pid {stopped.pid} on " in table
    assert table.endswith("\n1 run: 1 running\n")
    stopped.send_signal(signal.SIGTERM)
    out, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 75, out + err
    assert "Traceback" not in err
    again = mac(*run)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, out + err
    assert trained(FOLDERS[0]) == 640
    leases = [path.name for path in FOLDERS[0].glob("lease.*")]
    assert leases == (["lease.2"] if request.node.callspec.id == "no_fcntl" else [])


@pytest.mark.slow
@both
def test_a_sweep_is_stopped_killed_and_done(mac):
    sweep = ["attn_ppo.train", "-m", *RUN, "seed=0,1", "hydra.launcher.n_jobs=2"]
    endless = [*sweep, "total_steps=640000"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        began = mac(*endless)
        wait_for(lambda: all(trained(folder) >= 64 for folder in FOLDERS))
        began.send_signal(number)
        out, err = began.communicate(timeout=60)
        assert began.returncode == (75 if number == signal.SIGTERM else -9), out + err
        for folder in FOLDERS:  # also where nobody passes the signal on
            wait_for(lambda f=folder: '"preempted"' in (f / "status.json").read_text())
        shutil.rmtree("runs")
    done = mac(*sweep, "total_steps=64")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, out + err
    assert "2 runs: 2 done" in out
    assert [trained(folder) for folder in FOLDERS] == [64, 64]
