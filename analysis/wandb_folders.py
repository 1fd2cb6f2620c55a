"""A run as W&B has it, written as a run's folder, which all readers read: write_run.

So figures and claims can't differ by where runs come from. W&B has no checkpoint, and of
episodes.csv the last 100 games; runs of earlier versions have no games there, and of the evaluation
no single scores.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from attn_ppo.lifecycle.disk import write_atomically
from attn_ppo.lifecycle.run_dir import EPISODES, METRICS, OF_MAPS
from attn_ppo.lifecycle.wandb_summary import BELIEVE, EVALUATION, HUMAN, LAST_GAMES, STATUS

WHOLE_NUMBERS = ("update", "env_steps", "frames", "inexact_resumes", "env_index", "episode_length")
# W&B's and ours; others are told below
STATES = {"finished": "done", "running": "running", "preempted": "preempted"}
SOURCE = "source.json"  # what was written last: it tells whether a folder is whole and up to date


class Recorded(NamedTuple):
    """One run as W&B has it."""

    about: dict[str, Any]  # id, project, entity, name, group, job_type, tags
    config: dict[str, Any]
    rows: list[dict[str, Any]]  # as logged: of updates, and of videos
    summary: dict[str, Any]
    state: str  # W&B's: running, finished, failed, crashed ...


def is_up_to_date(folder: Path, source: Mapping[str, Any]) -> bool:
    """Whether `folder` is what `write_run` made of this very source."""
    return _read_source(folder).get("source") == dict(source)


def lacks(folder: Path) -> str:
    """What W&B doesn't have of the run that `folder` was made of; "" where it has all."""
    return _read_source(folder).get("lacks", "")


def write_run(folder: Path, run: Recorded, source: Mapping[str, Any] | None) -> None:
    """Makes `folder` this run's; `source` says of what, None where W&B's last rows are late."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SOURCE).unlink(missing_ok=True)
    config = {key: value for key, value in run.config.items() if not key.startswith("_")}
    texts = {
        "config.yaml": yaml.safe_dump(config, allow_unicode=True),
        "metrics.csv": _metrics(run.rows),
        "episodes.csv": _episodes(run.summary),
        "evaluation.json": _evaluation(run.summary),
        "status.json": json.dumps(_status(run)),
    }
    for name, text in texts.items():
        if text:
            write_atomically(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)
    told = {"source": source, "lacks": _lacks(run.summary, late=source is None)}
    write_atomically(folder / SOURCE, json.dumps(told))


def updates_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of updates alone, each agent step once, the later of two, in order.

    A run that was resumed offline is recorded in several parts that overlap.
    """
    known: dict[float, dict[str, Any]] = {}
    for row in rows:
        if "update" in row and "env_steps" in row:
            known[float(row["env_steps"])] = dict(row)
    return [known[env_steps] for env_steps in sorted(known)]


def file_name(text: str) -> str:
    """A text as the name of a folder."""
    return re.sub(r"[^\w.=+-]+", " ", text).strip(". ")[:100]


def _metrics(rows: Iterable[Mapping[str, Any]]) -> str:
    """metrics.csv. Without attention W&B has no such column, but our readers ask for one."""
    updates = updates_of(rows)
    there = {key for row in updates for key in row}
    if updates:
        there |= set(OF_MAPS) if "lambda" in there else {"attention_entropy"}
    columns = [name for name in METRICS if name in there]
    return _table(columns, ([row.get(name, "nan") for name in columns] for row in updates))


def _episodes(summary: Mapping[str, Any]) -> str:
    columns = [summary.get(f"{LAST_GAMES}{name}") for name in EPISODES]
    if not all(isinstance(values, list) for values in columns):
        return ""
    return _table(EPISODES, zip(*columns, strict=False))  # pyright: ignore[reportArgumentType]


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """CSV as the run itself wrote it: JSON doesn't tell 1 from 1.0."""
    columns, buffer = list(columns), io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        numbers = [float(value) for value in row]
        writer.writerow(
            int(number) if name in WHOLE_NUMBERS and number.is_integer() else number
            for name, number in zip(columns, numbers, strict=True)
        )
    return buffer.getvalue() if columns else ""


def _evaluation(summary: Mapping[str, Any]) -> str:
    """evaluation.json; "" where the agent wasn't evaluated."""
    own = {key: value for key, value in summary.items() if key != HUMAN}  # made from its score
    found, believe = _within(own, EVALUATION), _within(own, BELIEVE)
    if not found:
        return ""
    found.setdefault("attention_entropy", None)  # without attention W&B isn't told of any
    return json.dumps(found | ({BELIEVE.rstrip("/"): believe} if believe else {}), indent=2)


def _status(run: Recorded) -> dict[str, Any]:
    """What readers look at in status.json; the state that W&B heard of last, unless it's over."""
    told = _within(run.summary, STATUS)
    over = told.get("state") if told.get("state") in ("failed", "preempted") else "failed"
    state = STATES.get(run.state, over)
    cause = told.get("cause") or None if state in (over, "preempted") else None
    if state == "failed" and not cause and run.state == "crashed":
        cause = "W&B heard no more of it"
    return {**told, "state": state, "cause": cause, "wandb_id": run.about["id"]}


def _within(summary: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in summary.items() if k.startswith(prefix)}


def _lacks(summary: Mapping[str, Any], *, late: bool) -> str:
    found = ["its last rows yet"] if late else []
    if f"{LAST_GAMES}env_steps" not in summary:
        found.append("single games")
    if f"{EVALUATION}score_mean" in summary and f"{EVALUATION}scores" not in summary:
        found.append("the evaluation's single scores")
    return f"W&B doesn't have {' and '.join(found)} of it" if found else ""


def _read_source(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / SOURCE).read_text())
    except (OSError, ValueError):
        return {}
