"""The engine `ray` on a real Ray of this machine."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from starting import COMMAND, RUN, rows, wait_for

pytest.importorskip(
    "hydra_plugins.hydra_ray_launcher", reason="no Ray launcher (pip install -e '.[ray]')"
)
pytestmark = pytest.mark.slow

QUICK = [*COMMAND, "attention.hidden=16", "ppo.num_epochs=1", "evaluation.episodes=0"]
# Ray takes its number of CPUs for what there is: the tests' runs are at once on any machine.
SWEEP = [*QUICK, "-m", "engine=ray", "lambda=0.005", "hydra.launcher.ray.remote.num_cpus=0.5"]
FOLDERS = [RUN.with_name(f"seed={seed}") for seed in range(4)]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.fixture
def start(in_empty_folder) -> Iterator:
    """Starts `python -m attn_ppo.train -m engine=ray ...`."""
    started = []

    def start(*overrides: str) -> subprocess.Popen:
        sweep = subprocess.Popen(
            [*SWEEP, *overrides],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(sweep)
        return sweep

    assert in_empty_folder
    yield start
    for sweep in started:
        sweep.kill()
        sweep.communicate()


def state(folder: Path) -> dict:
    """What status.json says."""
    return json.loads((folder / "status.json").read_text())


def updates(folder: Path) -> int:
    return len(rows(folder / "metrics.csv"))


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def family(ancestor: int) -> set[int]:
    """The process and its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = parent(int(path.name))
        except OSError:  # it has just ended
            continue
    found = {ancestor}
    while more := {pid for pid, of in parents.items() if of in found} - found:
        found |= more
    return found


def listening(pids: set[int]) -> set[str]:
    """The addresses, as the kernel writes them, on which these processes listen for TCP."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(handle))
            except OSError:  # closed, or the process has ended
                continue
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    in_use = {cells[1].partition(":")[0]: cells for cells in lines if cells[3] == "0A"}
    assert in_use
    return {c[1].partition(":")[0] for c in lines if c[3] == "0A" and f"socket:[{c[9]}]" in sockets}


def test_bad_and_killed_runs_and_a_killed_worker_leave_the_others_alone(start):
    FOLDERS[0].mkdir(parents=True)
    (FOLDERS[0] / "checkpoint.pt").write_text("damaged")
    sweep = start("seed=0,1,2,3", "total_steps=3200")
    wait_for(lambda: all(updates(folder) > 2 for folder in FOLDERS[1:3]), 120)
    addresses = listening(family(sweep.pid))
    assert addresses
    assert addresses <= LOOPBACK
    os.kill(state(FOLDERS[1])["pid"], signal.SIGKILL)
    os.kill(parent(state(FOLDERS[2])["pid"]), signal.SIGKILL)  # Ray starts another worker
    out = sweep.communicate(timeout=240)[0]
    assert sweep.returncode == 1, out
    assert [state(f)["state"] for f in FOLDERS] == ["failed", "failed", "done", "done"], out
    assert "damaged" in out
    assert "killed by SIGKILL" in out
    assert updates(FOLDERS[2]) == 100
    assert "SIGTERM: saved at" in (FOLDERS[2] / "output.log").read_text()  # when its worker died


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_runs_save_when_the_sweep_is_stopped(how, start):
    sweep = start("seed=0,1,2", "total_steps=64_000", "hydra.launcher.ray.init.num_cpus=1")
    wait_for(lambda: all(updates(folder) > 2 for folder in FOLDERS[:2]), 120)
    if how == signal.SIGINT:
        os.killpg(sweep.pid, how)  # as a terminal does on Ctrl-C
    else:
        sweep.send_signal(how)
    wait_for(lambda: all(state(folder)["state"] == "preempted" for folder in FOLDERS[:2]), 20)
    out = sweep.communicate(timeout=60)[0]
    assert sweep.returncode == (-how if how == signal.SIGKILL else 75), out
    assert not FOLDERS[2].exists()
    for folder in FOLDERS[:2]:
        assert updates(folder) == state(folder)["env_steps"] // 32  # 2 environments x 16 steps
