"""Runs from W&B: from its server, or from the files that it recorded offline.

read_wandb, read_offline -> what analysis.runs.read_runs makes of folders. Each run is written as a
folder of its own in a cache, ~/.cache/attn_ppo/wandb/, and used again while W&B has nothing new.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from analysis.runs import NoRunsError, Problem, Run, read_folders
from analysis.wandb_account import AGGREGATES, connect, place_of, runs_in
from analysis.wandb_folders import Recorded, file_name, is_up_to_date, lacks, updates_of, write_run
from analysis.wandb_log import Log, read_log
from attn_ppo.errors import ExitCode

PAGE = 1_000  # rows in one answer of W&B's
AT_ONCE = 4  # runs that are fetched side by side


def read_wandb(project: str) -> tuple[list[Run], list[Problem]]:
    """The runs of `entity/project`, or of a sweep or group in it, `entity/project/name`.

    Every row of every run: W&B's own charts and `history()` sample them. Raises ConfigError where
    nobody is logged in, RunError where the server doesn't answer, NoRunsError without runs.
    """
    with connect(project) as api:
        place = place_of(project, api)
        found = runs_in(place, api)
        root = cache().joinpath(*map(file_name, (api.settings["base_url"], *place.path.split("/"))))
        folders = [root / file_name(f"{run.name} {run.id}") for run in found]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            fetched = pool.map(_fetch, found, folders)
            for _ in tqdm(fetched, f"reading {place}", len(found), unit="run", disable=None):
                pass
    return _read(folders, str(place))


def read_offline(folder: Path) -> tuple[list[Run], list[Problem]]:
    """The runs whose W&B files are at or below `folder`: offline-run-*, run-*, as W&B makes them.

    Parts of one run, as a resumed run leaves them, are put together, each agent step once. Raises
    NoRunsError without runs.
    """
    root = cache() / "offline" / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    folders, problems = [], []
    parts = parts_below(folder)
    for run_id, logs in tqdm(parts.items(), "reading W&B's files", unit="run", disable=None):
        source = {str(log): [log.stat().st_size, log.stat().st_mtime_ns] for log in logs}
        own = root / file_name(run_id)
        try:
            if not is_up_to_date(own, source):
                run = joined([read_log(log) for log in logs])
                if run.about["job_type"] == AGGREGATES:
                    continue
                write_run(own, run, source)
        except (ValueError, OSError) as error:
            problems.append(Problem("skipped", logs[-1], str(error)))
            continue
        folders.append(own)
    if problems and not folders:
        raise NoRunsError(f"no runs to draw in {folder}: none of {len(problems)} can be read")
    runs, more = _read(folders, str(folder))
    return runs, problems + more


def parts_below(*folders: Path) -> dict[str, list[Path]]:
    """By W&B's id of each run, its logs below all of these folders, the oldest first, each once."""
    logs: dict[Path, Path] = {}
    for folder in folders:
        below = [folder] if folder.suffix == ".wandb" else sorted(folder.rglob("run-*.wandb"))
        for log in below:
            logs.setdefault(log.resolve(), log)
    parts: dict[str, list[Path]] = {}
    for log in sorted(logs.values(), key=_begun):
        parts.setdefault(log.stem.removeprefix("run-"), []).append(log)
    return parts


def _begun(log: Path) -> tuple[str, int]:
    """When a part was begun: its folder says so to the second."""
    return log.parent.name.removeprefix("offline-"), log.stat().st_mtime_ns


def joined(parts: Iterable[Log]) -> Recorded:
    """One run of its parts, the oldest first: what a later one says holds, rows of all of them."""
    first, *later = parts
    about, config, summary = dict(first.about), dict(first.config), dict(first.summary)
    rows, code = list(first.rows), first.exit_code
    for part in later:
        about |= {key: value for key, value in part.about.items() if value}
        config, summary, code = config | part.config, summary | part.summary, part.exit_code
        rows += part.rows
    states = {None: "running", ExitCode.DONE: "finished", ExitCode.PREEMPTED: "preempted"}
    state = states.get(code, "failed")
    return Recorded(about, config, rows, summary, state)


def cache() -> Path:
    """Where runs that were read from W&B are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "attn_ppo" / "wandb"


def _fetch(run: Any, folder: Path) -> None:
    """Downloads a run, unless its folder has all that W&B has."""
    summary = dict(run.summary_metrics)
    state = {"state": run.state, "rows": run._attrs.get("historyLineCount"), "group": run.group}
    digits = hashlib.sha256(json.dumps([run.config, summary], sort_keys=True).encode()).hexdigest()
    source = {**state, "digits": digits}
    if not is_up_to_date(folder, source):
        about = {"id": run.id, "name": run.name, "group": run.group, "job_type": run.job_type}
        rows = updates_of(run.scan_history(page_size=PAGE))
        # W&B takes a while until it gives all rows that it was sent
        late = not rows or rows[-1]["env_steps"] < summary.get("env_steps", 0)
        recorded = Recorded(about, run.config, rows, summary, run.state)
        write_run(folder, recorded, None if late else source)


def _read(folders: list[Path], source: str) -> tuple[list[Run], list[Problem]]:
    """The runs in these folders, with a note on what W&B doesn't have of them."""
    if not folders:
        allowed = "allowed: runs of ours on W&B, or files that it recorded of them offline"
        raise NoRunsError(f"no runs to draw in {source}: none found\n{allowed}")
    runs, problems = read_folders(folders, source)
    notes = [Problem("note", run.folder, lack) for run in runs if (lack := lacks(run.folder))]
    return runs, problems + notes
