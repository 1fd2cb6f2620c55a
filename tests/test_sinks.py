"""Where rows of metrics go: real wandb, against a stand-in server on loopback or with none."""

import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wandb_server import KEY, WandbServer

from attn_ppo import sinks

ROOT = Path(__file__).parents[1]
CONFIG = {"env": "Breakout", "lambda": 0.0005, "seed": 0, "ppo": {"gamma": 0.99}}
ABOUT: dict[str, Any] = {
    "project": "attention",
    "entity": None,
    "tags": ["study", "Breakout", "lambda=0.0005"],
    "name": "Breakout lambda=0.0005 seed=0",
    "group": "paper",
    "config": CONFIG,
}
NAN, INFINITY = math.nan, math.inf


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no home with a netrc, no setting of W&B or of a proxy from outside."""
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "")  # so that what a sink sets is undone
    for name in list(os.environ):
        if name.startswith(("WANDB", "XDG")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A server, and a key for it in the environment."""
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server


@pytest.fixture
def said() -> list[str]:
    """The lines that the sinks of a test print."""
    return []


@pytest.fixture
def start(tmp_path: Path, said: list[str]) -> Iterator[Callable[..., sinks.Wandb]]:
    """Open a W&B sink that ends with the test."""
    opened: list[sinks.Wandb] = []

    def start(mode: str, **changes: Any) -> sinks.Wandb:
        settings = {"run_dir": tmp_path / "run", "say": said.append} | ABOUT | changes
        opened.append(sinks.Wandb(mode=mode, **settings))
        return opened[-1]

    yield start
    for sink in opened:
        sink.finish()


