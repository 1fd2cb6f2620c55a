"""A run's mirror on Weights & Biases: the rows of metrics.csv, its videos and its evaluation.

WandbMirror · of_run. Nothing here raises because of W&B: a dead server is no reason
to end a run. How W&B is started and ended is in wandb_session.py.
"""

import csv
import hashlib
import json
import math
import os
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.formats import cut, plain
from attn_ppo.learning.bands import derived
from attn_ppo.lifecycle import wandb_environment
from attn_ppo.lifecycle.run_dir import OF_MAPS, read_status, video_path
from attn_ppo.lifecycle.timeout import call_with_timeout
from attn_ppo.lifecycle.wandb_session import (
    FINISH_SECONDS,
    cause_of,
    how_to_sync,
    open_run,
    remove_earlier_parts,
    shut_down,
)
from attn_ppo.variants import short

# How long a row takes to W&B's own process. All 10,000 rows of a run may be waiting where a resumed
# run ends soon.
PASS_ON_SECONDS = 0.001
TRAIN = "train"  # the job type of runs that were trained
TRAINING_VIDEO = "video/training"  # its name on W&B
NAME_LENGTH, TAG_LENGTH = 128, 64  # of what W&B's server takes


class WandbMirror:
    """One run on W&B, or recorded on disk for `wandb sync`, or neither; training goes on anyway.

    `mode`: `auto` is online where a user is logged in and the server answers, else offline, unless
    WANDB_MODE or `wandb offline` ask for less. `online` falls back to offline, too. A fallback
    prints one line through `say`, with the cause and the command that uploads later. What else
    WANDB_* variables may decide is in wandb_environment.py.

    A thread of its own sends the rows, so a `write` takes microseconds whatever W&B does. `finish`
    takes at most 10 s, longer only while rows from before a resume are waiting. What has not
    arrived by then stays on disk for `wandb sync`. Call `finish` on every way out: W&B takes an
    unfinished run for a success.

    metrics.csv in `run_dir` is the record and W&B its mirror: an update's number is W&B's `_step`.
    Rows from before this process are sent too, unless W&B has them. With the `run_id` of an earlier
    part of the run W&B gets each update once, however that part ended. Online, W&B reports how far
    it got; offline it can't, so each part's folder holds the whole run.

    The row of an update for which `film_due` is held back until its video or the next row comes.
    """

    mode: str
    """What was possible: online, offline or disabled."""
    run_id: str | None
    """W&B's id of the run, to be saved for a resume; as given where W&B is disabled."""
    known: dict[str, Any]
    """Project, name, group and tags that it has there, also for a resume; {} if disabled."""
    part: Path
    """The folder that W&B records this part of the run in; not where it is disabled."""

    def __init__(
        self,
        *,
        mode: str,
        project: str | None,
        entity: str | None,
        tags: list[str] | tuple[str, ...],
        name: str,
        group: str | None,
        job_type: str | None = None,
        config: Mapping[str, Any],
        run_dir: Path | str,
        run_id: str | None = None,
        say: Callable[[str], object] = print,
        film_due: Callable[[int], bool] = lambda _: False,
        known: Mapping[str, Any] | None = None,
        elsewhere: Path | None = None,
        derive: Callable[[Mapping[str, float]], Mapping[str, float]] = lambda _: {},
    ) -> None:
        """`known`: that of an earlier part, which variables set since then don't rename.

        `derive`: what is sent with a row of metrics.csv, as the rows that are written have it.
        `elsewhere`: a folder for W&B's files in place of the run's; the caller moves them.
        """
        self.known = {}
        self.mode, self.run_id, self._film_due = "disabled", run_id, film_due
        self._run: Any = None
        self._say, self._arrived = say, True
        self._trouble, self._trouble_reported = "", False
        self._folder, self._elsewhere = Path(run_dir).absolute(), elsewhere
        if mode == "disabled":
            return
        about = {"project": project, "entity": entity, "name": name, "group": group}
        about |= {"tags": tags, "config": dict(config), "id": run_id, "job_type": job_type}
        about |= {"known": dict(known or {})}
        about |= {"dir": str((elsewhere or self._folder).absolute())}
        self._open(mode, about, derive)

    def _open(
        self,
        mode: str,
        about: dict[str, Any],
        derive: Callable[[Mapping[str, float]], Mapping[str, float]],
    ) -> None:
        try:
            recorded = [{**row, **derive(row)} for row in _recorded(self._folder)]
            self._run, cause = open_run(mode, about)
        except Exception as error:
            recorded = []
            cause = "wandb is not installed" if isinstance(error, ImportError) else cause_of(error)
        if self._run is not None:
            self._begin(recorded, cause)
        elif cause:
            self._say(f"W&B: records nothing, {cause}; metrics.csv has it all")

    def write(self, row: Mapping[str, float]) -> None:
        """Sends the row of one `update`; nan and infinities arrive as such, but for the attention
        entropy of an agent without attention, which is left out. Never waits."""
        if self._run is None or self._trouble_reported:
            return
        self._rows.put(dict(row))
        if self._trouble:
            self._trouble_reported = True
            self._say(f"W&B: records no more, {self._trouble}; metrics.csv has it all")

    def film(self, films: Mapping[str, Path], *, env_steps: int, update: int | None = None) -> None:
        """Sends mp4 files, by name, to the row of an `update`, else after all rows. Never waits."""
        row: dict[str, Any] = {"env_steps": env_steps, **films}
        if self._run is not None and not self._trouble_reported:
            self._rows.put(row if update is None else row | {"update": update})

    def finish(
        self,
        summary: Mapping[str, Any] | None = None,
        *,
        exit_code: int = 0,
        hurry: bool = False,
    ) -> bool:
        """Adds `summary` to the run's last values and ends it. Safe to call again.

        Returns whether everything has arrived, True also where there was nothing to send. With
        `hurry` it takes a second at most: a resume sends what did not arrive.
        """
        run, self._run = self._run, None
        if run is None:
            return self._arrived

        def end() -> None:
            self._rows.put(None)
            self._sender.join()
            if self._trouble:
                raise RuntimeError(self._trouble)
            run.summary.update(dict(summary or {}))
            run.finish(exit_code=exit_code)

        try:
            seconds = FINISH_SECONDS + 1 + PASS_ON_SECONDS * self._rows.qsize()
            call_with_timeout(1 if hurry else seconds, end)
            cause = ""
        except Exception as error:
            cause = cause_of(error)
            if not self._trouble_reported:
                self._say(f"W&B: not all has arrived, {cause}{self._how_to_sync()}")
        shut_down(exit_code)  # until then W&B's files may be incomplete
        self._arrived = not cause
        if self._arrived:
            remove_earlier_parts(run)
        return self._arrived

    def _begin(self, recorded: list[dict[str, Any]], cause: str) -> None:
        self.mode = "offline" if self._run.offline else "online"
        is_new = self.run_id is None
        self.run_id = self._run.id
        run, keys = self._run, ("project", "name", "group")
        self.known = {key: getattr(run, key) for key in keys} | {"tags": list(run.tags or ())}
        self.part = Path(self._run.settings.sync_dir)
        state = f"offline, {cause}{self._how_to_sync()}" if cause else self._run.url
        if is_new and (there := self._run.starting_step):  # with a WANDB_RUN_ID
            state += f", which has rows already: up to update {there - 1:,} none is sent"
        self._say(f"W&B: {state}")
        if note := wandb_environment.note(os.environ):
            self._say(note)
        self._rows: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        for row in recorded:
            self._rows.put(row)
        self._sender = threading.Thread(target=self._send, args=(self._run,), daemon=True)
        self._sender.start()

    def _how_to_sync(self) -> str:
        return "" if self._elsewhere else f"; {how_to_sync(self.part)}"

    def _send(self, run: Any) -> None:
        """The sending thread: passes rows on to W&B, in order, until it finds None."""
        try:
            first = run.starting_step  # W&B has the rows before it
            for row in iter(self._rows.get, None):
                if "update" not in row:
                    run.log(_with_films(row))
                elif row["update"] >= first:
                    waits = self._film_due(int(row["update"])) and not _paths(row)
                    run.log(_with_films(row), step=int(row["update"]), commit=not waits)
        except Exception as error:
            self._trouble = cause_of(error)


