"""`python -m analysis.sync` where something is amiss: a slow server, a disk, a stop, no answer."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_sync import record
from wandb_server import WandbServer

from analysis import sync

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(sync, "WAITS", ())


def test_a_server_that_is_slow_to_have_all_is_asked_again(start, server, monkeypatch):  # noqa: ARG001
    record(start, range(1, 4))
    served, asked = sync._served, []

    def late(run, api):
        asked.append(run.label)
        return served(run, api) if len(asked) == 4 else None

    monkeypatch.setattr(sync, "_served", late)
    monkeypatch.setattr(sync, "WAITS", (0.01,) * 5)
    assert sync.main([]) == 0
    assert len(asked) == 4  # before anything is sent, at once after it, and after two waits


def test_a_server_that_refuses_is_not_one_without_the_run(start, server, monkeypatch, capsys):
    record(start, range(1, 4))
    send = sync.upload

    def send_and_be_refused(run):
        sent = send(run)
        server.refuse = 401
        return sent

    monkeypatch.setattr(sync, "upload", send_and_be_refused)
    assert sync.main([]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: W&B: ")
    assert "doesn't have the run" not in told


def test_a_stop_says_how_to_go_on(start, server, monkeypatch, capsys):  # noqa: ARG001
    def stop(_):
        raise KeyboardInterrupt

    part = record(start, range(1, 4))
    monkeypatch.setattr(sync, "upload", stop)
    assert sync.main(["--prune", "--yes"]) == 75
    assert capsys.readouterr().err == "stopped; to continue, run the same command again\n"
    assert part.is_dir()


def test_a_disk_that_takes_no_mark_keeps_no_run_from_being_sent(start, server: WandbServer):
    parts = [record(start, range(1, 4), Path(f"runs/demo/{name}")) for name in "ab"]
    (log,) = parts[0].glob("*.wandb")
    log.with_name(f"{log.name}.synced").symlink_to("/nowhere/mark")  # can't be made
    for _ in range(2):
        assert sync.main([]) == 0
        assert [server.runs[part.name[-8:]].sent for part in parts] == [[1, 2, 3]] * 2


def test_pruning_that_cannot_be(start, server, monkeypatch, capsys):  # noqa: ARG001
    part = record(start, range(1, 4))
    assert sync.main([]) == 0
    capsys.readouterr()

    def refuse(folder: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr(sync, "shutil", SimpleNamespace(rmtree=refuse))
    assert sync.main(["--prune", "--yes"]) == 4
    found = part.relative_to(Path.cwd())
    assert capsys.readouterr().err == f"error: can't write {found}: Read-only file system\n"


def test_ctrl_d_is_no_answer(start, server, monkeypatch, capsys):  # noqa: ARG001
    def end(_: str) -> str:
        raise EOFError

    part = record(start, range(1, 4))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", end)
    assert sync.main(["--prune"]) == 0
    assert capsys.readouterr().out.endswith("\nnothing is removed\n")
    assert part.is_dir()
