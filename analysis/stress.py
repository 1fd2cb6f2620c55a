"""Changed games, played by a sweep's agents: `python -m analysis.stress [runs/<name>] [options]`.

Each agent plays whole games as it knows them, and the same games changed in ways that would cost a
person nothing: another start, actions that stick, objects in other colours, an enemy less, a slower
ball. Writes to figures/ of the sweep: stress.csv, with the score of every game, stress_table.csv,
stress.md and stress.png, with what the changes cost for each lambda. Run again, it plays only what
isn't in stress.csv yet.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.figures import summary
from analysis.groups import averaged
from analysis.outputs import folder_of
from analysis.panels import save
from analysis.playing import by_game, check_writable, exit_code
from analysis.runs import CURVES, Problem, Run, newest_root, read_runs
from analysis.sources import folder_with_agents
from analysis.stress_report import (
    Played,
    draw_stress,
    losses,
    stress_table,
    table_lines,
    table_markdown,
)
from attn_ppo.arguments import Parser, whole
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.formats import fixed
from attn_ppo.interpret.believe.games import UNCHANGED, Change
from attn_ppo.interpret.believe.stress import changes_of, stressed
from attn_ppo.interpret.network import OpenAgent, open_agent
from attn_ppo.interpret.play.record import SEEDS
from attn_ppo.lifecycle.disk import write_atomically
from attn_ppo.schema import Range

GAMES = Range(2, 256)
KEY = ["weights", "change", "games_seed", "games"]  # what a row of stress.csv is found by
COLUMNS = ["env", "lambda", "settings", "seed", *KEY, "game", "score"]


class Task(NamedTuple):
    """Games that are played together."""

    run: Run
    agent: OpenAgent
    change: Change


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays, prints the table and where the files are; returns the exit code."""
    return exit_code(lambda: _stress_a_sweep(_options(arguments)), "the scores")


def _stress_a_sweep(options: argparse.Namespace) -> int:
    root = folder_with_agents(options.root or newest_root(), "play with")
    runs, problems = read_runs(root, CURVES)
    print(summary(root, runs, problems), flush=True)
    out = folder_of(options.out, root / "figures")
    check_writable("--out", out)
    agents = _agents(runs, options.agent_seed)
    if not agents:
        print("error: no agent could be loaded, see above", file=sys.stderr, flush=True)
        return ExitCode.BAD_INPUT
    tasks = [
        Task(run, agent, change)
        for run, agent in agents
        for change in (UNCHANGED, *changes_of(agent.settings.env, agent.settings.protocol))
    ]
    path = out / "stress.csv"
    played = Scores(path, games=options.games, seed=options.seed)
    _play_all([task for task in tasks if played.of(task) is None], played)
    found = losses([Played(t.run, t.change.name, played.known(t)) for t in tasks])
    print(*table_lines(found), sep="\n")
    table, page = out / "stress_table.csv", out / "stress.md"
    write_atomically(table, stress_table(found).to_csv(index=False, float_format="%.6g"))
    write_atomically(page, table_markdown(found))
    written = save(draw_stress([run for run, _ in agents], found), out / "stress")
    print("look at", *(f"  {each}" for each in (path, table, page, *written)), sep="\n")
    return ExitCode.DONE


class Scores:
    """The scores in stress.csv, by agent and change; other agents' rows stay."""

    def __init__(self, path: Path, *, games: int, seed: int):
        """Raises ConfigError where the file is another one."""
        self._path, self.games, self.seed = path, games, seed
        self._rows: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        if not path.exists():
            return
        try:
            table = pd.read_csv(path, dtype={"settings": str}, keep_default_na=False)
            rows = table.loc[:, COLUMNS].astype({"score": float}).to_dict("records")
        except (ValueError, KeyError) as error:  # pandas' errors are ValueErrors
            reason = f"isn't one of ours ({str(error).splitlines()[0]})"
            raise ConfigError(
                "", path, "no such file, or one of this command", wrong=reason
            ) from None
        for row in rows:
            self._rows.setdefault(tuple(row[name] for name in KEY), []).append(row)

    def of(self, task: Task) -> np.ndarray | None:
        """(games,) scores; None where they haven't been played."""
        rows = self._rows.get(self._key(task))
        return None if rows is None else np.array([row["score"] for row in rows])

    def known(self, task: Task) -> np.ndarray:
        """(games,) scores of what has been played."""
        scores = self.of(task)
        assert scores is not None
        return scores

    def put(self, task: Task, scores: np.ndarray) -> None:
        """Adds scores (games,), and writes the file."""
        run, key = task.run, self._key(task)
        about = (run.config.env, run.config.lambda_, run.variant.name, run.config.seed)
        self._rows[key] = [
            dict(zip(COLUMNS, (*about, *key, game, float(score)), strict=True))
            for game, score in enumerate(scores)
        ]
        every = pd.DataFrame([row for rows in self._rows.values() for row in rows])
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, every.to_csv(index=False, float_format="%.8g"))

    def _key(self, task: Task) -> tuple[Any, ...]:
        return task.agent.weights, task.change.name, self.seed, self.games


def _agents(runs: Sequence[Run], seed: int | None) -> list[tuple[Run, OpenAgent]]:
    """The finished runs that can be loaded, all of a group without a finished one."""
    agents = []
    for groups in by_game(runs, seed).values():
        for run in [run for members in groups for run in averaged(members)]:
            try:
                agents.append((run, open_agent(run.folder)))
            except (ConfigError, RunError, OSError) as error:
                print(Problem("skipped", run.folder, str(error).removeprefix("error: ")))
    return agents


def _play_all(tasks: Sequence[Task], played: Scores) -> None:
    """Plays the tasks, each kept at once; a bar on a terminal, else lines with the time left."""
    began = time.monotonic()
    with tqdm(total=len(tasks) * played.games, unit="game", smoothing=0, disable=None) as bar:
        for number, task in enumerate(tasks, 1):
            bar.set_description(f"{task.run.label}, {task.change.name}")
            scores = stressed(
                task.agent, task.change, games=played.games, seed=played.seed, on_game=bar.update
            )
            played.put(task, scores)
            line = f"{task.run.label}, {task.change.name}: {fixed(float(scores.mean()), 1)}"
            if bar.disable:
                line += _time_left(number, len(tasks), time.monotonic() - began)
            with tqdm.external_write_mode():  # above the bar
                print(line, flush=True)


def _time_left(done: int, total: int, seconds: float) -> str:
    """`  (3 of 24, about 5 minutes to go)`."""
    left = seconds / done * (total - done)
    about = f"{fixed(left / 60, 0)} minutes" if left > 90 else f"{fixed(left, 0)} s"
    return f"  ({done} of {total}{f', about {about} to go' * (done < total)})"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.stress", __doc__, "runs/demo --games 20")
    parser.add_argument(
        "root", nargs="?", type=Path, metavar="FOLDER", help="default: the newest folder in runs/"
    )
    parser.add_argument("--out", type=Path, help="default: figures/ in FOLDER")
    parser.add_argument("--games", default="10", help=f"with each change, {GAMES}; %(default)s")
    parser.add_argument("--seed", default="0", help="of the games and presses; %(default)s")
    parser.add_argument("--agent-seed", help="seed of the training; default: all")
    options = parser.checked(arguments)
    options.games = whole("--games", options.games, GAMES)
    options.seed = whole("--seed", options.seed, SEEDS)
    if options.agent_seed is not None:
        options.agent_seed = whole("--agent-seed", options.agent_seed, SEEDS)
    return options


if __name__ == "__main__":
    process.finish(main)
