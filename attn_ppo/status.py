"""`python -m attn_ppo.status [FOLDER ...]`: a table of the state of runs, read from their folders.

Works at any time, wherever the runs are, and takes no lock. A run's settings are read from its
config.yaml, never from its path.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import math
import os
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_ppo import config
from attn_ppo.arguments import Parser
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.folders import nearest_folder
from attn_ppo.formats import fixed, plain, printable, short_number
from attn_ppo.learning.bands import of_human, others
from attn_ppo.lifecycle import decision, plan
from attn_ppo.lifecycle.plan import Planned
from attn_ppo.lifecycle.run_dir import FINAL, find_runs, sweep_of
from attn_ppo.lifecycle.standing import Standing, look
from attn_ppo.variants import apart, letter, rank

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
MOST_KEYS = 3  # of settings, with columns of their own
MEASURED = ("lift", "agreement")  # by `make believe`
RIGHT = ("lambda", "seed", "progress", "steps/s", "ETA", "score", "attention entropy", *MEASURED)
OPTIONAL = ("steps/s", "ETA", *MEASURED, "note")  # columns shown only if some run has a value


def main(argv: Sequence[str]) -> int:
    """Prints the table of the runs at or below the folders; returns the exit code."""
    parser = Parser("attn_ppo.status", ABOUT, "runs/demo")
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="a run, or a folder with runs below it; by default where runs go, runs/",
    )
    sweeps: dict[Path, dict[Path, Planned | None]] = {}
    commands: dict[str, set[Path]] = {}
    for root in parser.parse_args(argv).folders or [config.default_root()]:
        found: dict[Path, Planned | None] = dict.fromkeys(find_runs(root))
        for command, is_here, runs in plan.find(root):
            found = {**runs, **found}
            if is_here:
                commands.setdefault(command, set()).update(runs)
        if not found:
            why = "there are none" if root.is_dir() else "no such folder"
            why = "it is a file" if root.is_file() else why
            print(f"error: no runs in {printable(root)}: {why}", file=sys.stderr)
            print("allowed: a folder with runs at or below it: runs/<name>", file=sys.stderr)
            if near := nearest_folder(root, config.default_root()):
                print(f"nearest: {printable(near)}", file=sys.stderr)
            return ExitCode.BAD_INPUT
        for folder, planned in found.items():
            sweep = sweep_of(folder)
            sweep = sweep if sweep.is_relative_to(root) else root
            sweeps.setdefault(sweep, {})[folder] = planned
    every: list[Standing] = []
    for sweep, of_sweep in sweeps.items():
        standings = _ordered(look(of_sweep.items()))
        every += standings
        print(f"{printable(sweep)}\n{table(standings)}\n{_decisions(sweep)}")
    print(summary(every, commands))
    return ExitCode.RUN_FAILED if any(s.state in BAD for s in every) else ExitCode.DONE


def table(standings: Sequence[Standing]) -> str:
    """A line per run, then where those that failed left their output.

    Up to three keys of the settings that tell the runs apart have columns; more are told below.
    """
    rows = [_cells(standing) for standing in standings]
    told, below = _apart(standings), []
    if len(told[0]) > MOST_KEYS:
        told, below = _lettered(told)
    told = [{printable(k): printable(value) for k, value in each.items()} for each in told]
    rows = [{"game": row["game"]} | its | row for row, its in zip(rows, told, strict=True)]
    names = [n for n in rows[0] if n not in OPTIONAL or any(row[n] for row in rows)]
    width = {n: max(len(n), *(len(row[n]) for row in rows)) for n in names}
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    rest = sum(width[n] + 2 for n in names if n != "note")
    room = max(38, columns - rest)
    lines = [_line({n: n for n in names}, width, "")]
    for row in rows:
        note = row["note"] if len(row["note"]) <= room else row["note"][: room - 3] + "..."
        lines.append(_line({n: row[n] for n in names} | {"note": note}, width, row["state"]))
    failed = _details([s for s in standings if s.state in BAD], room)
    return "\n".join([*lines, *below, *_others(standings), *_flagged(standings), *failed])


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
            lines.append(f"to continue: {printable(command)}")
    if left.difference(*(commands or {}).values()):
        lines.append("to continue, run the command that began it again")
    return "\n".join(lines)


def _decisions(sweep: Path) -> str:
    """What a sweep with `until=decided` has decided so far, if it is one."""
    try:
        said = decision.read(sweep)
        return f"\n{decision.table(said)}\n" if said else ""
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        return f"\n{decision.NAME} can't be read: {type(error).__name__}\n"


def result(standing: Standing) -> tuple[str, str, str]:
    """Score, attention entropy (nats), `38% of human` or "", of the evaluation if there is one."""
    score, entropy = (standing.row.get(key) for key in ("episode_return", "attention_entropy"))
    settings, human = standing.settings, ""
    if score is not None and isinstance(settings, RunConfig):
        human = of_human(score, settings)
    return _number(score, 1), _number(entropy, 2), human


def _shown_state(standing: Standing) -> str:
    """The state, with what a run that has made all its steps is still running for."""
    steps, settings = standing.row.get("env_steps", 0.0), standing.settings
    trained = settings is not None and steps >= settings.trained_steps
    return "evaluating" if standing.state == "running" and trained else standing.state


def _ordered(standings: Sequence[Standing]) -> list[Standing]:
    """By game, settings, lambda and seed; at the end those that can't be read."""
    told = dict(zip(map(id, standings), _apart(standings), strict=True))

    def order(standing: Standing) -> tuple[Any, ...]:
        settings, folder = standing.settings, str(standing.folder)
        if settings is None:
            return (1, folder)
        variant = [rank(value) for value in told[id(standing)].values()]
        return (0, settings.env, variant, settings.lambda_, settings.seed, folder)

    return sorted(standings, key=order)


