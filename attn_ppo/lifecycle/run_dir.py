"""A run's folder: who holds it, what state the run is in, and its rows of numbers.

metrics.csv and episodes.csv are the record of a run. They only grow, except that a resumed run
cuts them back to where its checkpoint was made.
"""

import contextlib
import csv
import io
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError, describe
from attn_ppo.formats import spelled
from attn_ppo.lifecycle.disk import disk_error, swept, sync, write_atomically
from attn_ppo.lifecycle.lock import RunLock

METRICS = (
    "update",
    "env_steps",
    "frames",
    "episode_return",
    "episode_length",
    "attention_entropy",
    "policy_entropy",
    "policy_loss",
    "value_loss",
    "approx_kl",
    "clip_fraction",
    "explained_variance",
    "grad_norm",
    "learning_rate",
    "env_steps_per_second",
    "elapsed_seconds",
    "inexact_resumes",
    "lambda",
    "regularization",
    "map_overlap",
    "map_movement",
)
# nan where there are no maps
OF_MAPS = ("attention_entropy", "regularization", "map_overlap", "map_movement")
ROW_BYTES = 600  # of a row of metrics.csv at most: 21 columns of up to 24
FINAL = ("done", "failed", "preempted")  # states that a process ended with
EPISODES = ("env_steps", "env_index", "episode_return", "episode_length")
_TABLES = {"metrics.csv": METRICS, "episodes.csv": EPISODES}