def records(folder: Path) -> list[dict[str, Any]]:
    """What one W&B run folder holds, read by W&B's own tool."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows of one W&B run folder, without W&B's own columns."""
    items = [r["history"]["item"] for r in records(folder) if r["type"] == "history"]
    return [{k: v for k, v in item.items() if not k.startswith("_")} for item in items]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Run code in a Python process of its own, which does not outlive the test."""
    processes: list[subprocess.Popen[str]] = []

    def python(code: str, *arguments: str) -> subprocess.Popen[str]:
        preamble = f"import sys, os, time\nABOUT = {ABOUT!r}\nfrom attn_ppo import sinks\n"
        process = subprocess.Popen(
            [sys.executable, "-c", preamble + textwrap.dedent(code), *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield python
    for process in processes:
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- offline and disabled


def test_offline_rows_read_back(start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    sink = start("offline")
    sink.write({"env_steps": 1024, "episode_return": NAN, "attention_entropy": 3.875})
    sink.write({"env_steps": 2048, "episode_return": 12.5, "attention_entropy": INFINITY})
    sink.finish({"evaluation/score": 31.5}, exit_code=0)

    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert folder.name.startswith("offline-run-")
    assert folder.name.endswith(f"-{sink.run_id}")
    assert not (tmp_path / "elsewhere").exists()
    assert history(folder) == [
        {"env_steps": 1024, "episode_return": "NaN", "attention_entropy": 3.875},
        {"env_steps": 2048, "episode_return": 12.5, "attention_entropy": "Infinity"},
    ]
    kept = records(folder)
    run = next(r["run"] for r in kept if r["type"] == "run")
    assert {k: v for k, v in run["config"]["update"].items() if k != "_wandb"} == CONFIG
    assert run["run_group"] == "paper"
    assert run["display_name"] == "Breakout lambda=0.0005 seed=0"
    assert run["tags"] == ["study", "Breakout", "lambda=0.0005"]
    axes = [r["metric"] for r in kept if r["type"] == "metric"]
    assert [a.get("step_metric") for a in axes if a.get("glob_name") == "*"] == ["env_steps"]
    summaries = [r["summary"]["update"] for r in kept if r["type"] == "summary"]
    assert {"evaluation/score": 31.5} in summaries
    assert [r["exit"]["exit_code"] for r in kept if r["type"] == "exit"] == [0]


def test_failed_run_is_recorded_as_failed(start, tmp_path: Path):
    start("offline").finish(exit_code=3)
    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert [r["exit"]["exit_code"] for r in records(folder) if r["type"] == "exit"] == [3]


def test_parts_of_an_interrupted_run_sync_into_one(start, tmp_path, said, server):
    first = start("offline")
    first.write({"env_steps": 1024, "value_loss": 0.5})
    first.write({"env_steps": 2048, "value_loss": 0.25})
    first.finish(exit_code=75)
    time.sleep(1.1)  # W&B orders the parts by start, in whole seconds
    second = start("offline", run_id=first.run_id)
    second.write({"env_steps": 2048, "value_loss": 0.25})
    second.write({"env_steps": 3072, "value_loss": 0.125})
    second.finish()

    assert second.run_id == first.run_id
    assert len(list((tmp_path / "run" / "wandb").iterdir())) == 2
    command = said[-1].split("; ")[-1].replace("wandb", f"{sys.executable} -m wandb", 1)
    subprocess.run(command, shell=True, check=True, capture_output=True, timeout=60, cwd=tmp_path)
    (run,) = server.runs.values()
    assert run.name == first.run_id
    assert [row["env_steps"] for row in run.rows] == [1024, 2048, 2048, 3072]
    assert {row["env_steps"]: row["value_loss"] for row in run.rows} == {
        1024: 0.5,
        2048: 0.25,
        3072: 0.125,
    }


def test_disabled_never_imports_wandb(python, tmp_path: Path):
    process = python(
        """
        sink = sinks.Wandb(mode="disabled", run_dir=sys.argv[1], run_id="kept", **ABOUT)
        sink.write({"env_steps": 1})
        sink.finish({"score": 1})
        print(sink.mode, sink.run_id, "wandb" in sys.modules, os.listdir(sys.argv[1]))
        """,
        str(tmp_path / "home"),
    )
    assert process.communicate(timeout=30)[0] == "disabled kept False []\n"


@pytest.mark.parametrize("mode", ["auto", "online", "offline"])
def test_without_wandb_a_run_goes_on_with_one_line(python, mode: str, tmp_path: Path):
    process = python(
        """
        sys.modules["wandb"] = None
        sink = sinks.Wandb(mode=sys.argv[1], run_dir=sys.argv[2], **ABOUT)
        sink.write({"env_steps": 1})
        sink.finish({"score": 1})
        print(sink.mode, sink.run_id)
        """,
        mode,
        str(tmp_path / "run"),
    )
    assert process.communicate(timeout=30)[0].splitlines() == [
        "W&B: records nothing, wandb is not installed; metrics.csv has it all",
        "disabled None",
    ]


@pytest.mark.parametrize(("word", "mode"), [("offline", "offline"), ("disabled", "disabled")])
def test_auto_heeds_wandb_mode(start, server, said, monkeypatch, word: str, mode: str):
    monkeypatch.setenv("WANDB_MODE", word)
    assert start("auto").mode == mode
    assert len(said) == (mode == "offline")
    assert server.calls == []


# ---------------------------------------------------------------- online


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_online_run_arrives(start, server: WandbServer, said, capfd, mode: str):
    sink = start(mode)
    assert sink.mode == "online"
    for update in range(1, 51):
        sink.write({"env_steps": 1024 * update, "episode_return": NAN, "value_loss": update / 2})
    sink.finish({"evaluation/score": 31.5})

    (run,) = server.runs.values()
    assert run.name == sink.run_id
    assert run.project == "attention"
    assert [row["env_steps"] for row in run.rows] == [1024 * u for u in range(1, 51)]
    assert [row["value_loss"] for row in run.rows[:3]] == [0.5, 1.0, 1.5]
    assert math.isnan(run.rows[0]["episode_return"])
    assert {key: run.setting(key) for key in CONFIG} == CONFIG
    assert run.fields["groupName"] == "paper"
    assert run.fields["displayName"] == "Breakout lambda=0.0005 seed=0"
    assert run.fields["tags"] == ["study", "Breakout", "lambda=0.0005"]
    # W&B's wire form of the two axes: 1 the metric's name, 2 its pattern, 5 the place + 1 of the
    # step metric in this list
    axes = [{k: m[k] for k in m if k in "125"} for m in run.setting("_wandb")["m"]]
    assert axes == [{"1": "env_steps"}, {"2": "*", "5": 1}]
    assert run.summary["evaluation/score"] == 31.5
    assert run.exit_code == 0
    assert len(said) == 1
    assert said[0].startswith("W&B: http")
    assert capfd.readouterr() == ("", "")  # no banner of W&B's own


def test_online_resume_continues_the_run(start, server: WandbServer):
    first = start("online")
    first.write({"env_steps": 1024})
    first.finish(exit_code=75)
    second = start("online", run_id=first.run_id)
    second.write({"env_steps": 2048})
    second.finish()
    (run,) = server.runs.values()
    assert [(row["_step"], row["env_steps"]) for row in run.rows] == [(0, 1024), (1, 2048)]


def test_run_left_open_by_a_failed_job_does_not_take_the_rows_of_the_next(python, server, tmp_path):
    process = python(
        """
        sinks.Wandb(mode="online", run_dir=sys.argv[1], **ABOUT)
        second = sinks.Wandb(mode="online", run_dir=sys.argv[1], **ABOUT)
        second.write({"env_steps": 1024})
        second.finish()
        """,
        str(tmp_path / "run"),
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert [len(run.rows) for run in server.runs.values()] == [0, 1]


# ---------------------------------------------------------------- where online is impossible


def test_auto_without_login_is_offline_at_once(start, said: list[str], tmp_path: Path):
    begun = time.monotonic()
    sink = start("auto")
    assert time.monotonic() - begun < 30
    assert sink.mode == "offline"
    folder = tmp_path / "run" / "wandb"
    assert said == [
        f"W&B: offline, nobody is logged in; wandb sync {folder}/offline-run-*-{sink.run_id}"
    ]


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_dead_port_falls_back_at_once(start, said, monkeypatch, mode: str):
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    begun = time.monotonic()
    sink = start(mode, run_id="kept")
    sink.write({"env_steps": 1})
    sink.finish()
    assert time.monotonic() - begun < 30
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1
    assert said[0].startswith(f"W&B: offline, {url} does not answer; wandb sync ")


def test_wrong_key_falls_back_and_keeps_the_id(start, said, monkeypatch, tmp_path: Path):
    with WandbServer(accept_key=False) as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        sink = start("online", run_id="kept")
        sink.write({"env_steps": 1})
        sink.finish()
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1
    assert "user is not logged in" in said[0]
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert history(folder) == [{"env_steps": 1}]


def test_malformed_key_falls_back(start, said, monkeypatch, server: WandbServer):
    monkeypatch.setenv("WANDB_API_KEY", "short-and-secret")
    assert start("auto").mode == "offline"
    assert len(said) == 1
    assert "API key" in said[0]
    assert "short-and-secret" not in said[0]
    assert server.runs == {}


def test_server_that_never_answers_costs_seconds(start, said, server: WandbServer):
    server.hang()
    begun = time.monotonic()
    assert start("online").mode == "offline"
    assert time.monotonic() - begun < 30
    assert len(said) == 1


def test_init_beyond_its_own_time_limit_is_given_up(start, said, server, monkeypatch):  # noqa: ARG001
    begin = sinks._start

    def never_online(mode: Any, about: dict[str, Any]) -> Any:
        if mode == "online":
            time.sleep(30)
            raise TimeoutError
        return begin(mode, about)

    monkeypatch.setattr(sinks, "INIT_SECONDS", -2)  # with 3 on top of it: 1
    monkeypatch.setattr(sinks, "_start", never_online)
    begun = time.monotonic()
    assert start("online").mode == "offline"
    assert time.monotonic() - begun < 30
    assert len(said) == 1


@pytest.mark.slow
def test_server_that_stops_during_init_costs_its_time_limit(start, said, server, monkeypatch):
    monkeypatch.setattr(sinks, "_check_access", lambda _: server.hang())
    begun = time.monotonic()
    sink = start("online", run_id="kept")
    assert time.monotonic() - begun < 45  # 13 where nothing else runs: 10 for init, 2 to end it
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", ["die", "hang"])
def test_server_lost_during_a_run(python, server: WandbServer, tmp_path: Path, end: str):
    process = python(
        """
        sink = sinks.Wandb(mode="online", run_dir=sys.argv[1], **ABOUT)
        sink.write({"env_steps": 0})
        input()
        begun = time.monotonic()
        for step in range(1, 1001):
            sink.write({"env_steps": step, "value_loss": 0.5})
        print("wrote", time.monotonic() - begun)
        begun = time.monotonic()
        sink.finish({"score": 1.0})
        print("finished", time.monotonic() - begun)
        """,
        str(tmp_path / "run"),
    )
    while "file_stream" not in server.calls:
        time.sleep(0.05)
    getattr(server, end)()
    begun = time.monotonic()
    output, _ = process.communicate("\n", timeout=60)
    took = time.monotonic() - begun
    assert process.returncode == 0
    online, wrote, warning, finished = output.splitlines()
    assert online.startswith("W&B: http")
    assert float(wrote.split()[1]) < 5
    assert re.match(r"W&B: not all has arrived, .*; wandb sync .*/run-\*-\w+$", warning)
    assert float(finished.split()[1]) < 45  # some 12; left to itself W&B takes 200 and more
    assert took < 60  # W&B does not hold up the exit either
    (folder,) = (tmp_path / "run" / "wandb").glob("run-*")
    assert [row["env_steps"] for row in history(folder)] == list(range(1001))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds a process in /proc")
@pytest.mark.parametrize(
    ("blow", "warning"), [("SIGKILL", "W&B: record"), ("SIGSTOP", "W&B: not al")]
)
def test_lost_wandb_process_stops_nothing(python, tmp_path: Path, blow: str, warning: str):
    process = python(
        """
        import pathlib, signal
        sinks.FINISH_SECONDS = 1
        sink = sinks.Wandb(mode="offline", run_dir=sys.argv[1], **ABOUT)
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        (core,) = [int(pid) for pid in children
                   if "wandb-core" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()]
        os.kill(core, getattr(signal, sys.argv[2]))
        begun = time.monotonic()
        for step in range(5000):
            sink.write({f"metric_{k}": step for k in range(16)})
        print("wrote", time.monotonic() - begun)
        time.sleep(0.5)
        sink.write({"env_steps": 1})
        sink.write({"env_steps": 2})
        sink.finish({"score": 1.0})
        if sys.argv[2] == "SIGSTOP":
            os.kill(core, signal.SIGKILL)
        print("end")
        """,
        str(tmp_path / "run"),
        blow,
    )
    begun = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - begun < 45
    assert process.returncode == 0, output
    lines = output.splitlines()
    assert [line[:11] for line in lines if line.startswith("W&B")] == ["W&B: offlin", warning]
    (wrote,) = [line for line in lines if line.startswith("wrote")]
    assert float(wrote.split()[1]) < 5
    assert lines[-1] == "end"
    assert len(lines) == 4


# ---------------------------------------------------------------- what W&B must not touch or tell


def test_no_secret_host_or_code_in_any_file(start, server, tmp_path: Path, monkeypatch):
    secret = "planted-4f1c9a"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("WANDB_NOTES", "")
    for mode in ("online", "offline"):
        sink = start(mode, run_dir=tmp_path / mode)
        print(secret)
        sink.write({"env_steps": 1})
        sink.finish()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    private_words = [secret, KEY, str(ROOT)]
    if len(socket.gethostname()) > 5:  # two letters are in any binary file by chance
        private_words.append(socket.gethostname())
    for path in written:
        content = path.read_bytes()
        for private in private_words:
            assert private.encode() not in content, (path, private)
    sent = json.dumps([run.fields | run.config for run in server.runs.values()])
    for private in (*private_words, "test_sinks"):
        assert private not in sent
    assert [path for path in tmp_path.rglob("*") if path.is_symlink()] == []
    assert not list(tmp_path.rglob("requirements.txt"))
    assert not list(tmp_path.rglob("wandb-metadata.json"))


def test_process_is_left_as_it_was(start, server):  # noqa: ARG001
    def state() -> list[Any]:
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        legacy = np.random.get_state(legacy=False)  # noqa: NPY002
        return [handlers, random.getstate(), str(legacy), sys.exit, sys.excepthook, sys.stdout]

    before = state()
    sink = start("online")
    sink.write({"env_steps": 1})
    sink.finish()
    start("offline")
    assert state() == before


def test_fresh_ids_differ_whatever_the_seed(start):
    names = set()
    for _ in range(2):
        random.seed(0)
        sink = start("offline")
        names.add(sink.run_id)
        sink.finish()
    assert len(names) == 2
