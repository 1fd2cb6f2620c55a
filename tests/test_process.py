"""Every command of ours, whatever its streams are and whenever it is interrupted."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starting import RUN, SMALL, rows, train, wait_for

from attn_ppo.lifecycle import streams

TINY = [*SMALL, "lambda=0.005", "total_steps=64", "ppo.num_epochs=1", "evaluation.episodes=1"]
PLAYED = [str(RUN), "--steps", "2", "--methods", "gradient"]
COMMANDS = {
    "train": ["attn_ppo.train", *TINY, "name=other"],
    "sweep": ["attn_ppo.train", "-m", *TINY, "name=other", "seed=0,1", "hydra.launcher.n_jobs=2"],
    "serial": ["attn_ppo.train", "-m", *TINY, "name=other", "engine=serial"],
    "settings": ["attn_ppo.train", "--cfg", "job"],
    "named": ["attn_ppo", "train", *TINY, "name=other"],
    "status": ["attn_ppo.status"],
    "doctor": ["attn_ppo.doctor"],
    "evaluate": ["attn_ppo.evaluate", str(RUN), "2"],
    "figures": ["analysis.figures", "runs/default"],
    "claims": ["analysis.claims", "runs/default"],
    "report": ["analysis.report", "runs/default"],
    "videos": ["analysis.videos", "runs/default", *PLAYED[1:]],
    "page": ["analysis.page", *PLAYED],
    "ball": ["analysis.ball_in_box", str(RUN), "--steps", "20"],
    "bench": ["bench", "--help"],
}
# A second or two on a quiet machine: the others import torch, and run the games.
QUICK = ("settings", "status", "bench")
EACH = [pytest.param(name, marks=[pytest.mark.slow][name in QUICK :]) for name in COMMANDS]
OTHER = Path("runs/other/Breakout/lambda=0.005")


def test_every_command_begins_before_its_imports():
    root = Path(__file__).parent.parent
    files = [
        path for room in ("attn_ppo", "analysis", "bench") for path in (root / room).rglob("*.py")
    ]
    texts = [(path.name, path.read_text()) for path in files if "node_modules" not in path.parts]
    started = [(name, text) for name, text in texts if 'if __name__ == "__main__"' in text]
    assert {name for name, _ in started} >= {
        "train.py",
        "status.py",
        "evaluate.py",
        "figures.py",
        "page.py",
        "doctor.py",
        "__main__.py",
    }
    # which another command starts and ends
    children = {"contenders.py", "gpu_part.py", "growth_speed.py", "growth_start.py"}
    children |= {"learning_sb3.py"}
    assert {name for name, _ in started} >= children
    for name, text in [each for each in started if each[0] not in children]:
        first = text.split("import ")[1]
        assert first.startswith('process\n\nif __name__ == "__main__":\n    process.begin()\n'), (
            name
        )
        assert "process.finish(" in text, name


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a finished run in runs/default."""
    path = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        assert train(*TINY).returncode == 0
    return path


@pytest.fixture
def start(folder, monkeypatch):
    """Starts a command in that folder, from which runs/other has been removed."""
    monkeypatch.chdir(folder)
    subprocess.run(["rm", "-rf", "runs/other"], check=True)

    def of(name: str, prepare: Callable[[], object] = lambda: None, **more) -> subprocess.Popen:
        def prepare_all() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            prepare()

        command = [sys.executable, "-m", *COMMANDS[name]]
        return subprocess.Popen(command, preexec_fn=prepare_all, **more)

    return of


def close_all() -> None:
    for number in range(3):
        os.close(number)


@pytest.mark.parametrize("name", EACH)
def test_closed_streams(name, start):
    assert start(name, close_all, close_fds=False).wait(120) == 0
    for table in OTHER.rglob("metrics.csv"):  # not with what was printed
        assert [row["env_steps"] for row in rows(table)] == ["32", "64"]


@pytest.mark.parametrize("name", EACH)
def test_a_reader_that_is_gone(name, start):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(name, stdout=writing, stderr=writing)
    os.close(writing)
    assert process.wait(120) == 0
    states = [json.loads(path.read_text())["state"] for path in OTHER.rglob("status.json")]
    assert set(states) <= {"done"}