def _apart(standings: Sequence[Standing]) -> list[dict[str, str]]:
    """By key, the settings that tell the runs apart; empty texts where they can't be read."""
    told = apart([s.settings for s in standings if s.settings])
    nothing = dict.fromkeys(told[0] if told else {}, "")
    found = iter(told)
    return [next(found) if s.settings else nothing for s in standings]


def _lettered(told: Sequence[dict[str, str]]) -> tuple[list[dict[str, str]], list[str]]:
    """A letter for each combination of settings, for a column, and lines that say what it is."""
    texts = [" ".join(f"{key}={value}" for key, value in each.items()) for each in told]
    letters = {text: letter(number) for number, text in enumerate(dict.fromkeys(texts))}
    lines = ["", *(f"settings {its}: {printable(text)}" for text, its in letters.items())]
    return [{"settings": letters[text]} for text in texts], lines


def _cells(standing: Standing) -> dict[str, str]:
    settings, row = standing.settings, standing.row
    score, entropy, human = result(standing)
    steps, speed = row.get("env_steps", 0.0), row.get("env_steps_per_second", 0.0)
    steps = steps if math.isfinite(steps) else 0.0
    seconds = row.get("elapsed_seconds", 0.0)  # over interruptions, with all that isn't updates
    pace = steps / seconds if 0 < seconds < math.inf else speed
    total = settings.trained_steps if settings else 0
    goes = standing.state == "running" and 0 < min(speed, pace) < math.inf and steps < total
    return {
        "game": printable(settings.env if settings else standing.folder),
        "lambda": plain(settings.lambda_) if settings else "",
        "seed": str(settings.seed) if settings else "",
        "state": _shown_state(standing),
        "progress": _progress(steps, total) if settings else "",
        "steps/s": f"{speed:,.0f}" if goes else "",
        "ETA": _duration((total - steps) / pace) if goes else "",
        "score": f"{score} {human.removesuffix(' of human')}".rstrip(),
        "attention entropy": entropy,
        "lift": _number(row["lift"], 1) if "lift" in row else "",
        "agreement": _number(row["agreement"], 2) if "agreement" in row else "",
        "note": "; ".join(filter(None, [*(flag.kind for flag in standing.flags), standing.note])),
    }


def _progress(steps: float, total: int) -> str:
    part = f"{short_number(steps)} of " if steps < total else ""
    return f"{part}{short_number(total)}  {100 * steps // total:3.0f}%"


def _others(standings: Sequence[Standing]) -> Iterator[str]:
    """What the scores are held against: a line on the scale, and of each game what others had."""
    if any(result(standing)[2] for standing in standings):
        yield "score: raw, and how far it is from random play, 0%, to a human, 100%"
    known = [
        (each.settings, each.row.get("env_steps", 0.0))
        for each in standings
        if isinstance(each.settings, RunConfig)
    ]
    yield from others([(settings, steps) for settings, steps in known if steps < math.inf])


def _flagged(standings: Sequence[Standing], shown: int = 10) -> Iterator[str]:
    """What looks wrong, with the likely reason."""
    flagged = [(standing, flag) for standing in standings for flag in standing.flags]
    yield from ["", "what looks wrong:"] if flagged else []
    for standing, flag in flagged[:shown]:
        yield f"  {printable(getattr(standing.settings, 'label', ''))}: {flag}"
    if len(flagged) > shown:
        yield f"  and {len(flagged) - shown} more"


def _details(failed: Sequence[Standing], room: int, shown: int = 10) -> Iterator[str]:
    """Where failed runs left their output, and the causes that the table had to cut."""
    for number, standing in enumerate(failed[:shown]):
        yield from ["", "more about what failed:"] if number == 0 else []
        log = standing.folder / "output.log"
        yield f"  {printable(log if log.exists() else standing.folder / 'status.json')}"
        yield from [f"    {standing.note}"] if len(standing.note) > room else []
    if len(failed) > shown:
        yield f"  and {len(failed) - shown} more"


def _line(cells: dict[str, str], width: dict[str, int], state: str) -> str:
    padded = {n: (str.rjust if n in RIGHT else str.ljust)(cells[n], width[n]) for n in width}
    if state in COLOURS and sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        padded["state"] = f"\x1b[{COLOURS[state]}m{padded['state']}\x1b[0m"
    return "  ".join(padded.values()).rstrip()


def _duration(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else fixed(value, digits)


if __name__ == "__main__":
    process.finish(main)