def of_run(
    settings: RunConfig,
    folder: Path,
    run_id: str | None,
    say: Callable[[str], object],
    *,
    mode: str | None = None,
    elsewhere: Path | None = None,
) -> WandbMirror:
    """The mirror of a run, in a W&B group with those that differ in nothing but the seed.

    The sweep's name, game, lambda and axes are tags.
    `mode` takes the place of the settings' own, `elsewhere` that of the run's folder.
    """
    asked, status = settings.wandb, read_status(folder)
    return WandbMirror(
        mode=mode or asked.mode,
        project=asked.project,
        entity=asked.entity,
        tags=_tags(settings),
        name=_name(settings),
        group=_group(settings),
        job_type=TRAIN,
        config=config.recorded(settings),
        run_dir=folder,
        run_id=run_id,
        say=say,
        film_due=settings.videos.due,
        known=status.get("wandb_known") if run_id else None,
        elsewhere=elsewhere,
        derive=lambda row: derived(row, settings),
    )


def _tags(settings: RunConfig) -> list[str]:
    own = [settings.name, settings.env, f"lambda={plain(settings.lambda_)}", *settings.axes]
    return list(dict.fromkeys([*settings.wandb.tags, *(cut(tag, TAG_LENGTH) for tag in own)]))


def _name(settings: RunConfig) -> str:
    """`Breakout clip_range=0.1 λ=0.0005 s0`: W&B's table shows its first words alone."""
    words = [settings.env, short(settings.axes), f"λ={plain(settings.lambda_)} s{settings.seed}"]
    return cut(" ".join(word for word in words if word), NAME_LENGTH)


