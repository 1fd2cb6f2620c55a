"""The state of runs as their folders tell it, at any time and without a lock."""

import json
import socket
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.formats import printable
from attn_ppo.learning.flags import HELD, Flag, flags
from attn_ppo.lifecycle import lock
from attn_ppo.lifecycle.plan import Planned
from attn_ppo.lifecycle.run_dir import FINAL, read_last_rows, read_status

SILENT_MINUTES = 20  # a live run on another machine writes more often than that


@dataclass(frozen=True)
class Standing:
    """The state of one run; `settings` is None if its config.yaml can't be used."""

    folder: Path
    settings: RunConfig | Planned | None
    state: str  # of FINAL, or running, killed, no sign of life, not started, unreadable
    note: str  # the cause of the end, or the process that runs it
    row: dict[
        str, float
    ]  # the newest of metrics.csv; score, entropy and measures of the evaluation, if any
    flags: Sequence[Flag] = ()  # what looks wrong with its training


def look(runs: Iterable[tuple[Path, RunConfig | Planned | None]]) -> list[Standing]:
    """The standing of each run; settings that aren't given are read from its folder."""
    locks, standings = lock.held_here(), []
    for folder, settings in runs:
        unreadable = ""
        try:
            settings = settings or config.read(folder / "config.yaml")
        except ConfigError as error:
            unreadable = f"config.yaml {error.wrong}"
        rows, recorded = read_last_rows(folder, HELD), read_status(folder)
        row = dict(rows[-1]) if rows else {}
        state, note = _state(folder, recorded, row, locks)
        if unreadable and state not in FINAL:
            state, note = "unreadable", unreadable
        elif state == "done":
            note = _lost(folder, {"config.yaml": bool(unreadable), "metrics.csv": not rows})
        if state not in ("running", "done"):  # what wasn't saved will be made again
            row |= {"env_steps": min(saved_steps(recorded), row.get("env_steps", 0.0))}
        row |= _evaluation(folder, row.get("env_steps"))
        found = flags(rows, settings) if isinstance(settings, RunConfig) else []
        standings.append(Standing(folder, settings, state, note, row, found))
    return standings


def _lost(folder: Path, lost: Mapping[str, bool]) -> str:
    """The first of its files that a finished run has lost, and how; "" if none."""
    name = next((name for name, is_lost in lost.items() if is_lost), "")
    return name and f"{name} is {'damaged' if (folder / name).exists() else 'missing'}"


def saved_steps(recorded: Mapping[str, Any]) -> int:
    """The agent steps up to the newest checkpoint, by what status.json says."""
    steps = recorded.get("env_steps")
    return steps if type(steps) is int and steps > 0 else 0


def _state(
    folder: Path,
    recorded: dict[str, Any],
    row: dict[str, float],
    locks: Collection[tuple[int, int]] | None,
) -> tuple[str, str]:
    """The state and its note. A `running` in status.json holds only while its process is alive."""
    state, holder = recorded.get("state"), printable(lock.holder(folder, locks))
    process = f"pid {printable(recorded.get('pid'))} on {printable(recorded.get('host'))}"
    if state == "done":
        return "done", ""
    if holder:
        return "running", holder
    if state in FINAL:
        cause = str(recorded.get("cause") or "").partition("\n")[0]
        return state, printable(cause.replace(f"{folder}/", "").rstrip(": "))
    if state == "running" and recorded.get("host") in (None, socket.gethostname()):
        return "killed", f"{process} is gone" if recorded.get("pid") else "its process is gone"
    if state == "running":
        minutes = _minutes_silent(folder)
        silent = minutes >= SILENT_MINUTES
        return (
            ("no sign of life", f"for {minutes:.0f} min: {process}")
            if silent
            else ("running", process)
        )
    if row or (folder / "status.json").exists():
        return "unreadable", "its status.json"
    return "not started", ""


def _minutes_silent(folder: Path) -> float:
    """Minutes since the run last wrote to its folder."""
    files = (folder / name for name in ("metrics.csv", "status.json"))
    return (time.time() - max(f.stat().st_mtime for f in files if f.exists())) / 60


def _evaluation(folder: Path, env_steps: float | None) -> dict[str, float]:
    """Score and attention entropy in evaluation.json; {} unless it is of the newest weights."""
    try:
        values = json.loads((folder / "evaluation.json").read_text())
        if values["env_steps"] != env_steps:
            return {}
        names = {"score_mean": "episode_return", "attention_entropy": "attention_entropy"}
        found = {name: values[key] for key, name in names.items()}
        believe = values.get("believe") or {}  # what `make believe` measured
        found |= {name: believe.get(name) for name in ("lift", "agreement")}
        return {name: float(value) for name, value in found.items() if value is not None}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
