"""What the commands that let agents play share: options, choice of agents, exit codes."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from analysis.groups import group
from analysis.runs import Problem, Run
from attn_ppo import arguments
from attn_ppo.arguments import whole
from attn_ppo.errors import ConfigError, ExitCode, RunError, report
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.record import POLICIES, SEEDS, STEPS
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.schema import check_choice
from attn_ppo.variants import short, variants_of

FIRST = 10  # steps by which the rest is measured
MOST_AGENTS = 6  # side by side


class Parser(arguments.Parser):
    """A parser with the options of playing and explaining."""

    def __init__(self, module: str, description: str | None, example: str):
        super().__init__(module, description, example)
        add = self.add_argument
        add(
            "--steps",
            default="200",
            help=f"agent steps to play, 15 a second, {STEPS}; default: 200",
        )
        add("--games", help=f"whole games to play, in place of --steps, {STEPS}")
        add("--policy", default="stochastic", help=f"{' or '.join(POLICIES)}; default: stochastic")
        add("--seed", default="0", help="seed of the games that are played; default: 0")
        add(
            "--agent-seed",
            help="seed of the training; default: the first of each lambda and settings",
        )
        methods = ", ".join(METHODS)
        add("--methods", default=",".join(METHODS), help=f"of saliency; default: all, {methods}")
        targets = ", ".join(TARGETS)
        add(
            "--target",
            default="log_prob",
            help=f"what is explained, of {targets}; default: log_prob",
        )
        hidden = argparse.SUPPRESS
        add("--score", dest="target", default=hidden, help=hidden)  # former name

    def options(self, given: Sequence[str] | None) -> argparse.Namespace:
        """The command line, its options checked. Raises ConfigError."""
        options = self.checked(given)
        options.steps = whole("--steps", options.steps, STEPS)
        if options.games is not None:
            options.games = whole("--games", options.games, STEPS)
        options.seed = whole("--seed", options.seed, SEEDS)
        if options.agent_seed is not None:
            options.agent_seed = whole("--agent-seed", options.agent_seed, SEEDS)
        options.methods = names_of("--methods", options.methods, METHODS)
        names_of("--policy", options.policy, POLICIES)
        names_of("--target", options.target, TARGETS)
        return options


class TimeLeft:
    """Says how long `total` steps will take, once called for the first ten of them."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic):
        self._total, self._clock, self._began, self._done = total, clock, clock(), 0

    def __call__(self) -> None:
        self._done += 1
        if self._done == FIRST < self._total:
            seconds = (self._clock() - self._began) / FIRST * (self._total - FIRST)
            minutes = round(seconds / 60)
            about = f"{minutes} minutes" if minutes > 1 else f"{max(round(seconds, -1), 10):.0f} s"
            with tqdm.external_write_mode():  # above the bar
                print(f"  about {about} to go", flush=True)


def exit_code(work: Callable[[], int], writing: str) -> int:
    """What `work` returns, or the code of its error, which is printed in at most three lines.

    SIGTERM ends `work` as Ctrl-C does, so that it removes partial files. It has one thread, see
    `maps_of_steps`.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work()
    except KeyboardInterrupt:
        print("stopped; to continue, run the same command again", file=sys.stderr)
        return ExitCode.PREEMPTED
    except (ConfigError, RunError) as error:
        return report(error)
    except OSError as error:
        print(f"error: can't read the runs or write {writing}: {error}", file=sys.stderr)
        return ExitCode.DISK
    finally:
        signal.signal(signal.SIGTERM, before)
        torch.set_num_threads(threads)


def check_writable(key: str, path: Path) -> None:
    """Raises ConfigError where no file or folder `path` can be made, so that no work is lost."""
    whole_path = path.absolute()
    there = next(folder for folder in (whole_path, *whole_path.parents) if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there.parent if there.is_file() else there).close()
    except OSError as error:
        wrong = f"can't be written ({there}: {error.strerror})"
        raise ConfigError(key, path, "a path where one can write", wrong=wrong) from None


def play_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of playing, as keyword arguments of `recorded`."""
    return {name: getattr(options, name) for name in ("steps", "games", "policy", "seed")}


def names_of(key: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    """The names in `text`, separated by commas, each once. Raises ConfigError for unknown ones."""
    return tuple(check_choice(key, name, known) for name in dict.fromkeys(text.split(",")))


def by_game(runs: Sequence[Run], seed: int | None) -> dict[str, list[list[Run]]]:
    """Game -> for each of its settings and lambdas the runs by seed, with `seed` only that seed's.

    Games are in the figures' order. Raises ConfigError where no run has that seed.
    """
    seeds = sorted({run.config.seed for run in runs})
    if seed is not None and seed not in seeds:
        allowed = f"a seed of these runs: {', '.join(map(str, seeds))}"
        raise ConfigError("--agent-seed", seed, allowed)
    games: dict[str, list[list[Run]]] = {}
    for key, members in group(run for run in runs if seed in (None, run.config.seed)).items():
        games.setdefault(key.game, []).append(members)
    return games


def side_by_side(
    game: str, agents: Sequence[Sequence[Run]], folder: Path, seed: int | None
) -> Sequence[Sequence[Run]]:
    """Those of `by_game` that are shown together, MOST_AGENTS; tells what is left out."""
    others = sum(len(runs) - 1 for runs in agents)
    if seed is None and others:
        what = f"{game}: one seed of each lambda and settings, without {others}"
        print(Problem("note", folder, f"{what} more; --agent-seed chooses"))
    if len(agents) > MOST_AGENTS:
        what = f"{game}: the first {MOST_AGENTS} of {len(agents)} lambdas and settings"
        print(Problem("note", folder, f"{what}; for others give a folder below"))
    return agents[:MOST_AGENTS]


def told_apart(agents: Sequence[OpenAgent], recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings with the settings that tell their agents apart, of a single one its axes."""
    texts = [variant.short for variant in variants_of([agent.settings for agent in agents])]
    texts = texts if len(agents) > 1 else [short(agents[0].settings.axes)]
    return [
        replace(recording, about=replace(recording.about, settings=text))
        for recording, text in zip(recordings, texts, strict=True)
    ]


def is_run(folder: Path) -> bool:
    """Whether a folder is one run's, rather than one of many."""
    return (folder / "config.yaml").exists()