def _group(settings: RunConfig) -> str:
    """`demo Breakout ppo.clip_range=0.1 lambda=0 5f3a91c2`: W&B's charts average its runs.

    The digits are of all that decides what is trained but the seed, also where no axis says it.
    """
    alike = {key: value for key, value in config.identity(settings).items() if key != "seed"}
    words = [settings.name, settings.env, *settings.axes, f"lambda={plain(settings.lambda_)}"]
    digits = hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:8]
    return f"{cut(' '.join(words), NAME_LENGTH - 9)} {digits}"


def _recorded(folder: Path) -> list[dict[str, Any]]:
    """The rows of metrics.csv, all as floats, with their videos; [] where there is no such file."""
    table = folder / "metrics.csv"
    if not table.exists():
        return []
    with open(table, newline="") as file:
        rows = [{key: float(cell) for key, cell in row.items()} for row in csv.DictReader(file)]
    paths = [video_path(folder, int(row["update"])) for row in rows]
    return [
        row | ({TRAINING_VIDEO: path} if path.exists() else {})
        for row, path in zip(rows, paths, strict=True)
    ]


def _paths(row: Mapping[str, Any]) -> dict[str, Path]:
    return {key: value for key, value in row.items() if isinstance(value, Path)}


def _with_films(row: dict[str, Any]) -> dict[str, Any]:
    """A row as W&B takes it: paths become videos; those of files that have gone are left out."""
    import wandb

    row = {k: v for k, v in row.items() if k not in OF_MAPS or not math.isnan(v)}
    paths = _paths(row)
    films = {key: wandb.Video(path) for key, path in paths.items() if path.exists()}
    return {key: value for key, value in row.items() if key not in paths} | films
