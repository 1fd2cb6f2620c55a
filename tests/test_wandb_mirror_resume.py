"""An interrupted and resumed run is one run in W&B, each update once, whatever ended its parts."""

import csv
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from wandb_files import history, sync
from wandb_server import WandbServer

pytest_plugins = "wandb_mirror_fixtures"
pytestmark = pytest.mark.usefixtures("nobody_logged_in", "patient")

# A training without the training: rows go to metrics.csv and to W&B, as in a run. Told to "send",
# it has W&B send what it would else keep for up to 15 s. It finishes when told "go", or never.
TRAINER = """
wandb_mirror.FINISH_SECONDS = 60
for limit in LIMITS:
    setattr(wandb_session, limit, 60)
mode, folder, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sink = wandb_mirror.WandbMirror(mode=mode, run_dir=folder, run_id="resumed1", **ABOUT)
print("opened", sink.mode, flush=True)
with open(f"{folder}/metrics.csv", "a") as table:
    for update in range(first, last + 1):
        score = float("nan") if update < 3 else update / 4
        row = {"update": update, "env_steps": 1024 * update, "episode_return": score}
        print(*row.values(), sep=",", file=table, flush=True)
        sink.write(row)
        print("wrote", update, flush=True)
while input() == "send":
    sink._run.mark_preempting()
sink.finish({"evaluation/score_mean": 31.5})
"""


