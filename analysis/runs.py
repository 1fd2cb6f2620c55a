"""Reads run folders: the usable runs below a root, and the problems of the others.

A run is found by its config.yaml, which holds its settings; the path is not used. A problem of one
run does not keep the others from being read: it is returned as a `Problem`.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.cache import read_table
from analysis.files import column, read_json
from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError, shorten
from attn_ppo.folders import nearest_folder
from attn_ppo.formats import plain, short_number
from attn_ppo.lifecycle.run_dir import EPISODES, find_runs
from attn_ppo.variants import ONLY, Settings, Variant, settings_of, variants_of

METRICS = ("env_steps", "episode_return", "attention_entropy")  # the columns that a run must have
# Those that figures and statistics need, besides: of ten million steps, all of them take 1.6 MB.
CURVES = (*METRICS, "update", "policy_entropy", "inexact_resumes", "lambda", "map_movement")


THREADS = 4  # that read at once: some wait for the disk, and more would wait for each other


class NoRunsError(RunError):
    """No run below a root can be used."""

    def __init__(self, message: str):
        super().__init__(ExitCode.BAD_INPUT, message)


@dataclass(frozen=True)
class Run:
    """One run as read from its files; `evaluation` is None until the agent has been evaluated.

    `variant` tells it from runs of other settings that were read with it.
    """

    folder: Path
    config: RunConfig
    metrics: pd.DataFrame
    episodes: pd.DataFrame
    evaluation: dict[str, Any] | None
    status: dict[str, Any]
    variant: Variant = ONLY

    @cached_property
    def env_steps(self) -> int:
        """Agent steps at the last update."""
        return int(column(self.metrics, "env_steps")[-1])

    @cached_property
    def unfinished(self) -> str | None:
        """Why this isn't the whole run, None if it is."""
        state = self.status.get("state")
        whole = self.config.num_updates * self.config.ppo.batch_size
        if state in (None, "done") and self.env_steps >= whole:
            return None
        # With a cause in brackets a caption would grow long: only the first line of it.
        cause = str(self.status.get("cause") or "").partition("\n")[0]
        text = f"{state or 'no status'}{f' ({shorten(cause)})' if cause else ''}"
        return f"{text} at {short_number(self.env_steps)} of {short_number(whole)} agent steps"

    @cached_property
    def inexact_at(self) -> list[int]:
        """Agent steps at which it was resumed on other versions or another machine."""
        if "inexact_resumes" not in self.metrics:
            return []
        counts = column(self.metrics, "inexact_resumes")
        first = np.flatnonzero(np.diff(counts, prepend=0) > 0)
        return column(self.metrics, "env_steps")[first].astype(int).tolist()

    @property
    def label(self) -> str:
        """The run in a figure: its game, lambda, variant if there are several, and seed."""
        variant = f" {self.variant.letter}" if self.variant.name else ""
        lambda_ = plain(self.config.lambda_)
        return f"{self.config.env} λ = {lambda_}{variant} seed {self.config.seed}"


@dataclass(frozen=True)
class Problem:
    """Something to report about a run; `kind` is skipped, unfinished or note."""

    kind: str
    folder: Path
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.folder}: {' '.join(self.what.split())}"


def read_runs(
    root: Path | str, columns: Sequence[str] | None = None
) -> tuple[list[Run], list[Problem]]:
    """The usable runs below `root`, and what is wrong with any of them.

    They are ordered by game, variant, lambda and seed. Of metrics.csv they have all columns, or of
    `columns` those that are there. Raises NoRunsError where none can be used.
    """
    return read_folders(find_runs(Path(root)), root, columns)


def read_folders(
    folders: Iterable[Path], source: Path | str, columns: Sequence[str] | None = None
) -> tuple[list[Run], list[Problem]]:
    """As `read_runs`, of these folders; `source` is where they are from, for people."""
    found: dict[Path, Run] = {}
    problems: dict[Path, list[Problem]] = {}
    for folder, run, of_run in _read_all(list(folders), columns):
        problems[folder] = of_run
        if run:
            found[folder] = run
    for twice, kept in _twice(found.values()):
        del found[twice.folder]
        problems[twice.folder] = [
            Problem("skipped", twice.folder, f"same settings and seed as {kept.folder}")
        ]
    every = [problem for of_run in problems.values() for problem in of_run]
    if not found:
        raise NoRunsError(_why_none(source, every))
    variants = variants_of([run.config for run in found.values()])
    runs = [replace(run, variant=v) for run, v in zip(found.values(), variants, strict=True)]
    return sorted(runs, key=_place), every