@pytest.mark.parametrize("name", EACH)
def test_a_terminal_without_our_characters(name, start):
    env = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    process = start(name, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    assert (out + err).isascii()
    assert b"Traceback" not in out + err


def has_handlers(pid: int) -> bool:
    """Whether a process handles SIGUSR1, which Python by itself doesn't."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGUSR1 - 1) & 1)


@pytest.mark.parametrize("name", EACH)
def test_a_signal_at_any_moment(name, start):
    """Either it was too late, or: 75, one line or more, no traceback, nothing marked as failed."""
    delays = (0.0, 0.25, 0.5) if name in QUICK else (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
    for number, delay in enumerate(delays):
        process = start(name, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda pid=process.pid: has_handlers(pid))
        time.sleep(delay)
        process.send_signal((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[number % 3])
        out, err = process.communicate(timeout=60)
        case = f"{name} after {delay} s: {out.decode()}{err.decode()}"
        assert process.returncode in (0, 75), case
        assert process.returncode == 0 or err, case
        logs = [path.read_bytes() for path in OTHER.rglob("output.log")]
        assert b"Traceback" not in b"".join([out, err, *logs]), case
        states = {json.loads(path.read_text())["state"] for path in OTHER.rglob("status.json")}
        assert states <= {"done", "preempted"}, case


# As sitecustomize, which Python runs first: ends a command that imports these without handlers.
GUARD = """
import os, signal, sys

class Guard:
    def find_spec(self, name, *_):
        slow = ("numpy", "matplotlib", "hydra", "omegaconf", "torch")
        if name in slow and signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
            os._exit(3)

sys.meta_path.insert(0, Guard())
"""


@pytest.mark.parametrize(
    "name", ["train", "status", "doctor", "evaluate", "figures", "claims", "videos", "bench"]
)
def test_signals_are_heeded_before_what_takes_time_to_import(name, tmp_path):
    """Also by a package that `python -m` imports before the command itself."""
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    here = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parent.parent}"}
    command = [sys.executable, "-m", COMMANDS[name][0], "--help"]
    assert subprocess.run(command, env=here, stdout=subprocess.DEVNULL).returncode == 0


def test_a_signal_in_a_destructor_is_not_lost():
    code = """
        import signal, time
        from attn_ppo.lifecycle import process

        class Dying:
            def __del__(self):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0)  # where the handler raises

        def main(_):
            Dying()
            time.sleep(30)
            return 0

        process.begin()
        process.finish(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "stopped\n")


def test_an_interrupt_in_generated_code_ends_as_any_other():
    """As a dataclass is made: Python would end by SIGINT at its very end, `finish` or not."""
    code = """
        import signal
        from attn_ppo.lifecycle import process

        process.begin()
        process.finish(lambda _: exec("signal.raise_signal(signal.SIGINT)"))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "stopped\n")


@pytest.mark.slow
def test_a_signal_while_torch_is_imported_slowly(start):
    process = start("train", stderr=subprocess.PIPE)
    wait_for(lambda: "libtorch" in Path(f"/proc/{process.pid}/maps").read_text())
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    time.sleep(5.5)  # longer than an update is waited for
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err.decode()
    assert b"Traceback" not in err


def test_what_cannot_be_written_is_dropped():
    stream = io.TextIOWrapper(io.BufferedWriter(streams._Unfailing("/dev/full", "w")))
    print("x" * 100_000, file=stream, flush=True)
    stream.close()


def test_a_stream_that_was_made_non_blocking_waits():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    code = "import os; [os.read(0, 1000) for _ in range(200)]"  # at its leisure
    reader = subprocess.Popen([sys.executable, "-c", code], stdin=reading)
    os.close(reading)
    with io.TextIOWrapper(io.BufferedWriter(streams._Unfailing(writing, "w"))) as stream:
        stream.write("x" * 200_000)  # three times what a pipe holds
    assert reader.wait(60) == 0
