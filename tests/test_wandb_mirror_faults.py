"""What goes wrong with W&B stops no training: real wandb, servers that fail in every way."""

import os
import pwd
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from wandb_files import history
from wandb_server import KEY, WandbServer

from attn_ppo.lifecycle import wandb_session

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("nobody_logged_in")

AT_ONCE = 25  # seconds: left to itself W&B takes 90, and a busy machine three times what is usual


# ---------------------------------------------------------------- where online is impossible


def dead_port(_: ExitStack) -> str:
    """Nobody listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def never_accepts(stack: ExitStack) -> str:
    """Connections are made, and nothing ever comes back."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=8))
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def drops_packets(stack: ExitStack) -> str:
    """Not even connections are made: the queue for them is full."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1))
    for _ in range(4):
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def never_replies(stack: ExitStack) -> str:
    """A web server that takes requests and answers none."""
    server = stack.enter_context(WandbServer())
    server.hang()
    return server.url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("mode", "host"),
    [
        ("auto", dead_port),
        ("auto", never_accepts),
        ("auto", drops_packets),
        ("online", dead_port),
        ("online", never_replies),
    ],
)
def test_unreachable_host(
    start, said, stack, monkeypatch, host: Callable[[ExitStack], str], mode: str
):
    url = host(stack)
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    if mode == "online" or host is never_accepts:  # the same way, quicker
        monkeypatch.setattr(wandb_session, "CHECK_SECONDS", 0.3)
    begun = time.monotonic()
    sink = start(mode, run_id="kept")
    assert time.monotonic() - begun < AT_ONCE  # some 3.3; importing wandb takes another second
    sink.write({"update": 1, "env_steps": 1})
    sink.finish()
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1
    assert said[0].startswith(f"W&B: offline, {url} does not answer; wandb sync ")


def test_auto_without_login_is_offline_at_once(start, said: list[str], tmp_path: Path):
    begun = time.monotonic()
    sink = start("auto")
    assert time.monotonic() - begun < AT_ONCE
    assert sink.mode == "offline"
    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert said == [f"W&B: offline, nobody is logged in; wandb sync {folder}"]


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_key_falls_back_and_keeps_the_id(start, said, stack, monkeypatch, tmp_path, status):
    server = stack.enter_context(WandbServer(refuse=status))
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    begun = time.monotonic()
    sink = start("online", run_id="kept")
    assert time.monotonic() - begun < AT_ONCE  # some 0.5
    sink.write({"update": 1, "env_steps": 1})
    sink.finish()
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1
    assert "user is not logged in" in said[0]
    (folder,) = (tmp_path / "run" / "wandb").iterdir()  # that of the attempt has gone
    assert folder.name.startswith("offline-run-")
    assert history(folder) == [{"update": 1, "env_steps": 1}]


def test_without_a_home_it_records_all_the_same(start, said, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("HOME")  # and a user whom /etc/passwd doesn't know
    monkeypatch.setattr(pwd, "getpwuid", lambda _: {}[0])
    start("offline").finish(exit_code=0)
    assert said[0].startswith("W&B: offline, as asked for; wandb sync")
    assert len(list(tmp_path.glob("run/wandb/offline-run-*/*.wandb"))) == 1


def test_malformed_key_falls_back(start, said, monkeypatch, server: WandbServer):
    monkeypatch.setenv("WANDB_API_KEY", "short-and-secret")
    assert start("auto").mode == "offline"
    assert len(said) == 1
    assert "API key" in said[0]
    assert "short-and-secret" not in said[0]
    assert server.runs == {}


def test_init_beyond_its_own_time_limit_is_given_up(start, said, server, monkeypatch):  # noqa: ARG001
    begin = wandb_session.start

    def never_online(mode: Any, about: dict[str, Any]) -> Any:
        if mode == "online":
            time.sleep(30)
            raise TimeoutError
        return begin(mode, about)

    monkeypatch.setattr(wandb_session, "ONLINE_SECONDS", 1)
    monkeypatch.setattr(wandb_session, "start", never_online)
    begun = time.monotonic()
    assert start("online").mode == "offline"
    assert time.monotonic() - begun < AT_ONCE
    assert len(said) == 1


@pytest.mark.slow
def test_server_that_stops_during_init(start, said, server, monkeypatch):
    monkeypatch.setattr(wandb_session, "_check_access", lambda _: server.hang())
    begun = time.monotonic()
    sink = start("online", run_id="kept")
    assert time.monotonic() - begun < AT_ONCE  # some 5; left to itself W&B takes 90
    assert (sink.mode, sink.run_id) == ("offline", "kept")
    assert len(said) == 1


@pytest.mark.parametrize("mode", ["auto", "online", "offline"])
def test_without_wandb_a_run_goes_on_with_one_line(python, mode: str, tmp_path: Path):
    process = python(
        """
        sys.modules["wandb"] = None
        about = {"run_id": "kept", **ABOUT}
        sink = wandb_mirror.WandbMirror(mode=sys.argv[1], run_dir=sys.argv[2], **about)
        sink.write({"update": 1, "env_steps": 1})
        sink.finish({"score": 1})
        print(sink.mode, sink.run_id)
        """,
        mode,
        str(tmp_path / "run"),
    )
    assert process.communicate(timeout=30)[0].splitlines() == [
        "W&B: records nothing, wandb is not installed; metrics.csv has it all",
        "disabled kept",
    ]


# ---------------------------------------------------------------- what is lost during a run

# Writes a row, and 1,000 more once told to, then finishes; `sys.argv[2:]` are lines to run first.
WRITER = """
for line in sys.argv[3:]:
    exec(line)