def _read_all(
    folders: Sequence[Path], columns: Sequence[str] | None
) -> Iterator[tuple[Path, Run | None, list[Problem]]]:
    """Each folder with its run, if it can be used, and what is wrong with it."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        read = pool.map(partial(_read_or_skip, columns=columns), folders)
        bar = tqdm(read, "reading", len(folders), unit="run", leave=False, disable=None, delay=2)
        for folder, (run, problems) in zip(folders, bar, strict=True):
            yield folder, run, problems
    finally:
        pool.shutdown(cancel_futures=True)


def _read_or_skip(folder: Path, columns: Sequence[str] | None) -> tuple[Run | None, list[Problem]]:
    try:
        if not (folder / "config.yaml").exists():
            raise ValueError("it has no config.yaml")
        run, notes = read_run(folder, columns)
    except (ValueError, OSError) as error:
        return None, [Problem("skipped", folder, str(error))]
    problems = [Problem("unfinished", folder, run.unfinished)] if run.unfinished else []
    resumes = run.status.get("inexact_resumes") or []
    notes += [f"resumed inexactly {text}" for text in resumes if isinstance(text, str)]
    return run, problems + [Problem("note", folder, note) for note in notes]


def _twice(runs: Iterable[Run]) -> list[tuple[Run, Run]]:
    """The runs that others equal in settings and seed, each with the one of these that counts:

    one that is finished, else the longest, else the first.
    """
    equal: dict[tuple[str, float, Settings, int], list[Run]] = {}
    for run in runs:
        key = run.config.env, run.config.lambda_, settings_of(run.config), run.config.seed
        equal.setdefault(key, []).append(run)
    pairs = []
    for each in equal.values():
        kept = max(each, key=lambda r: (not r.unfinished, r.env_steps, r.evaluation is not None))
        pairs += [(run, kept) for run in each if run is not kept]
    return pairs


def _place(run: Run) -> tuple[str, int, float, int]:
    return run.config.env, run.variant.number, run.config.lambda_, run.config.seed


def find_folders(root: Path) -> Iterator[Path]:
    """The folders of runs at or below `root` that have a config.yaml, in order."""
    return (folder for folder in find_runs(root) if (folder / "config.yaml").exists())


def newest_root(runs: Path | str | None = None) -> Path:
    """The sweep in `runs`, by default where new ones go, whose runs were written to last.

    Raises NoRunsError where there is none.
    """
    runs = config.default_root() if runs is None else runs
    newest = {
        root: max((_last_written(run) for run in find_folders(root)), default=-inf)
        for root in (sorted(Path(runs).iterdir()) if Path(runs).is_dir() else [])
        if root.is_dir()
    }
    root = max(newest, key=newest.__getitem__, default=None)
    if root is None or newest[root] == -inf:
        raise NoRunsError(_why_none(Path(runs), []))
    return root


def read_run(folder: Path, columns: Sequence[str] | None = None) -> tuple[Run, list[str]]:
    """One run, and notes on its minor problems. Raises ValueError or OSError if it is unusable."""
    notes: list[str] = []
    settings = config.read(folder / "config.yaml")
    metrics, torn = read_metrics(folder, columns)
    if torn:
        notes.append("the torn last line of metrics.csv is left out")
    if np.isnan(column(metrics, "episode_return")).all():
        notes.append("no game has finished yet, so there's no score")
    run = Run(
        folder,
        settings,
        metrics,
        _read_episodes(folder / "episodes.csv", notes),
        _read_evaluation(folder / "evaluation.json", column(metrics, "env_steps")[-1], notes),
        _read_status(folder / "status.json", notes),
    )
    return run, notes


def read_metrics(folder: Path, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, bool]:
    """The rows of metrics.csv by agent steps, each update once; whether its last line was torn.

    Of `columns` those that are there, or all. Raises ValueError or OSError if it is unusable.
    """
    metrics, torn = read_table(folder / "metrics.csv", METRICS, columns)
    if metrics.empty:
        raise ValueError("metrics.csv has no whole row yet")
    # A run that was resumed from an older checkpoint may have written some updates twice.
    if (np.diff(column(metrics, "env_steps")) <= 0).any():
        metrics = metrics.drop_duplicates("env_steps", keep="last")
        metrics = metrics.sort_values("env_steps", ignore_index=True)
    return metrics, torn


def _read_episodes(path: Path, notes: list[str]) -> pd.DataFrame:
    try:
        return read_table(path, EPISODES)[0]
    except (ValueError, OSError) as error:
        if path.exists():
            notes.append(f"{error}; taken as no games")
        return pd.DataFrame({name: pd.Series(dtype=float) for name in EPISODES})


def _read_evaluation(path: Path, env_steps: float, notes: list[str]) -> dict[str, Any] | None:
    """The evaluation after `env_steps`, None if there's none or it can't be used."""
    try:
        evaluation = read_json(path, ("score_mean",)) or {}
        for key in ("score_mean", "attention_entropy"):
            number = evaluation.get(key)
            if number is None and (key == "attention_entropy" or not evaluation):
                continue  # a gate of none has no attention
            if type(number) is bool or not isinstance(number, int | float) or not isfinite(number):
                raise ValueError(f"{path.name}: {key} is {number!r}, not a number")
        scores = np.array(evaluation.get("scores", []))
        if scores.ndim != 1 or scores.dtype.kind not in "if" or not np.isfinite(scores).all():
            raise ValueError(f"{path.name}: scores is no list of numbers")
        if evaluation.get("env_steps", env_steps) != env_steps:
            raise ValueError(f"{path.name} is of the agent after {evaluation['env_steps']} steps")
    except (ValueError, OSError) as error:
        notes.append(f"{error}; taken as not evaluated")
        return None
    return evaluation or None


def _read_status(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return read_json(path, ("state",)) or {}
    except (ValueError, OSError) as error:
        notes.append(f"{error}; finished or not is told by the steps")
        return {}


def _last_written(folder: Path) -> float:
    files = (folder / name for name in ("config.yaml", "metrics.csv", "status.json"))
    return max(file.stat().st_mtime for file in files if file.exists())


def _why_none(root: Path | str, problems: list[Problem]) -> str:
    """Two or three lines: the root, the first problem, what is allowed."""
    if problems:
        found = f"{len(problems)} found, none can be read"
    else:
        there = Path(root)
        found = "none found" if there.is_dir() else "a file" if there.exists() else "no such folder"
    lines = [f"no runs to draw in {shorten(root)}: {found}"]
    lines += [str(problems[0])] if problems else []
    lines += ["allowed: a folder of runs, or one with such folders below it"]
    near = nearest_folder(Path(root), config.default_root())
    return "\n".join([*lines, *([f"nearest: {near}"] if near and not problems else [])])
