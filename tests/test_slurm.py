"""The engine `slurm` on a real Slurm, which these tests bring along: one node, this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starting import COMMAND, RUN, rows, wait_for

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent / "slurm"
DAEMONS = ("slurmctld", "slurmd", "munged", "squeue", "scontrol", "scancel", "srun")
QUICK = [*COMMAND, "attention.hidden=16", "ppo.num_epochs=1", "evaluation.episodes=0"]
SWEEP = [*QUICK, "-m", "engine=slurm", "hydra.launcher.cpus_per_task=1"]
LONG = ["lambda=0.005", "total_steps=64_000"]  # 2,000 updates: more than any test waits for
CLOCKS = {"env_steps_per_second", "elapsed_seconds"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """The folder of a Slurm of our own, found through the environment."""
    if missing := install():
        pytest.skip(f"no Slurm for these tests: {missing}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # not below tmp_path: munge wants it open
    environment = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        ports = [str(port) for port in free_ports(2)]
        started = run("bash", SCRIPTS / "start.sh", folder, *ports, check=False)
        try:
            if started.returncode:
                pytest.skip(f"Slurm doesn't start here: {started.stderr}")
            yield folder
        finally:
            run("bash", SCRIPTS / "stop.sh", folder, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def install() -> str:
    """Installs Slurm and munge where they aren't; returns what stands in the way, "" if nothing."""
    try:
        import hydra_plugins.hydra_submitit_launcher  # noqa: F401
    except ImportError:
        return "no submitit launcher (pip install -e '.[slurm]')"
    if os.geteuid():
        return "its daemons want root"
    path = os.environ["PATH"] + ":/usr/sbin"
    if all(shutil.which(name, path=path) for name in DAEMONS):
        return ""
    if not shutil.which("apt-get"):
        return "no slurm-wlm and munge, and no apt-get to install them"
    for command in ("update", "install -y --no-install-recommends slurm-wlm munge"):
        done = run("apt-get", *command.split(), check=False)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def run(*command: object, check: bool = True) -> subprocess.CompletedProcess:
    """A command run to its end."""
    words = [str(word) for word in command]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"} | os.environ
    return subprocess.run(
        words, check=check, capture_output=True, text=True, timeout=600, env=quiet
    )


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Iterator[Path]:
    """The folder of a run of LONG that nothing interrupts, going on beside the tests."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with open(folder / "log", "w") as log:
        running = subprocess.Popen([*QUICK, *LONG], cwd=folder, stdout=log, stderr=log)
    yield folder / RUN
    running.kill()
    running.wait()


@pytest.fixture
def start(cluster, in_empty_folder):
    """Starts `python -m attn_ppo.train -m engine=slurm ...`; no job of it outlives the test."""
    assert cluster.is_dir()
    assert in_empty_folder.is_dir()
    started = []

    def start(*overrides: str) -> subprocess.Popen:
        sweep = subprocess.Popen(
            [*SWEEP, *overrides], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(sweep)
        return sweep

    yield start
    run("scancel", "--me", check=False)
    for sweep in started:
        sweep.kill()
        sweep.communicate()
    wait_for(lambda: not queue())


def queue() -> list[str]:
    """State of each job in the queue."""
    return run("squeue", "--me", "--array", "--noheader", "--format=%T").stdout.split()


def end(sweep: subprocess.Popen, seconds: float = 120) -> str:
    """What a sweep that ends soon has printed."""
    try:
        return sweep.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        sweep.kill()
        logs = [path.read_text() for path in Path("runs").glob("*/.slurm/*/*.err")]
        pytest.fail("\n".join(["didn't end:", sweep.communicate()[0], *queue(), *logs]))


def state(folder: Path = RUN) -> dict:
    """What status.json says."""
    return json.loads((folder / "status.json").read_text())


def updates(folder: Path = RUN) -> int:
    return len(rows(folder / "metrics.csv"))


def table(path: Path) -> list[dict[str, str]]:
    """The rows, without what depends on the clock."""
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows(path)]


def preempt() -> None:
    """Others' job that needs the whole machine."""
    run("sbatch", "--partition=high", "--cpus-per-task=4", "--output=/dev/null", "--wrap=sleep 1")


def requeue() -> None:
    """What an administrator does before maintenance."""
    jobs = run("squeue", "--me", "--array", "--noheader", "--format=%i").stdout.split()
    run("scontrol", "requeue", *jobs)


