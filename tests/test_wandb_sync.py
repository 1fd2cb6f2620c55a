"""The command that uploads what was recorded offline works as it is printed."""

import subprocess
import sys
from pathlib import Path

import pytest
from starting import SMALL, train
from wandb_server import WandbServer

from attn_ppo.launch import command_line, sweep
from attn_ppo.lifecycle import wandb_mirror
from attn_ppo.lifecycle.run_dir import mark_status, read_status
from attn_ppo.lifecycle.wandb_mirror import WandbMirror
from attn_ppo.lifecycle.wandb_session import how_to_sync, put_in_place, sync_command

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("in_empty_folder", "nobody_logged_in")


def record(start, folder: Path, updates: int = 3) -> Path:
    """A run of some updates, recorded offline; W&B's folder of it."""
    sink = start("offline", run_dir=folder)
    for update in range(1, updates + 1):
        sink.write({"update": update, "env_steps": 1024 * update})
    sink.finish()
    return next((folder / "wandb").iterdir())


def type_in(command: str) -> None:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_command_for_all_runs_of_a_sweep(start, server: WandbServer):
    folders = [Path(f"runs/demo/Breakout/lambda=0/seed={seed}") for seed in (0, 1)]
    for folder in folders:
        record(start, folder)
    command = sync_command(folders)
    assert command == "wandb sync runs/demo/*/*/*/wandb/offline-run-*"
    type_in(command)
    assert [run.sent for run in server.runs.values()] == [[1, 2, 3]] * 2
    assert sync_command(folders) == ""  # nothing is left
    record(start, Path("runs/demo/Pong/lambda=0.5/seed=0"))
    (part,) = Path("runs/demo/Pong/lambda=0.5/seed=0/wandb").iterdir()
    assert sync_command([*folders, part.parents[1]]) == f"wandb sync {part}"


def test_one_command_for_runs_of_any_depth(start, server: WandbServer):
    names = ["lambda=0/seed=0", "attention.gate=none,ppo.clip_range=0.1/lambda=0/seed=0"]
    names += [f"ppo.clip_range={clip}/lambda=0/seed=0" for clip in ("0.1", "0.2")]
    folders = [Path("my runs/demo/Breakout") / name for name in names]
    for folder in folders:
        record(start, folder)
    command = sync_command(folders)
    assert command == (
        "wandb sync 'my runs/demo'/*/*/*/wandb/offline-run-* "
        "'my runs/demo'/*/*/*/*/wandb/offline-run-*"
    )
    type_in(command)
    assert [run.sent for run in server.runs.values()] == [[1, 2, 3]] * 4
    assert sync_command(folders) == ""


def test_one_run_in_a_folder_with_a_space(start, server: WandbServer):
    folder = Path("my runs/a's/Breakout/lambda=0/seed=0")
    part = record(start, folder)
    for command in (sync_command([folder]), how_to_sync(part)):
        type_in(command)
    assert [run.by_step.keys() for run in server.runs.values()] == [{1, 2, 3}]


def test_without_wandb_on_the_path_python_runs_it(start, server, monkeypatch):
    part = record(start, Path("runs/demo/Breakout/lambda=0/seed=0"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = how_to_sync(part)
    assert command == f"{sys.executable} -m wandb sync {part}"
    type_in(command)
    assert len(server.runs) == 1


def test_a_sweep_ends_with_the_command(start, capsys):
    asked = command_line.parse(["-m", "seed=0,1", *SMALL[:3], "total_steps=32"])
    for settings in asked.configs:
        settings.folder.mkdir(parents=True)
        mark_status(settings.folder, "done")
        record(start, settings.folder)
    assert sweep.run_all(asked) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "W&B: to upload what it lacks: wandb sync runs/default/*/*/*/wandb/offline-run-*"
    )
    disabled = command_line.parse(["-m", "seed=0,1", *SMALL, "total_steps=32"])
    assert sweep.run_all(disabled) == 0
    assert "W&B" not in capsys.readouterr().out


def test_what_a_lost_server_has_not_got_is_in_the_command(start, server, monkeypatch):
    folder = Path("runs/demo/Breakout/lambda=0/seed=0")
    sink = start("online", run_dir=folder)
    sink.write({"update": 1, "env_steps": 1024})
    server.die()
    sink.write({"update": 2, "env_steps": 2048})
    monkeypatch.setattr(wandb_mirror, "FINISH_SECONDS", 1)
    assert sink.finish() is False
    mark_status(folder, "done", wandb_unsent=sink.part.name)
    command = sync_command([folder])
    assert command == f"wandb sync --include-online {folder}/wandb/{sink.part.name}"
    with WandbServer() as another:
        monkeypatch.setenv("WANDB_BASE_URL", another.url)
        type_in(command)
        assert list(another.runs[sink.run_id].by_step) == [1, 2]


def test_a_run_notes_what_has_not_arrived(monkeypatch):
    end = WandbMirror.finish
    monkeypatch.setattr(WandbMirror, "finish", lambda *a, **more: end(*a, **more) and False)
    assert train("wandb.mode=offline", "total_steps=32", "evaluation.episodes=0").returncode == 0
    status = read_status(Path("runs/default/Breakout/lambda=0/seed=0"))
    assert status["wandb_unsent"].startswith("offline-run-")
    assert status["state"] == "done"


def part_of(folder: Path, *, size: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "run-kept.wandb").write_bytes(bytes(size))
    return folder


def test_a_folder_takes_the_name_of_the_one_that_it_holds():
    wandb, beside = Path("run/wandb"), Path("run/.beside/wandb")
    part_of(wandb / "offline-run-20260101_000000-kept", size=90)
    known = part_of(wandb / "offline-run-20260101_000001-kept", size=100)
    of_another_run = part_of(wandb / "offline-run-20260101_000000-other", size=200)
    assert put_in_place(part_of(beside / "offline-run-20260102_000000-kept", size=120), wandb)
    assert sorted(wandb.iterdir()) == [of_another_run, known]
    assert (known / "run-kept.wandb").stat().st_size == 120
    # not where it holds less than the other
    less = part_of(beside / "offline-run-20260103_000000-kept", size=60)
    assert not put_in_place(less, wandb)
    assert sorted(wandb.iterdir()) == [of_another_run, known]
    assert (known / "run-kept.wandb").stat().st_size == 120
    # within 1%, as what W&B writes beside the rows differs by some digits
    another = Path("run/.another/wandb/offline-run-20260103_000001-kept")
    assert not put_in_place(part_of(another, size=118), wandb)
    assert put_in_place(part_of(another.with_name("offline-run-1-kept"), size=119), wandb)
    # the first of its run keeps its own name
    assert put_in_place(part_of(beside / "offline-run-20260104_000000-new", size=5), wandb)
    assert (wandb / "offline-run-20260104_000000-new").is_dir()
