"""Measures random play: `python -m analysis.random_play [GAME ...] [--out FILE]`.

Actions are uniform over the game's minimal set, games whole, scores raw, as in an evaluation under
the same protocol. attn_ppo/atari/random_play.csv is what it gave; by it scores are normalised.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import argparse
import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.groups import STUDY_GAMES
from analysis.outputs import file_of
from analysis.playing import check_writable, exit_code, names_of
from attn_ppo.arguments import Parser, whole
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.games import rom_id
from attn_ppo.atari.reference_scores import PROTOCOLS, RANDOM_FILE
from attn_ppo.config import ProtocolSettings
from attn_ppo.errors import ConfigError, ExitCode
from attn_ppo.lifecycle.disk import write_atomically
from attn_ppo.schema import Range

EPISODES, SEEDS = Range(2, 4_096), Range(0, 2**32 - 1)
STREAM = 2**32 - 2  # training and evaluation count theirs up from 0, recordings have 2**32 - 1


def scores(game: str, protocol: ProtocolSettings, *, episodes: int, seed: int) -> np.ndarray:
    """(episodes,) raw scores of one whole game in each of `episodes` environments.

    One game each, rather than the first that finish, or short games would count too often.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, STREAM]))
    found = np.full(episodes, np.nan)
    envs = AtariEnvs(game, num_envs=episodes, seed=seed, protocol=protocol, stream=STREAM)
    bar = tqdm(total=episodes, desc=game, unit="game", disable=None)
    with contextlib.closing(envs), bar:
        envs.reset()
        while np.isnan(found).any():
            for ended in envs.step(rng.integers(envs.num_actions, size=episodes)).episodes:
                if np.isnan(found[ended.env_index]):
                    found[ended.env_index] = ended.episode_return
                    bar.update()
    return found


def measure(game: str, protocol: str, *, episodes: int, seed: int) -> dict[str, Any]:
    """A row of random_play.csv: mean, SD (n - 1) and SE of the mean over `games` games."""
    played = scores(game, PROTOCOLS[protocol], episodes=episodes, seed=seed)
    sd = played.std(ddof=1)
    return {
        "env": game,
        "protocol": protocol,
        "games": episodes,
        "seed": seed,
        "score_mean": played.mean(),
        "score_sd": sd,
        "score_se": sd / math.sqrt(episodes),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a row a game and protocol, and puts them into --out; returns the exit code."""
    return exit_code(lambda: _measure_all(_options(arguments)), "the table")


def _measure_all(options: argparse.Namespace) -> int:
    for game in options.games:
        for protocol in options.protocol:
            row = measure(game, protocol, episodes=options.episodes, seed=options.seed)
            print(pd.DataFrame([row]).to_string(index=False, float_format="%.4g"), flush=True)
            if options.out:
                _put(options.out, row)
    if options.out:
        print("look at", f"  {options.out}", sep="\n")
    return ExitCode.DONE


def _put(path: Path, row: dict[str, Any]) -> None:
    """Adds a row to a table, in place of the one of the same game and protocol."""
    before = pd.read_csv(path).to_dict("records") if path.exists() else []
    rows = {(old["env"], old["protocol"]): old for old in before} | {
        (row["env"], row["protocol"]): row
    }
    table = pd.DataFrame([rows[key] for key in sorted(rows)])
    write_atomically(path, table.to_csv(index=False, float_format="%.6g"))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser("analysis.random_play", __doc__, "Breakout Pong --episodes 32")
    parser.add_argument("games", nargs="*", metavar="GAME", help="default: the study's six")
    parser.add_argument("--episodes", default="128", help=f"of each game, {EPISODES}; %(default)s")
    both = ",".join(PROTOCOLS)
    parser.add_argument("--protocol", default=both, help="one or both of %(default)s; both")
    parser.add_argument("--seed", default="0", help="of games and actions; %(default)s")
    parser.add_argument("--out", type=Path, help="a CSV to put the rows into; default: none")
    options = parser.checked(arguments)
    options.games = options.games or list(STUDY_GAMES)
    for game in options.games:
        rom_id(game)
    options.episodes = whole("--episodes", options.episodes, EPISODES)
    options.protocol = names_of("--protocol", options.protocol, PROTOCOLS)
    options.seed = whole("--seed", options.seed, SEEDS)
    if options.out:
        options.out = file_of(options.out, RANDOM_FILE)
        check_writable("--out", options.out)
        if options.out.exists() and "score_se" not in options.out.read_text(errors="replace"):
            raise ConfigError("--out", options.out, "a new file, or one that this command made")
    return options


if __name__ == "__main__":
    process.finish(main)
