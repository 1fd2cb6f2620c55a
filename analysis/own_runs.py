"""Puts runs into the band of our own: `python -m analysis.own_runs FOLDER ... [--out FILE]`.

Of the runs at or below the folders those at lambda 0 with the study's settings count, the protocol
aside; of each game, protocol, total_steps and seed the one that got furthest. The table gets their
scores, means of the last 100 games, at the steps of a grid and at their first and last update with
a score. Rows of other runs in it stay: the command can be run again with other folders.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.groups import interpolate, known_range
from analysis.outputs import file_of
from analysis.playing import check_writable, exit_code
from analysis.runs import Run, read_runs
from attn_ppo.arguments import Parser
from attn_ppo.atari.reference_scores import protocol_name
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.learning.bands import OWN_FILE
from attn_ppo.learning.study import has_the_study_s_settings
from attn_ppo.lifecycle.disk import write_atomically

THOUSANDS = (10, 20, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750)
MILLIONS = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 10)
GRID = [*(1_000 * k for k in THOUSANDS), *(int(1_000_000 * m) for m in MILLIONS)]  # agent steps
RUN = ["env", "protocol", "total_steps", "seed"]  # which has settings and lambda in common
COLUMNS = [*RUN, "env_steps", "score"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Says which runs were taken, and where their rows are; returns the exit code."""
    return exit_code(lambda: _put_all(_options(arguments)), "the table")


def rows_of(run: Run) -> list[dict[str, Any]]:
    """The run's rows, by steps; none of a run that doesn't count."""
    protocol, range_ = protocol_name(run.config.protocol), known_range(run)
    counts = run.config.lambda_ == 0 and protocol and has_the_study_s_settings(run.config)
    if not counts or range_ is None:
        return []
    first, last = range_
    steps = sorted({int(first), int(last), *(s for s in GRID if first < s < last)})
    own = (run.config.env, protocol, run.config.total_steps, run.config.seed)
    scores = interpolate(run, np.array(steps, dtype=float)).tolist()
    return [
        dict(zip(COLUMNS, (*own, *point), strict=True)) for point in zip(steps, scores, strict=True)
    ]


def _put_all(options: argparse.Namespace) -> int:
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in pd.read_csv(options.out).to_dict("records") if options.out.exists() else []:
        rows.setdefault(_key(row), []).append(row)
    for folder in options.folders:
        for run in read_runs(folder)[0]:
            own = rows_of(run)
            before = rows.get(_key(own[0]), [{"env_steps": 0}]) if own else []
            if own and own[-1]["env_steps"] >= before[-1]["env_steps"]:
                rows[_key(own[0])] = own
                print(f"{run.folder}: {run.env_steps:,} of {run.config.total_steps:,} steps")
    table = pd.DataFrame([row for key in sorted(rows) for row in rows[key]], columns=COLUMNS)
    write_atomically(options.out, table.to_csv(index=False, float_format="%.6g"))
    print("look at", f"  {options.out}", sep="\n")
    return ExitCode.DONE


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in RUN)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.own_runs", __doc__, "runs/study")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="with runs")
    add = parser.add_argument
    add("--out", type=Path, default=OWN_FILE, help="the CSV; default: the one that training reads")
    options = parser.checked(arguments)
    options.out = file_of(options.out, OWN_FILE)
    check_writable("--out", options.out)
    if options.out.exists():
        first = options.out.read_text(errors="replace").partition("\n")[0]
        if first != ",".join(COLUMNS):
            raise ConfigError("--out", options.out, "a new file, or one that this command made")
    return options


if __name__ == "__main__":
    process.finish(main)
