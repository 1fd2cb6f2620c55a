"""The runs between two looks: each cell's next seeds, and others in place of those that fail."""

import dataclasses
import itertools
import json
import math
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from attn_ppo import status
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode
from attn_ppo.formats import plain
from attn_ppo.launch.command_line import CommandLine
from attn_ppo.launch.decided.design import Design, name_of
from attn_ppo.launch.decided.judge import Look, spent
from attn_ppo.launch.watch import Watch
from attn_ppo.launch.worker import this_worker
from attn_ppo.lifecycle import plan, process
from attn_ppo.lifecycle.run_dir import check_identity, is_done, read_status

MOST_FAILED = 3  # runs of a cell before one look: then no more are begun
OURS = ("env", "lambda", "seed", "until", "budget")  # keys whose values each round has anew

# Runs what isn't done of some runs, which the command line is made for; nothing in these folders.
Launch = Callable[[CommandLine, Sequence[RunConfig], Set[Path]], object]


class Found(NamedTuple):
    """What the next look has of the cells that are whole, and the cells that failed too often."""

    look: Look
    given_up: set[str]


class Round:
    """The runs that lead to the next look."""

    def __init__(
        self, asked: CommandLine, design: Design, looks: Sequence[Look], cells: Sequence[str]
    ):
        self._asked, self._design, self._looks, self._cells = asked, design, looks, list(cells)
        self._taken = {name: _seeds_of(looks, name) for name in cells}
        self._failed: dict[str, list[int]] = {name: [] for name in cells}
        self._given_up: set[str] = set()

    def complete(self, launch: Launch) -> Found | ExitCode:
        """What is found once every cell is whole or given up; an exit code if it was stopped."""
        while todo := [run for run in self._runs() if score(run) is None]:
            count, number = len(todo), len(self._looks) + 1
            before = {run.folder: read_status(run.folder).get("heartbeat") for run in todo}
            print(f"before look {number}: {count} run{'s' * (count != 1)}", flush=True)
            plan.record(process.command(), [*runs_of(self._design, self._looks), *self._runs()])
            with Watch(todo).follow():
                launch(*self._for_engine(todo))
            if this_worker().interrupted():
                return ExitCode.PREEMPTED
            failed = [run for run in todo if _failed_since(run, before[run.folder])]
            if not failed and all(score(run) is None for run in todo):
                return _why(todo)
            self._replace(failed)
        scores = {name: {str(c.seed): score(c) for c in self._of(name)} for name in self._cells}
        failed = {name: self._failed[name] for name in self._cells if self._failed[name]}
        return Found({"scores": scores, "failed": failed}, self._given_up)

    def _replace(self, failed: Sequence[RunConfig]) -> None:
        """Notes runs that failed: others follow, unless too many did or the budget is too small."""
        for run in failed:
            self._failed[name_of(run)].append(run.seed)
        self._given_up |= {n for n, seeds in self._failed.items() if len(seeds) >= MOST_FAILED}
        self._cells = [name for name in self._cells if name not in self._given_up]
        left = self._design.budget - spent(self._looks)
        while sum(self._design.seeds + len(self._failed[name]) for name in self._cells) > left:
            last = max(i for i, name in enumerate(self._cells) if self._failed[name])
            del self._cells[last]

    def _runs(self) -> list[RunConfig]:
        """Those that are needed, done or not."""
        return [run for name in self._cells for run in self._of(name)]

    def _of(self, name: str) -> list[RunConfig]:
        """A cell's: its first seeds that no look has and that didn't fail."""
        settings, gone = self._design.cells[name], {*self._taken[name], *self._failed[name]}
        free = (seed for seed in itertools.count(settings.seed) if seed not in gone)
        chosen = itertools.islice(free, self._design.seeds)
        return [dataclasses.replace(settings, seed=seed) for seed in chosen]

    def _for_engine(
        self, todo: Sequence[RunConfig]
    ) -> tuple[CommandLine, Sequence[RunConfig], Set[Path]]:
        """The command line of a grid that has these runs, and the folders of what else it has."""
        games, lambdas, seeds = (
            list(dict.fromkeys(values))
            for values in zip(*((c.env, c.lambda_, c.seed) for c in todo), strict=True)
        )
        grid = [
            dataclasses.replace(cell, seed=seed).folder
            for cell in self._design.cells.values()
            for seed in seeds
            if cell.env in games and cell.lambda_ in lambdas
        ]
        given = [t for t in self._asked.overrides if t.partition("=")[0] not in OURS]
        ours = [
            f"env={','.join(games)}",
            f"lambda={','.join(map(plain, lambdas))}",
            f"seed={','.join(map(str, seeds))}",
            "until=null",
            "budget=null",
        ]
        asked = dataclasses.replace(self._asked, overrides=[*given, *ours], configs=list(todo))
        return asked, todo, set(grid) - {c.folder for c in todo}


def score(run: RunConfig) -> float | None:
    """The mean score of a run's evaluation; None unless it is done and has one.

    Raises ConfigError where its folder has a run of other settings.
    """
    check_identity(run.folder, run)
    if not is_done(run):
        return None
    try:
        found = float(json.loads((run.folder / "evaluation.json").read_text())["score_mean"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if math.isfinite(found) else None


def runs_of(design: Design, looks: Sequence[Look]) -> list[RunConfig]:
    """The runs that the looks are of."""
    pairs = [
        (name, int(seed)) for look in looks for name, s in look["scores"].items() for seed in s
    ]
    return [dataclasses.replace(design.cells[name], seed=seed) for name, seed in pairs]


def _seeds_of(looks: Sequence[Look], name: str) -> set[int]:
    """A cell's seeds that looks have, those that failed too."""
    parts = [look[part].get(name, ()) for look in looks for part in ("scores", "failed")]
    return {int(seed) for seeds in parts for seed in seeds}


def _failed_since(run: RunConfig, before: Any) -> bool:
    """Whether a run has ended without a score since its status said `before`."""
    said = read_status(run.folder)
    new = said.get("heartbeat") != before
    return new and (said.get("state") == "failed" or (is_done(run) and score(run) is None))


def _why(left: Sequence[RunConfig]) -> ExitCode:
    """The exit code for runs of which none went on, though nothing failed."""
    states = {s.state for s in status.look((c.folder, c) for c in left)}
    if "preempted" in states:
        return ExitCode.PREEMPTED
    return ExitCode.BUSY if "running" in states else ExitCode.RUN_FAILED
