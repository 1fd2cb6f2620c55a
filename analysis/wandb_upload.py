"""One run's way from W&B's offline files to its server: local_run, upload, lacking.

A row has the place on W&B, `_step`, that it had when it was recorded: an update's number, videos
after those. W&B takes rows in that order alone and says how far it got, so that an upload that was
cut off goes on there. Rows that several parts of a run share are sent once.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis.wandb_folders import updates_of
from analysis.wandb_log import read_log
from analysis.wandb_runs import PAGE, joined
from attn_ppo.lifecycle import wandb_session

GOING_ON_SECONDS = 600  # a log without an end that was written to since then isn't over
FINISH_SECONDS, PER_ROW = 120, 0.02  # how long W&B may take to a run's end
VIDEO = "video-file"  # W&B's type of a video in a row


class LocalRun(NamedTuple):
    """One run as recorded on this machine, in one or several logs."""

    logs: list[Path]
    about: dict[str, Any]
    config: dict[str, Any]
    rows: dict[int, dict[str, Any]]  # by their place on W&B, ascending
    summary: dict[str, Any]
    exit_code: int | None

    @property
    def label(self) -> str:
        """Its name on W&B, else its id."""
        return str(self.about["name"] or self.about["id"])

    @property
    def going_on(self) -> bool:
        """Whether a process may still be writing it."""
        written = max(log.stat().st_mtime for log in self.logs)
        return self.exit_code is None and time.time() - written < GOING_ON_SECONDS

    @property
    def env_steps(self) -> float:
        """Agent steps at its last row, 0 without rows."""
        return max((float(row.get("env_steps", 0)) for row in self.rows.values()), default=0)

    @property
    def told(self) -> dict[str, Any]:
        """What its summary says beside the last values of its rows."""
        logged = {key for row in self.rows.values() for key in row}
        return {k: v for k, v in self.summary.items() if k not in logged and not k.startswith("_")}

    @property
    def videos(self) -> list[dict[str, Any]]:
        """W&B's entries of the videos in its rows whose files are still there."""
        values = [value for row in self.rows.values() for value in row.values()]
        return [value for value in values if _is_video(value) and _file(value, self.logs)]


def local_run(logs: Sequence[Path]) -> LocalRun:
    """What the logs of one run hold, the oldest first. Raises ValueError, OSError."""
    parts = [read_log(log) for log in logs]
    run = joined(parts)
    rows = {int(row["update"]): row for row in updates_of(run.rows)}
    for row in run.rows:
        if "update" not in row:
            place = int(row["_step"])
            rows[place if place not in rows else max(rows) + 1] = row
    ordered = {place: rows[place] for place in sorted(rows)}
    return LocalRun(list(logs), run.about, run.config, ordered, run.summary, parts[-1].exit_code)


def upload(run: LocalRun) -> int:
    """Sends what W&B doesn't have yet, and how the run ended; returns how many rows that were.

    Raises what wandb does where that fails; what has arrived by then stays there.
    """
    keys = ("id", "entity", "project", "name", "group", "job_type", "tags")
    about = {key: run.about[key] or None for key in keys}
    config = {key: value for key, value in run.config.items() if not key.startswith("_")}
    limits = {"init_timeout": 60.0, "finish_timeout": FINISH_SECONDS + PER_ROW * len(run.rows)}
    with tempfile.TemporaryDirectory(prefix="attn_ppo-sync-") as folder:
        sent = wandb_session.start("online", {**about, "config": config, "dir": folder}, **limits)
        rows = {step: row for step, row in run.rows.items() if step >= sent.starting_step}
        for step, row in rows.items():
            sent.log(_as_logged(row, run.logs), step=step)
        sent.summary.update(run.told)
        sent.finish(exit_code=1 if run.exit_code is None else run.exit_code)
    return len(rows)


def lacking(run: LocalRun, served: Any | None, *, every_row: bool = False) -> list[str]:
    """What W&B doesn't have of a run, in words; `served` is W&B's of it, None where there's none.

    Rows are counted as W&B says; with `every_row` all of them are read back.
    """
    if served is None:
        return ["the run"]
    lacks, there = [], int(served._attrs.get("historyLineCount") or 0)
    if every_row:
        steps = {int(row["_step"]) for row in served.scan_history(page_size=PAGE)}
        there = len(steps & run.rows.keys())
    if there < len(run.rows):
        lacks.append(f"{len(run.rows) - there:,} of {len(run.rows):,} rows")
    elif run.rows and served.lastHistoryStep < max(run.rows):
        lacks.append(f"rows after {served.lastHistoryStep:,}")
    summary = served.summary_metrics
    if _number(summary.get("env_steps")) < run.env_steps:
        lacks.append(f"agent step {run.env_steps:,.0f}")
    if absent := [key for key in run.told if key not in summary]:
        lacks.append(f"{len(absent)} values of its summary")
    if served.state not in (("finished",) if run.exit_code == 0 else ("failed", "crashed")):
        lacks.append(f"how it ended (there: {served.state})")
    files = [(file.name, int(file.size)) for file in served.files()] if run.videos else []
    if gone := [video for video in run.videos if not _is_among(video, files)]:
        lacks.append(f"{len(gone)} of {len(run.videos)} videos")
    return lacks


def _is_among(video: Mapping[str, Any], files: Sequence[tuple[str, int]]) -> bool:
    """Whether a video is there: W&B names files by their place and 20 digits of their SHA-256."""
    digits = str(video["sha256"])[:20]
    return any(digits in name and size == video["size"] for name, size in files)


def _as_logged(row: Mapping[str, Any], logs: Sequence[Path]) -> dict[str, Any]:
    """A row as it was given to W&B; without videos whose files have gone."""
    import wandb

    told = {key: value for key, value in row.items() if key not in ("_step", "_runtime")}
    for key, value in row.items():
        if _is_video(value):
            path = _file(value, logs)
            told |= {key: wandb.Video(path)} if path else {}
            if not path:
                del told[key]
    return told


def _file(video: Mapping[str, Any], logs: Sequence[Path]) -> Path | None:
    """Where a video lies, beside one of the logs."""
    paths = [log.parent / "files" / str(video["path"]) for log in logs]
    return next((path for path in paths if path.is_file()), None)


def _is_video(value: Any) -> bool:
    return isinstance(value, dict) and value.get("_type") == VIDEO


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