sink = wandb_mirror.WandbMirror(mode=sys.argv[1], run_dir=sys.argv[2], **ABOUT)
sys.stdout.flush()
sink.write({"update": 1, "env_steps": 0})
input()
begun = time.monotonic()
for update in range(2, 1002):
    sink.write({"update": update} | {f"metric_{k}": 0.5 for k in range(16)})
print("wrote", time.monotonic() - begun)
time.sleep(0.5)
sink.write({"update": 1002, "env_steps": 1})
sink.write({"update": 1003, "env_steps": 2})
begun = time.monotonic()
print("arrived", sink.finish({"score": 1.0}), sink.finish())
print("finished", time.monotonic() - begun, flush=True)
"""


def finished(process: subprocess.Popen[str]) -> list[str]:
    """What the writer printed after its first line, in which it wasted no time anywhere."""
    assert process.stdin is not None
    assert process.stdout is not None
    begun = time.monotonic()
    print(file=process.stdin, flush=True)
    lines = []
    while not lines or not lines[-1].startswith("finished "):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    assert process.wait(60) == 0
    assert time.monotonic() - begun < 40  # some 3 to 8: W&B does not hold up the exit either
    times = dict(line.split() for line in lines if line.startswith(("wrote ", "finished ")))
    assert float(times["wrote"]) < 5  # 1,000 rows, some 0.01
    assert float(times["finished"]) < 10  # left to itself W&B takes 200 and more
    return [line.rstrip() for line in lines if line.split()[0] not in times]


def hang_at_the_end(server: WandbServer) -> None:
    take = server.reply

    def reply(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if b'"complete":true' in body:
            server.hang()
        return take(path, body)

    server.reply = reply


@pytest.mark.slow
@pytest.mark.parametrize("end", [WandbServer.die, hang_at_the_end])
def test_server_lost_during_a_run(python, server: WandbServer, tmp_path: Path, end):
    quicker = [] if end == WandbServer.die else ["wandb_mirror.FINISH_SECONDS = 1"]
    process = python(WRITER, "online", str(tmp_path / "run"), *quicker)
    assert process.stdout.readline().startswith("W&B: http")
    end(server)
    warning, arrived = finished(process)
    assert arrived == "arrived False False"
    assert re.match(r"W&B: not all has arrived, .*; wandb sync .*/run-\w+-\w+$", warning)
    (folder,) = (tmp_path / "run" / "wandb").iterdir()
    assert warning.endswith(str(folder))
    assert [row["update"] for row in history(folder)] == list(range(1, 1004))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds a process in /proc")
@pytest.mark.parametrize(
    ("mode", "blow", "warning"),
    [
        ("online", "KILL", "W&B: records no more, "),
        ("offline", "KILL", "W&B: records no more, "),
        pytest.param("offline", "STOP", "W&B: not all has arrived, ", marks=pytest.mark.slow),
    ],
)
def test_lost_wandb_process(python, server, tmp_path: Path, mode: str, blow: str, warning: str):  # noqa: ARG001
    process = python(WRITER, mode, str(tmp_path / "run"), "wandb_mirror.FINISH_SECONDS = 1")
    assert process.stdout.readline().startswith("W&B: ")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (core,) = [
        child for child in children if "wandb-core" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    subprocess.run(["kill", f"-{blow}", core], check=True)
    try:
        said, arrived = finished(process)
    finally:
        subprocess.run(["kill", "-KILL", core], check=False, capture_output=True)
    assert said.startswith(warning)
    assert arrived == "arrived False False"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own")
@pytest.mark.parametrize(("mode", "used"), [("online", 65536), ("offline", 0)])
def test_full_disk(python, server, tmp_path: Path, mode: str, used: int):  # noqa: ARG001
    """Full from the start, or filled by some 300 of 1,003 rows."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        (disk / "taken").write_bytes(bytes(used))
        process = python(WRITER, mode, str(disk))
        assert process.stdout.readline().startswith("W&B: ")
        *said, _ = finished(process)
        assert len(said) <= 1
        assert all(line.startswith("W&B: ") for line in said)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
