"""What the doctor finds of the machine: Python, packages, processors, kernels, GPUs."""

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

from attn_ppo.compute import devices, kernels
from attn_ppo.diagnosis import machine

pytestmark = pytest.mark.usefixtures("in_empty_folder")
RUNS = Path("runs")


@pytest.fixture
def fresh_kernels(monkeypatch, tmp_path):
    """As where none were built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kernels.library.cache_clear()
    yield
    kernels.library.cache_clear()


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
