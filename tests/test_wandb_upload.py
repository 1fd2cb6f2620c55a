"""What W&B's answer lacks of a run that was recorded here, in words, and whether that may go on."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.wandb_upload import VIDEO, LocalRun, _as_logged, lacking

ROWS = {step: {"update": step, "_step": step, "env_steps": 32 * step} for step in (1, 2)}
SUMMARY = {"env_steps": 64, "status/state": "done"}


def recorded(**changes: Any) -> LocalRun:
    """A run of two updates that is done."""
    run = LocalRun([], {"name": "first"}, {}, ROWS, SUMMARY | {"_step": 2}, 0)
    return run._replace(**changes)


def answer(**changes: Any) -> SimpleNamespace:
    """What W&B says of that run where it has all of it."""
    whole = {"_attrs": {"historyLineCount": 2}, "lastHistoryStep": 2, "state": "finished"}
    whole |= {"summary_metrics": SUMMARY, "files": list}
    return SimpleNamespace(**whole | changes)


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({}, []),
        ({"_attrs": {"historyLineCount": 1}}, ["1 of 2 rows"]),
        ({"lastHistoryStep": 1}, ["rows after 1"]),  # two there, of which the last isn't ours
        ({"summary_metrics": SUMMARY | {"env_steps": 32}}, ["agent step 64"]),
        ({"summary_metrics": {"env_steps": 64}}, ["1 values of its summary"]),
        ({"state": "running"}, ["how it ended (there: running)"]),
        ({"state": "failed"}, ["how it ended (there: failed)"]),
    ],
)
def test_what_is_lacking_is_named(there, told):
    assert lacking(recorded(), answer(**there)) == told


def test_a_run_that_failed_is_not_finished_there():
    failed = recorded(exit_code=1)
    assert lacking(failed, answer(state="crashed")) == []
    assert lacking(failed, answer()) == ["how it ended (there: finished)"]


@pytest.fixture
def filmed(tmp_path) -> LocalRun:
    """The run with a video of 25 bytes in its second row, and its log."""
    log = tmp_path / "run-x.wandb"
    film = tmp_path / "files" / "media" / "maps.mp4"
    film.parent.mkdir(parents=True)
    log.write_bytes(b"")
    film.write_bytes(bytes(25))
    video = {"_type": VIDEO, "path": "media/maps.mp4", "sha256": "f" * 64, "size": 25}
    return recorded(logs=[log], rows=ROWS | {2: ROWS[2] | {"video/maps": video}})


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        (f"media/videos/maps_2_{'f' * 20}.mp4", "25", []),
        (f"media/videos/maps_2_{'f' * 20}.mp4", "24", ["1 of 1 videos"]),  # cut off on its way
        (f"media/videos/maps_2_{'e' * 20}.mp4", "25", ["1 of 1 videos"]),
    ],
)
def test_a_video_that_is_not_there_whole_is_lacking(name, size, told, filmed):
    files = [SimpleNamespace(name=name, size=size)]
    assert lacking(filmed, answer(files=lambda: files)) == told


def test_a_video_whose_file_has_gone_is_left_out(filmed, tmp_path):
    (tmp_path / "files/media/maps.mp4").unlink()
    assert _as_logged(filmed.rows[2], filmed.logs) == {"update": 2, "env_steps": 64}
    assert lacking(filmed, answer()) == []  # nobody could send it


def test_a_log_without_an_end_is_over_after_ten_minutes(filmed):
    (log,) = filmed.logs
    killed = filmed._replace(exit_code=None)
    for minutes, going_on in ((9, True), (11, False)):
        written = time.time() - 60 * minutes
        os.utime(log, (written, written))
        assert killed.going_on == going_on
    log.touch()
    assert not filmed.going_on  # it has an end
