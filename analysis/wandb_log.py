"""Reads W&B's transaction log, the file run-<id>.wandb in which it records a run: read_log.

The log is in LevelDB's format: blocks of 32 KiB, in them records in one or several pieces, each
piece with its checksum, length and kind (github.com/google/leveldb, doc/log_format.md); a header
of 7 bytes is W&B's own. A record is a protobuf message of the wandb package. `wandb leet inspect`
prints the same, a second a run; a sweep has hundreds.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BLOCK, PIECE_HEADER = 32_768, 7
FILE_HEADER = b":W&B"
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4  # kinds of pieces


class Log(NamedTuple):
    """What one log says of a run."""

    about: dict[str, Any]  # id, project, entity, name, group, job_type, tags
    config: dict[str, Any]
    rows: list[dict[str, Any]]  # in the order in which they were logged
    summary: dict[str, Any]
    exit_code: int | None  # None where the run hasn't ended, or was killed


def read_log(path: Path) -> Log:
    """What a .wandb file holds, as far as it's whole. Raises ValueError where it is none."""
    from wandb.proto import wandb_internal_pb2

    record_of: Any = wandb_internal_pb2.Record  # pyright: ignore[reportAttributeAccessIssue]
    log = Log({}, {}, [], {}, None)
    for message in _messages(path):
        record = record_of.FromString(message)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            log.about.update(_about(record.run))
            _change(log.config, record.run.config)
        elif kind == "config":
            _change(log.config, record.config)
        elif kind == "history":
            log.rows.append(_put({}, record.history.item))
        elif kind == "summary":
            _change(log.summary, record.summary)
        elif kind == "exit":
            log = log._replace(exit_code=record.exit.exit_code)
    if not log.about:
        raise ValueError(f"{path.name} says nothing of a run")
    return log


def _about(run: Any) -> dict[str, Any]:
    return {
        "id": run.run_id,
        "entity": run.entity,
        "project": run.project,
        "name": run.display_name,
        "group": run.run_group,
        "job_type": run.job_type,
        "tags": list(run.tags),
    }


def _change(values: dict[str, Any], changes: Any) -> None:
    """Applies a record's changes to nested values."""
    _put(values, changes.update)
    for item in changes.remove:
        values.pop(item.key, None)


def _put(values: dict[str, Any], items: Any) -> dict[str, Any]:
    for item in items:
        *path, key = list(item.nested_key) or [item.key]
        place = values
        for name in path:
            place = place.setdefault(name, {})
        place[key] = json.loads(item.value_json)
    return values


def _messages(path: Path) -> Iterator[bytes]:
    """The whole records of a log, up to the first that is torn."""
    content = path.read_bytes()
    if not content.startswith(FILE_HEADER):
        raise ValueError(f"{path.name} is no log of W&B's")
    place, message = PIECE_HEADER, b""
    while place + PIECE_HEADER <= len(content):
        if BLOCK - place % BLOCK < PIECE_HEADER:  # what a header doesn't fit in is left empty
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        piece = content[place + PIECE_HEADER : place + PIECE_HEADER + length]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(piece) < length:
            return
        message = piece if kind in (FULL, FIRST) else message + piece
        if kind in (FULL, LAST):
            yield message
        place += PIECE_HEADER + length