class RunDir:
    """An open run folder, locked against every other process until it is closed."""

    def __init__(self, settings: RunConfig):
        """Creates the folder where there is none.

        Raises ConfigError where it holds a run of other settings, RunError where another process
        has it or it can't be written.
        """
        self.folder = settings.folder
        check_identity(self.folder, settings)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(self.folder)
            swept(self.folder, "*.pt")  # the large ones
            if read_status(self.folder).get("state") == "done":
                self.write_status("running")  # until it is evaluated as these settings ask
            write_atomically(self.folder / "config.yaml", config.to_yaml(settings))
            self._files = {
                name: _open_table(self.folder / name, columns) for name, columns in _TABLES.items()
            }
        except OSError as error:
            raise disk_error(self.folder, error) from None

    def append(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows for metrics.csv or episodes.csv, on their way to the disk when this returns.

        Raises RunError where the disk doesn't take them or the folder isn't ours any more,
        ValueError for a column that the table doesn't have: a number would silently be lost.
        """
        file, columns = self._files[table]
        for row in rows:
            if unknown := row.keys() - set(_TABLES[table]):
                raise ValueError(f"{table} has no column {', '.join(sorted(unknown))}")
        text = _lines([row[c] for c in columns] for row in rows)
        try:
            self._lock.check()
            file.write(text)
            file.flush()
        except OSError as error:
            raise disk_error(self.folder / table, error, len(text)) from None

    def sync(self) -> None:
        """Returns once all rows are safely on the disk: before a checkpoint that knows of them.

        Raises RunError where the folder isn't ours any more, and a checkpoint mustn't be made.
        """
        self._lock.check()
        for file, _ in self._files.values():
            sync(file.fileno())

    def sizes(self) -> dict[str, int]:
        """Bytes of each table: what a checkpoint remembers."""
        return {name: file.tell() for name, (file, _) in self._files.items()}

    def cut_back(self, sizes: Mapping[str, int]) -> None:
        """Removes the rows written after `sizes` were taken; all rows for {}.

        Raises RunError where rows are missing that the checkpoint knows of.
        """
        for name, (file, _) in self._files.items():
            size, there = sizes.get(name, 0), file.tell()
            if there < size:
                reason = f"{self.folder / name} has {there:,} of {size:,} bytes"
                raise RunError(ExitCode.NO_CHECKPOINT, f"{reason} that the checkpoint goes on from")
            file.truncate(size)
            file.seek(0, os.SEEK_END)
            if not size:
                self._files[name] = _begin_table(file, _TABLES[name])

    def write_status(self, state: str, **facts: Any) -> None:
        """Merges into status.json; `state` is one of running, done, failed, preempted.

        Raises RunError where the folder isn't ours any more.
        """
        self._lock.check()
        mark_status(self.folder, state, pid=os.getpid(), host=socket.gethostname(), **facts)

    def __enter__(self) -> "RunDir":
        return self

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        """Records in status.json which error ended the run, if one did, and closes."""
        if isinstance(error, Exception):
            code, text = describe(error)
            state = "preempted" if code == ExitCode.PREEMPTED else "failed"
            cause = text.partition("\n")[0].removeprefix("error: ")
            # a full disk, another's folder by now: the error itself says so
            with contextlib.suppress(OSError, RunError):
                self.write_status(state, cause=cause, exit_code=int(code))
        self.close()

    def close(self) -> None:
        """Releases the folder."""
        for file in (*(table for table, _ in self._files.values()), self._lock):
            with contextlib.suppress(OSError):  # a full disk was reported at the write
                file.close()


def is_done(settings: RunConfig) -> bool:
    """Whether nothing is left to do: trained, and evaluated on as many games as asked for."""
    folder, games = settings.folder, settings.evaluation.episodes
    if read_status(folder).get("state") != "done":
        return False
    path = folder / "config.yaml"
    return not games or not path.exists() or config.read(path).evaluation.episodes == games


def check_identity(folder: Path, settings: RunConfig) -> None:
    """Raises ConfigError, naming the differing keys, where `folder` is a run of other settings.

    Or where it is done, and has no agent any more that could be evaluated on more games.
    """
    if not (folder / "config.yaml").exists():
        return
    recorded = config.read(folder / "config.yaml")
    done = read_status(folder).get("state") == "done"
    if done and not is_done(settings) and not any(folder.glob("checkpoint*.pt")):
        there = f"{recorded.evaluation.episodes}, as {folder} was: it has no checkpoint to evaluate"
        raise ConfigError("evaluation.episodes", settings.evaluation.episodes, there)
    theirs, ours = config.identity(recorded), config.identity(settings)
    differing = [key for key in ours if ours[key] != theirs.get(key)]
    if differing:
        there = ", ".join(f"{key}={spelled(theirs.get(key))}" for key in differing)
        asked = " ".join(f"{key}={spelled(ours[key])}" for key in differing)
        wrong = f"differs from the run in {folder}"
        own = f"name=, or a level of its own: axes=[{','.join(differing)}]"
        raise ConfigError("", asked, f"{there}, as there; or its own {own}", wrong=wrong)


def read_status(folder: Path) -> dict[str, Any]:
    """What status.json says; {} where it isn't there or can't be read."""
    try:
        status = json.loads((folder / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}


def read_last_row(folder: Path) -> dict[str, float]:
    """The newest row of metrics.csv; {} where there is none yet."""
    return next(iter(read_last_rows(folder, 1)), {})


def read_last_rows(folder: Path, count: int) -> list[dict[str, float]]:
    """Up to `count` of the newest rows of metrics.csv, in order; those after one that is broken."""
    rows: list[dict[str, float]] = []
    try:
        with open(folder / "metrics.csv", "rb") as file:
            header = file.readline()
            size = file.seek(0, os.SEEK_END)
            start = max(len(header), size - ROW_BYTES * (count + 1))
            file.seek(start)
            lines = file.read().decode().split("\n")[:-1]  # what follows the last \n isn't whole
        columns = header.decode().strip().split(",")
        whole = lines if start == len(header) else lines[1:]
        for line in reversed(whole[-count:]):
            rows.insert(0, dict(zip(columns, map(float, line.split(",")), strict=True)))
    except (OSError, ValueError):
        pass
    return rows


def mark_status(folder: Path, state: str, **facts: Any) -> None:
    """Merges facts into a run's status.json, atomically, with the time as heartbeat."""
    heartbeat = datetime.now(UTC).isoformat(timespec="seconds")
    status = read_status(folder) | facts | {"state": state, "heartbeat": heartbeat}
    write_atomically(folder / "status.json", json.dumps(status, indent=2) + "\n")


def video_path(folder: Path, update: int) -> Path:
    """Where a run keeps the video that was made after an update."""
    return folder / "videos" / f"update={update:06d}.mp4"


def _open_table(path: Path, columns: tuple[str, ...]) -> tuple[IO[str], tuple[str, ...]]:
    """A table to append to. One that an earlier version began keeps its columns."""
    file = open(path, "a+", newline="")  # noqa: SIM115 held until close()
    if file.tell() == 0:
        return _begin_table(file, columns)
    file.seek(0)
    header = tuple(file.readline().rstrip("\n").split(","))
    file.seek(0, os.SEEK_END)
    return file, header if set(header) <= set(columns) else columns


def _begin_table(file: IO[str], columns: tuple[str, ...]) -> tuple[IO[str], tuple[str, ...]]:
    file.write(_lines([columns]))
    file.flush()
    return file, columns


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def sweep_of(folder: Path) -> Path:
    """The folder of a run's sweep: above its seed, lambda, axes where it has any, and game.

    By the path, since a run that can't be read has nothing else; no game has an `=` in its name.
    """
    above = [folder, *folder.parents]
    has_axes = len(above) > 2 and "=" in above[2].name
    return above[min(4 if has_axes else 3, len(above) - 1)]


def find_runs(root: Path) -> Iterator[Path]:
    """The folders of runs at or below `root`, in order, also of those that ended without a config.

    Links are followed, each folder is visited once, and none at or above `root` again. Not hidden
    folders, nor W&B's, which has a config.yaml of its own, nor what lies inside a run.
    """
    visited = {folder.resolve() for folder in root.absolute().parents}
    visited |= set(root.resolve().parents)
    for folder, below, files in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in visited:
            below.clear()
            continue
        visited.add(real)
        below[:] = sorted(n for n in below if n not in ("wandb", "figures") and n[0] != ".")
        if "config.yaml" in files or "status.json" in files:
            below.clear()
            yield Path(folder)
