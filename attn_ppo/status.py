"""`python -m attn_ppo.status [FOLDER ...]`: a table of the state of runs, read from their folders.

Works at any time, wherever the runs are, and takes no lock. A run's settings are read from its
config.yaml, never from its path.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import json
import math
import os
import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.formats import fixed, plain, short_number
from attn_ppo.lifecycle import lock, plan
from attn_ppo.lifecycle.plan import Planned
from attn_ppo.lifecycle.run_dir import FINAL, find_runs, read_last_row, read_status

SILENT_MINUTES = 20  # a live run on another machine writes more often than that
BAD = ("failed", "killed")  # with one of these the exit code is 1
COLOURS = {
    "done": 32,
    "running": 36,
    "evaluating": 36,
    "preempted": 33,
    "no sign of life": 33,
    "failed": 31,
    "killed": 31,
    "unreadable": 31,
}
ABOUT = """Prints a table of runs: state, progress, score, attention entropy, and what failed.

Exit code 1 if a run failed or was killed, else 0."""
LEFT = ("game", "state", "note")  # aligned left; the other columns are numbers
OPTIONAL = ("steps/s", "ETA", "note")  # columns shown only if some run has a value


@dataclass(frozen=True)
class Standing:
    """The state of one run; `settings` is None if its config.yaml can't be used."""

    folder: Path
    settings: RunConfig | Planned | None
    state: str  # of FINAL, or running, killed, no sign of life, not started, unreadable
    note: str  # the cause of the end, or the process that runs it
    row: dict[str, float]  # the newest of metrics.csv; score and entropy of the evaluation, if any


def main(argv: Sequence[str]) -> int:
    """Prints the table of the runs at or below the folders; returns the exit code."""
    parser = Parser("attn_ppo.status", ABOUT, "runs/demo")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        default=[Path("runs")],
        metavar="FOLDER",
        help="a run, or a folder with runs below it; by default runs/",
    )
    sweeps: dict[Path, dict[Path, Planned | None]] = {}
    commands: dict[str, set[Path]] = {}
    for root in parser.parse_args(argv).folders:
        found: dict[Path, Planned | None] = dict.fromkeys(find_runs(root))
        for command, is_here, runs in plan.find(root):
            found = {**runs, **found}
            if is_here:
                commands.setdefault(command, set()).update(runs)
        if not found:
            why = "there are none" if root.is_dir() else "no such folder"
            why = "it is a file" if root.is_file() else why
            print(f"error: no runs in {_printable(root)}: {why}", file=sys.stderr)
            print("allowed: a folder with runs at or below it: runs/<name>", file=sys.stderr)
            return ExitCode.BAD_INPUT
        for folder, planned in found.items():
            sweep = root.joinpath(*folder.relative_to(root).parts[:-3])  # of game, lambda, seed
            sweeps.setdefault(sweep, {})[folder] = planned
    every: list[Standing] = []
    for sweep, of_sweep in sweeps.items():
        standings = sorted(look(of_sweep.items()), key=_order)
        every += standings
        print(f"{_printable(sweep)}\n{table(standings)}\n")
    print(summary(every, commands))
    return ExitCode.RUN_FAILED if any(s.state in BAD for s in every) else ExitCode.DONE


def look(runs: Iterable[tuple[Path, RunConfig | Planned | None]]) -> list[Standing]:
    """The standing of each run; settings that aren't given are read from its folder."""
    locks, standings = lock.held_here(), []
    for folder, settings in runs:
        unreadable = ""
        try:
            settings = settings or config.read(folder / "config.yaml")
        except ConfigError as error:
            unreadable = f"config.yaml {error.wrong}"
        row, recorded = read_last_row(folder), read_status(folder)
        state, note = _state(folder, recorded, row, locks)
        if unreadable and state not in FINAL:
            state, note = "unreadable", unreadable
        if state not in ("running", "done"):  # what wasn't saved will be made again
            row |= {"env_steps": min(saved_steps(recorded), row.get("env_steps", 0.0))}
        row |= _evaluation(folder, row.get("env_steps"))
        standings.append(Standing(folder, settings, state, note, row))
    return standings


def saved_steps(recorded: Mapping[str, Any]) -> int:
    """The agent steps up to the newest checkpoint, by what status.json says."""
    steps = recorded.get("env_steps")
    return steps if type(steps) is int and steps > 0 else 0


def table(standings: Sequence[Standing]) -> str:
    """A line per run, then where those that failed left their output."""
    rows = [_cells(standing) for standing in standings]
    names = [n for n in rows[0] if n not in OPTIONAL or any(row[n] for row in rows)]
    width = {n: max(len(n), *(len(row[n]) for row in rows)) for n in names}
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    rest = sum(width[n] + 2 for n in names if n != "note")
    room = max(40, columns - rest)
    lines = [_line({n: n for n in names}, width, "")]
    for row in rows:
        note = row["note"] if len(row["note"]) <= room else row["note"][: room - 3] + "..."
        lines.append(_line({n: row[n] for n in names} | {"note": note}, width, row["state"]))
    return "\n".join([*lines, *_details([s for s in standings if s.state in BAD], room)])