class Training:
    """A run in parts, each of them a process, and its metrics.csv."""

    def __init__(self, python: Callable[..., subprocess.Popen[str]], folder: Path) -> None:
        self.python, self.folder = python, folder
        self.folder.mkdir()
        self.table = self.folder / "metrics.csv"
        self.table.write_text("update,env_steps,episode_return\n")

    def part(self, mode: str, first: int, last: int) -> subprocess.Popen[str]:
        """Go on from update `first`; when this returns, all rows to `last` are written."""
        self._await_next_second()
        process = self.python(TRAINER, mode, str(self.folder), str(first), str(last))
        assert process.stdout is not None
        end = f"wrote {last}\n" if last >= first else f"opened {mode}\n"
        lines = iter(process.stdout.readline, "")
        assert end in lines, f"ended before {end!r}"
        return process

    def _await_next_second(self) -> None:
        """W&B names folders by the second, and a real run takes longer to start than these."""
        latest = max((folder.name.split("-")[-2] for folder in self.folders()), default="")
        while time.strftime("%Y%m%d_%H%M%S") <= latest:
            time.sleep(0.05)

    def arrive(self, process: subprocess.Popen[str], server: WandbServer, last: int) -> None:
        """Return when the server has all rows to update `last`."""
        assert process.stdin is not None
        deadline = time.monotonic() + 60
        while last not in server.runs["resumed1"].by_step:
            assert time.monotonic() < deadline
            print("send", file=process.stdin, flush=True)
            time.sleep(0.1)

    def kill(self, process: subprocess.Popen[str], checkpoint: int) -> None:
        """SIGKILL; then, as a resume does, forget the rows after update `checkpoint`."""
        process.kill()
        process.wait()
        lines = self.table.read_text().splitlines(keepends=True)
        self.table.write_text("".join(lines[: 1 + checkpoint]))

    def finish(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate("go\n", timeout=60)
        assert process.returncode == 0, output
        return output

    def folders(self) -> list[Path]:
        return sorted((self.folder / "wandb").glob("*run-*-resumed1"))


@pytest.fixture
def training(python, tmp_path: Path) -> Training:
    return Training(python, tmp_path / "run")


def assert_whole(server: WandbServer, last: int) -> None:
    """One run, finished, with its evaluation and each update up to `last` once."""
    (run,) = server.runs.values()
    assert run.name == "resumed1"
    assert [row["update"] for row in run.rows] == list(range(1, last + 1))
    assert [row["_step"] for row in run.rows] == list(range(1, last + 1))
    assert [row["env_steps"] for row in run.rows] == [1024 * u for u in range(1, last + 1)]
    assert {type(row["env_steps"]) for row in run.rows} == {int}
    assert all(math.isnan(row["episode_return"]) for row in run.rows[:2])
    assert [row["episode_return"] for row in run.rows[2:]] == [u / 4 for u in range(3, last + 1)]
    assert run.summary["evaluation/score_mean"] == 31.5
    assert run.summary["update"] == last
    assert run.exit_code == 0


@pytest.mark.slow
def test_online_killed_again_and_again(training, server):
    training.kill(training.part("online", 1, 0), checkpoint=0)  # before any row
    part = training.part("online", 1, 27)
    training.arrive(part, server, 27)
    training.kill(part, checkpoint=20)  # W&B has more than the checkpoint
    part = training.part("online", 21, 55)
    training.kill(part, checkpoint=50)  # at once: W&B lacks some of what the checkpoint has
    training.kill(training.part("online", 51, 50), checkpoint=50)  # while those are sent
    training.finish(training.part("online", 51, 60))
    assert_whole(server, 60)
    assert server.runs["resumed1"].sent == list(range(1, 61))  # none even sent twice
    (folder,) = training.folders()
    assert "ignoring" not in (folder / "logs" / "debug-internal.log").read_text()


@pytest.mark.slow
def test_offline_killed_again_and_again(training, server):
    training.kill(training.part("offline", 1, 0), checkpoint=0)
    training.kill(training.part("offline", 1, 27), checkpoint=20)
    training.kill(training.part("offline", 21, 55), checkpoint=50)
    training.kill(training.part("offline", 51, 50), checkpoint=50)
    assert len(training.folders()) == 4  # they go when another is known to be complete
    training.finish(training.part("offline", 51, 60))
    (folder,) = training.folders()
    rows = history(folder)
    assert [row["update"] for row in rows] == list(range(1, 61))
    assert [row["episode_return"] for row in rows[:4]] == ["NaN", "NaN", 0.75, 1]
    sync(folder)
    assert_whole(server, 60)
    assert server.runs["resumed1"].sent == list(range(1, 61))


def test_offline_then_online(training, server):
    training.kill(training.part("offline", 1, 27), checkpoint=20)
    training.finish(training.part("online", 21, 30))
    assert_whole(server, 30)
    assert server.runs["resumed1"].sent == list(range(1, 31))
    (folder,) = training.folders()
    assert folder.name.startswith("run-")


@pytest.mark.slow
def test_online_then_offline_then_synced(training, server):
    part = training.part("online", 1, 27)
    training.arrive(part, server, 27)
    training.kill(part, checkpoint=20)
    output = training.finish(training.part("offline", 21, 40))
    (folder,) = training.folders()
    assert folder.name.startswith("offline-run-")
    assert [row["update"] for row in history(folder)] == list(range(1, 41))
    sync(folder)
    assert_whole(server, 40)
    assert output == ""


@pytest.mark.slow
def test_synced_between_two_offline_parts(training, server):
    training.finish(training.part("offline", 1, 20))
    sync(*training.folders())
    training.finish(training.part("offline", 21, 30))
    sync(*training.folders())
    assert_whole(server, 30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds a process in /proc")
def test_rows_of_a_part_that_lost_wandb_itself_arrive_with_the_next(training, server):
    part = training.part("online", 1, 5)
    for child in Path(f"/proc/{part.pid}/task/{part.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert "W&B: " in training.finish(part)
    training.finish(training.part("online", 6, 12))
    assert_whole(server, 12)


def test_stopped_and_resumed(start, server, tmp_path: Path):
    first = start("online")
    first.write({"update": 1, "env_steps": 1024})
    first.finish(exit_code=75)
    (run,) = server.runs.values()
    assert run.exit_code == 75
    second = start("online", run_id=first.run_id)
    assert run.exit_code is None
    second.write({"update": 2, "env_steps": 2048})
    second.finish({"evaluation/score_mean": 31.5})
    assert run.exit_code == 0
    third = start("online", run_id=first.run_id)  # complete already
    third.finish({"evaluation/score_mean": 31.5})
    assert list(server.runs.values()) == [run]
    assert run.sent == [1, 2]
    assert run.summary["evaluation/score_mean"] == 31.5
    assert run.exit_code == 0
    assert first.run_id == third.run_id
    assert (tmp_path / "run" / "wandb").is_dir()


def test_stopped_before_w_and_b_had_it_all_it_is_no_success(start, server, monkeypatch):
    first = start("online")
    first.write({"update": 1, "env_steps": 1024})
    endless = SimpleNamespace(join=threading.Event().wait)
    monkeypatch.setattr(first, "_sender", endless)  # a slow line: the end never gets through
    begun = time.monotonic()
    assert not first.finish(exit_code=75, hurry=True)
    assert time.monotonic() - begun < 30  # some 1 to 3
    (run,) = server.runs.values()
    assert run.exit_code == 75
    second = start("online", run_id=first.run_id)
    second.write({"update": 2, "env_steps": 2048})
    assert second.finish()
    assert run.sent == [1, 2]
    assert run.exit_code == 0


def test_rows_from_before_w_and_b_was_asked_for_are_sent_too(start, tmp_path: Path):
    with open(tmp_path / "metrics.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        names = ["update", "env_steps", "episode_return", "value_loss", "frames"]
        of_maps = ["attention_entropy", "regularization", "map_overlap", "map_movement"]
        table.writerow([*names, *of_maps])  # nan without attention: not sent
        table.writerow([1, 1024, math.nan, -0.5, 4096, *[math.nan] * 4])
        table.writerow([2, 2048, math.inf, 1.25e-05, 8192, *[math.nan] * 4])
    sink = start("offline", run_dir=tmp_path)
    sink.write({"update": 3, "env_steps": 3072, "episode_return": 2.0})
    sink.finish()
    (folder,) = (tmp_path / "wandb").iterdir()
    frames = {"update": 1, "env_steps": 1024, "frames": 4096}
    assert history(folder) == [
        frames | {"episode_return": "NaN", "value_loss": -0.5},
        {
            "update": 2,
            "env_steps": 2048,
            "episode_return": "Infinity",
            "value_loss": 1.25e-05,
            "frames": 8192,
        },
        {"update": 3, "env_steps": 3072, "episode_return": 2},
    ]


def test_what_is_derived_from_a_row_is_sent_with_those_from_before_too(start, tmp_path: Path):
    (tmp_path / "metrics.csv").write_text("update,env_steps\n1,1024\n2,2048\n")
    sink = start("offline", run_dir=tmp_path, derive=lambda row: {"half": row["env_steps"] / 2})
    sink.finish()
    (folder,) = (tmp_path / "wandb").iterdir()
    assert history(folder) == [
        {"update": 1, "env_steps": 1024, "half": 512},
        {"update": 2, "env_steps": 2048, "half": 1024},
    ]


def test_folder_with_more_in_it_is_kept(start, tmp_path: Path):
    earlier = tmp_path / "run" / "wandb" / "offline-run-20260101_000000-kept"
    earlier.mkdir(parents=True)
    (earlier / "run-kept.wandb").write_bytes(bytes(1_000_000))
    smaller = earlier.with_name("offline-run-20260101_000001-kept")
    smaller.mkdir()
    (smaller / "run-kept.wandb").write_bytes(bytes(100))
    of_another_run = earlier.with_name("offline-run-20260101_000000-other")
    of_another_run.mkdir()
    sink = start("offline", run_id="kept")
    sink.write({"update": 1, "env_steps": 1024})
    sink.finish()
    assert earlier.exists()
    assert of_another_run.exists()
    assert not smaller.exists()
