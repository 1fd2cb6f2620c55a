"""Speed on a busy machine: the arithmetic, and that what keeps it busy is gone afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from attn_ppo.compute import devices
from bench import busy, race, report

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("threads", "spinning", "cores", "expected"),
    [
        (2, 0, 2, 1),
        (2, 1, 2, 2 / 3),  # three threads on two cores: each has 2/3 of one, and of one alone
        (2, 4, 2, 1 / 3),
        (1, 1, 2, 1),  # a core each
        (1, 4, 2, 2 / 5),
        (4, 4, 8, 1),
        (4, 0, 2, 1),  # more threads than cores: alone two cores,
        (4, 4, 2, 1 / 2),  # beside four, half of them
    ],
)
def test_the_fair_share(threads, spinning, cores, expected):
    assert busy.fair_share(threads, spinning, cores) == pytest.approx(expected)


def test_a_busy_machine_in_numbers():
    # ours alone 2 and 3 s, beside two 5 and 6 s: 0.4 and 0.5 of its speed, of which 1/2 is fair:
    # 0.8 and 1, in the middle 0.9. Beside two the peer takes 10 and 18 s: 2 and 3 times as long.
    seconds = {"ours": {0: [2.0, 3.0], 2: [5.0, 6.0]}, "sb3": {0: [4.0, 4.0], 2: [10.0, 18.0]}}
    found = busy.summary(seconds, threads=2, cores=2)
    assert found["ours"][2]["agent_steps_per_second"] == pytest.approx(1024 / 5.5)
    assert found["ours"][2]["of_fair_share"] == pytest.approx(0.9)
    assert found["ours"][2]["speedup"] == pytest.approx(2.5)
    assert found["sb3"][2]["of_fair_share"] == pytest.approx((0.8 + 2 * 4 / 18) / 2)
    first, _ = busy.lines(found)
    expected = (
        "attn_ppo, beside busy processes, steps/s (of the fair share):  0: 410  2: 186 (90 %)"
    )
    assert first == expected
    assert first in report._scaling({"busy": found})
    assert busy.summary({}, 2, 2) == {}
    assert busy.lines({}) == []


def cpu_seconds(spinner: subprocess.Popen) -> float:
    """User's and system's, of a process."""
    fields = Path(f"/proc/{spinner.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_spinning_processes_compute_only_inside_and_are_gone_afterwards():
    with busy.stopped_spinners(2) as spinners:
        time.sleep(0.2)
        before = [cpu_seconds(each) for each in spinners]
        with busy.going_on(spinners[:1]):
            end = time.monotonic() + 60
            while cpu_seconds(spinners[0]) < before[0] + 0.2:
                assert time.monotonic() < end
                time.sleep(0.05)
        stopped = cpu_seconds(spinners[0])
        time.sleep(0.2)
        assert cpu_seconds(spinners[0]) - stopped <= 0.03
        assert cpu_seconds(spinners[1]) == before[1]
    assert [each.returncode for each in spinners] == [-signal.SIGKILL] * 2


def test_spinning_processes_end_with_whoever_started_them():
    # before the spinning one has begun, and it holds stderr open for as long as it lives
    code = """
import os, subprocess, sys
from bench.busy import SPIN
subprocess.Popen([sys.executable, "-c", SPIN, str(os.getpid())])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, timeout=100
    )
    assert done.stderr == b""


@pytest.mark.parametrize(("key", "expected"), [("ours", devices.SPINS), ("sb3", None)])
def test_a_peer_waits_as_it_does_without_us(key, expected, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", devices.SPINS)
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, env, **__: started.append(env) or Ended())
    with race.child(key, race.Setup("Pong", 2, "python", {}), 2):
        assert started[0].get("GOMP_SPINCOUNT") == expected
        assert started[0]["OMP_NUM_THREADS"] == "2"


class Ended:
    """A process that has been waited for."""

    pid, stdin, stdout = 2**30, None, None  # no process has that number

    def wait(self) -> int:
        return 0