def reach_time_limit() -> None:
    """A minute, the least that Slurm knows, less the signal's delay."""
    wait_for(lambda: state()["state"] == "preempted", 90)


DISTURBANCES = {"preempted": preempt, "requeued": requeue, "time limit": reach_time_limit}


def test_cancelled_runs_save_and_stay_cancelled(start):
    sweep = start("lambda=0.005", "seed=0,1")
    second = RUN.with_name("seed=1")
    wait_for(lambda: updates() > 2 and updates(second) > 2)
    run("scancel", "--me")
    out = end(sweep)
    assert sweep.returncode == 75, out
    assert [state(folder)["state"] for folder in (RUN, second)] == ["preempted"] * 2
    assert queue() == []


def test_bad_runs_leave_the_good_ones_alone(start):
    folders = [RUN.with_name(f"seed={seed}") for seed in range(4)]
    folders[0].mkdir(parents=True)
    (folders[0] / "checkpoint.pt").write_text("damaged")
    sweep = start("lambda=0.005", "seed=0,1,2,3", "total_steps=1024")
    wait_for(lambda: updates(folders[1]) > 2)
    assert "gres:gpu:1" in run("scontrol", "show", "job").stdout  # a GPU a run
    os.kill(state(folders[1])["pid"], signal.SIGKILL)
    out = end(sweep)
    assert sweep.returncode == 1, out
    assert [state(f)["state"] for f in folders] == ["failed", "failed", "done", "done"]
    assert "damaged" in out
    assert "killed by SIGKILL" in out


def test_a_job_killed_outright_is_not_waited_for_even_without_sacct(start, monkeypatch):
    path = os.environ["PATH"].replace(f"{SCRIPTS}:", "")
    monkeypatch.setenv("PATH", path)  # Debian's sacct: accounting storage is disabled
    sweep = start("lambda=0.005", "seed=0")
    wait_for(lambda: updates() > 2)
    run("scancel", "--me", "--full", "--signal=KILL")
    out = end(sweep)
    assert sweep.returncode == 75, out
    assert "saved at" in state()["cause"]  # the run ended with its job, and had time to save


def test_jobs_go_on_without_the_sweep_that_submitted_them(start):
    sweep = start(*LONG)
    wait_for(lambda: updates() > 2)
    sweep.send_signal(signal.SIGINT)
    out = end(sweep, 20)
    assert sweep.returncode == 75, out
    assert "scancel" in out
    pid, again = state()["pid"], start(*LONG)
    assert again.stdout
    assert any("following" in line for line in again.stdout)
    at = updates()
    wait_for(lambda: updates() > at + 5)
    assert state()["pid"] == pid
    run("scancel", "--me")
    out = end(again)
    assert again.returncode == 75, out


def test_without_slurm_the_engine_says_so(in_empty_folder, monkeypatch):
    monkeypatch.setenv("PATH", str(in_empty_folder))
    done = run(sys.executable, *SWEEP[1:], check=False)
    assert done.returncode == 1
    assert "no squeue here" in done.stderr


@pytest.mark.parametrize("how", DISTURBANCES)
def test_a_disturbed_run_queues_again_and_goes_on_exactly(how, start, undisturbed):
    limit = ["hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5"]
    sweep = start(*LONG, *(limit if how == "time limit" else []))
    wait_for(lambda: updates() > 5)
    pid = state()["pid"]
    DISTURBANCES[how]()
    wait_for(lambda: state()["pid"] != pid and state()["state"] == "running")
    resumed_at = state()["env_steps"] // 32  # 2 environments x 16 steps an update
    wait_for(lambda: updates() > resumed_at + 5 and updates(undisturbed) > resumed_at + 5)
    assert "saved at" in (RUN / "output.log").read_text()  # when it was asked to stop
    metrics, episodes = table(RUN / "metrics.csv"), table(RUN / "episodes.csv")
    assert [row["update"] for row in metrics] == [str(n + 1) for n in range(len(metrics))]
    for ours, theirs in ((metrics, "metrics.csv"), (episodes, "episodes.csv")):
        compared = min(len(ours), len(table(undisturbed / theirs)))
        assert ours[:compared] == table(undisturbed / theirs)[:compared]
    run("scancel", "--me")
    out = end(sweep)
    assert sweep.returncode == 75, out