def summary(
    standings: Collection[Standing], commands: Mapping[str, Collection[Path]] | None = None
) -> str:
    """How many runs are in which state, and the commands that go on with them.

    `commands` are those known, with the folders of their runs.
    """
    counts = Counter(_shown_state(standing) for standing in standings)
    order = ["done", "running", "evaluating", *FINAL, "killed", "no sign of life", "not started"]
    parts = [f"{counts[s]} {s}" for s in dict.fromkeys([*order, "unreadable"]) if counts[s]]
    lines = [f"{len(standings)} run{'s' if len(standings) != 1 else ''}: {', '.join(parts)}"]
    left = {s.folder for s in standings if s.state not in ("done", "running")}
    for command, folders in (commands or {}).items():
        if not left.isdisjoint(folders):
            lines.append(f"to continue: {_printable(command)}")
    if left.difference(*(commands or {}).values()):
        lines.append("to continue, run the same command again")
    return "\n".join(lines)


def result(standing: Standing) -> tuple[str, str]:
    """Score and attention entropy (nats) as text, those of the evaluation if there is one."""
    score, entropy = (standing.row.get(key) for key in ("episode_return", "attention_entropy"))
    return _number(score, 1), _number(entropy, 2)


def _shown_state(standing: Standing) -> str:
    """The state, with what a run that has made all its steps is still running for."""
    steps, settings = standing.row.get("env_steps", 0.0), standing.settings
    trained = settings is not None and steps >= settings.trained_steps
    return "evaluating" if standing.state == "running" and trained else standing.state


def _order(standing: Standing) -> tuple[Any, ...]:
    settings = standing.settings
    if settings is None:
        return (1, str(standing.folder))
    return (0, settings.env, settings.lambda_, settings.seed, str(standing.folder))


def _state(
    folder: Path,
    recorded: dict[str, Any],
    row: dict[str, float],
    locks: Collection[tuple[int, int]],
) -> tuple[str, str]:
    """The state and its note. A `running` in status.json holds only while its process is alive."""
    state, holder = recorded.get("state"), _printable(lock.holder(folder, locks))
    process = f"pid {_printable(recorded.get('pid'))} on {_printable(recorded.get('host'))}"
    if state == "done":
        return "done", ""
    if holder:
        return "running", holder
    if state in FINAL:
        cause = str(recorded.get("cause") or "").partition("\n")[0]
        return state, _printable(cause.replace(f"{folder}/", "").rstrip(": "))
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
        return {name: float(values[key]) for key, name in names.items() if values[key] is not None}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _cells(standing: Standing) -> dict[str, str]:
    settings, row = standing.settings, standing.row
    score, entropy = result(standing)
    steps, speed = row.get("env_steps", 0.0), row.get("env_steps_per_second", 0.0)
    steps = steps if math.isfinite(steps) else 0.0
    seconds = row.get("elapsed_seconds", 0.0)  # over interruptions, with all that isn't updates
    pace = steps / seconds if 0 < seconds < math.inf else speed
    total = settings.trained_steps if settings else 0
    goes = standing.state == "running" and 0 < min(speed, pace) < math.inf and steps < total
    return {
        "game": settings.env if settings else _printable(standing.folder),
        "lambda": plain(settings.lambda_) if settings else "",
        "seed": str(settings.seed) if settings else "",
        "state": _shown_state(standing),
        "progress": _progress(steps, total) if settings else "",
        "steps/s": f"{speed:,.0f}" if goes else "",
        "ETA": _duration((total - steps) / pace) if goes else "",
        "score": score,
        "attention entropy": entropy,
        "note": standing.note,
    }


def _progress(steps: float, total: int) -> str:
    part = f"{short_number(steps)} of " if steps < total else ""
    return f"{part}{short_number(total)}  {100 * steps // total:3.0f}%"


def _details(failed: Sequence[Standing], room: int, shown: int = 10) -> Iterator[str]:
    """Where failed runs left their output, and the causes that the table had to cut."""
    for number, standing in enumerate(failed[:shown]):
        yield from ["", "more about what failed:"] if number == 0 else []
        log = standing.folder / "output.log"
        yield f"  {_printable(log if log.exists() else standing.folder / 'status.json')}"
        yield from [f"    {standing.note}"] if len(standing.note) > room else []
    if len(failed) > shown:
        yield f"  and {len(failed) - shown} more"


def _line(cells: dict[str, str], width: dict[str, int], state: str) -> str:
    padded = {n: (str.ljust if n in LEFT else str.rjust)(cells[n], width[n]) for n in width}
    if state in COLOURS and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        padded["state"] = f"\x1b[{COLOURS[state]}m{padded['state']}\x1b[0m"
    return "  ".join(padded.values()).rstrip()


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"


def _printable(text: object) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(text))


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else fixed(value, digits)


if __name__ == "__main__":
    process.finish(main)
