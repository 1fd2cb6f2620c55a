"""Writes a sweep that nobody trained: `python tests/synthetic.py FOLDER --seeds 15`.

Its folders are laid out as a real sweep's are. Learning curves are plausible, and what is true of
them is known: `kept(game, lambda)` is the share of the score at lambda 0, over random play, that is
left at a lambda. The same arguments write the same bytes.
"""

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import yaml
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent.parent))

from attn_ppo import config
from attn_ppo.config import FRAMES_PER_STEP, RunConfig
from attn_ppo.lifecycle.run_dir import EPISODES, METRICS

CONF = Path(config.__file__).parent.parent / "conf"
LAMBDAS = (0, 0.0005, 0.001, 0.002, 0.003, 0.005)
NUM_ENVS, BATCH = 8, 1_024
UNIFORM = 2 * np.log(49)  # nats, of two even maps
RECENT_GAMES = 100  # whose mean is a row's score


class Game(NamedTuple):
    """What is true of a game: raw scores of random play and at lambda 0, and what lambda costs."""

    random: float
    trained: float
    half: float  # the lambda that costs half of what lies between
    steps: float  # agent steps that it takes


GAMES = {
    "BeamRider": Game(371, 2_800, 0.02, 1_500),
    "Breakout": Game(1.4, 131, 0.004, 700),
    "MsPacman": Game(244, 2_147, 0.008, 700),
    "Frostbite": Game(73, 275, 0.05, 450),
    "Enduro": Game(0, 930, 0.003, 3_300),
    "Seaquest": Game(81, 851, 0.012, 900),
}
# What may be the matter with a run, besides nothing.
UNFINISHED, TORN, FAILED, TWICE, STUCK = "unfinished", "torn", "failed", "twice", "stuck"
CUT_SHORT = (UNFINISHED, TORN, FAILED)


def kept(game: str, lambda_: float) -> float:
    """The true share of the score, over random play, that is left at a lambda; 1 at lambda 0."""
    return 1 / (1 + (lambda_ / GAMES[game].half) ** 2)


def write_sweep(
    folder: Path,
    *,
    games: int = 6,
    lambdas: int = 6,
    seeds: int = 15,
    updates: int = 10_000,
    others: int = 0,
    spread: float = 0.1,
    seed: int = 0,
    progress: bool = False,
    **amiss: int,
) -> list[Path]:
    """Writes games x lambdas x seeds runs of so many updates into a new folder; returns theirs.

    `amiss` says with how many runs something is the matter, by what that is: `unfinished` (still
    running), `torn` (and killed within a line), `failed`, `twice` (some updates are written twice)
    and `stuck` (finished, no better than random play, its policy certain). `others` more runs have
    another `ppo.ent_coef`, on a level of their own. Single seeds have `spread` as SD around the
    mean, as a share of it.
    """
    root = _settings(folder, updates)
    plan = [
        dataclasses.replace(root, env=game, lambda_=float(lambda_), seed=number)
        for game in list(GAMES)[:games]
        for lambda_ in LAMBDAS[:lambdas]
        for number in range(seeds)
    ]
    order = iter(np.random.default_rng(seed).permutation(len(plan)))
    matter = {int(next(order)): what for what, count in amiss.items() for _ in range(count)}
    ppo = dataclasses.replace(root.ppo, ent_coef=0.02)
    apart = [
        dataclasses.replace(run, ppo=ppo, axes=("ppo.ent_coef=0.02",)) for run in plan[:others]
    ]
    every = [*((run, matter.get(i, "")) for i, run in enumerate(plan)), *((r, "") for r in apart)]
    for number, (settings, what) in enumerate(tqdm(every, unit="run", disable=not progress)):
        rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
        _write_run(settings, what, spread, rng)
    return [settings.folder for settings, _ in every]


def _settings(folder: Path, updates: int) -> RunConfig:
    """The study's settings, of a run in the sweep `folder`."""
    values = yaml.load((CONF / "config.yaml").read_text(), config._Loader)
    for group, option in (("ppo", "study"), ("regularizer", "entropy"), ("protocol", "baselines")):
        values[group] = yaml.safe_load((CONF / group / f"{option}.yaml").read_text())
    values = {key: value for key, value in values.items() if key not in ("defaults", "hydra")}
    values["ppo"]["learning_rate"] = 2.5e-4  # text to YAML
    values |= {"name": folder.name, "root": str(folder.absolute().parent)}
    return config.from_dict(values | {"total_steps": updates * BATCH})


def _write_run(settings: RunConfig, what: str, spread: float, rng: np.random.Generator) -> None:
    game, updates = GAMES[settings.env], settings.num_updates
    gain = kept(settings.env, settings.lambda_) * (1 + spread * rng.standard_normal())
    gain *= what != STUCK
    done = int(rng.uniform(0.2, 0.8) * updates) + 1 if what in CUT_SHORT else updates
    games = _games(game, gain, settings.trained_steps, rng)
    games = games[:, games[0] <= done * BATCH]
    rows = _rows(settings, what, games, done, rng)
    folder = settings.folder
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.to_yaml(settings))
    _write_table(folder / "episodes.csv", dict(zip(EPISODES, games, strict=True)))
    _write_table(folder / "metrics.csv", {name: rows[name] for name in METRICS if name in rows})
    if what == TORN:
        path = folder / "metrics.csv"
        path.write_bytes(path.read_bytes()[:-30])
    entropy = float(np.mean(rows["attention_entropy"][-10:]))
    facts = {"env_steps": done * BATCH, "score": float(games[2][-20:].mean())}
    if what in CUT_SHORT:
        cause = f"policy_loss is nan at update {done + 1}" if what == FAILED else None
        state = "failed" if what == FAILED else "running"
    else:
        state, cause = "done", None
        _write_evaluation(folder, settings, games[2][-RECENT_GAMES:], entropy, rng)
    status = {"cause": cause, "total_steps": settings.total_steps, "device": "cpu", "threads": 1}
    status |= {"inexact_resumes": [], "state": state, "heartbeat": "2026-01-01T00:00:00+00:00"}
    (folder / "status.json").write_text(json.dumps(status | facts, indent=2) + "\n")


def _games(game: Game, gain: float, steps: int, rng: np.random.Generator) -> np.ndarray:
    """(4, G) columns of episodes.csv: agent steps, environment, score and length of each game."""
    count = int(steps / game.steps * 1.2) + 20
    lengths = np.maximum(rng.gamma(8, game.steps / 8, count), 20).astype(int)
    gaps = rng.exponential(game.steps, count)
    ends = np.ceil((np.cumsum(gaps) + game.steps) / NUM_ENVS) * NUM_ENVS
    inside = ends <= steps
    ends, lengths = ends[inside], lengths[inside]
    midway = rng.uniform(0.1, 0.3)  # where half is learnt, in shares of the steps
    learnt = 1 / (1 + (midway / np.maximum(ends / steps, 1e-9)) ** 2) * (1 + midway**2)
    mean = game.random + (game.trained - game.random) * gain * learnt
    scores = np.round(rng.gamma(6, np.maximum(mean, 0.05) / 6))
    return np.stack([ends, rng.integers(0, NUM_ENVS, len(ends)), scores, lengths])


def _rows(
    settings: RunConfig, what: str, games: np.ndarray, done: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The columns of metrics.csv, (updates,) each; scores are those of the games, as in a run."""
    number = np.arange(1, done + 1)
    share = number / settings.num_updates
    ended = np.searchsorted(games[0], number * BATCH, side="right")
    scores, lengths = (_recent_means(values, ended) for values in games[2:4])
    # Nats at the end.
    sharp = 0.3 + 3.2 / (1 + settings.lambda_ / 0.0008)
    entropy = sharp + (UNIFORM - sharp) * np.exp(-share / 0.05)
    policy = 0.4 + 1.4 * np.exp(-share / 0.3) if what != STUCK else np.exp(-share / 0.002) * 1.4
    wobble = rng.standard_normal((8, done))
    rows = {
        "update": number,
        "env_steps": number * BATCH,
        "frames": number * BATCH * FRAMES_PER_STEP,
        "episode_return": scores,
        "episode_length": lengths,
        "attention_entropy": np.minimum(entropy * (1 + 0.03 * wobble[0]), UNIFORM),
        "policy_entropy": policy * (1 + 0.05 * wobble[1]),
        "policy_loss": 0.002 * wobble[2] - 0.005,
        "value_loss": 0.05 * np.exp(0.3 * wobble[3]),
        "approx_kl": 0.004 * np.exp(0.3 * wobble[4]),
        "clip_fraction": np.clip(0.1 + 0.02 * wobble[5], 0, 1),
        "explained_variance": 1 - np.exp(-share / 0.1) * 0.9 + 0.02 * wobble[6],
        "grad_norm": 0.5 * np.exp(0.2 * wobble[7]),
        "learning_rate": settings.ppo.learning_rate * (1 - (number - 1) / settings.num_updates),
        "env_steps_per_second": 1_000 + 20 * wobble[0],
        "elapsed_seconds": number * 1.024,
        "inexact_resumes": np.zeros(done, dtype=int),
        "lambda": np.full(done, settings.lambda_),
        "regularization": entropy,
        "map_overlap": 0.2 + 0.02 * wobble[1],
        "map_movement": (0.3 + 0.02 * wobble[2]) if what != STUCK else 0.001 * wobble[2] ** 2,
    }
    if what == TWICE:  # it was resumed from a checkpoint a third of the way back
        at = np.r_[0 : 2 * done // 3, done // 3 : done]
        rows = {name: values[at] for name, values in rows.items()}
    return rows


def _recent_means(values: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Of the last games when so many had `ended`, (updates,); nan before one has finished."""
    first = np.maximum(ended - RECENT_GAMES, 0)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    with np.errstate(invalid="ignore"):
        return (sums[ended] - sums[first]) / (ended - first)


def _write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """A CSV with up to nine decimals."""
    table = pa.table({name: np.round(values, 9) for name, values in columns.items()})
    with open(path, "wb") as file:
        file.write(",".join(columns).encode() + b"\n")
        pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False))


def _write_evaluation(
    folder: Path, settings: RunConfig, last: np.ndarray, entropy: float, rng: np.random.Generator
) -> None:
    """evaluation.json, of games that score as the last ones in training did."""
    scores = rng.choice(last, settings.evaluation.episodes)
    maps = settings.attention.maps
    values = {
        "episodes": len(scores),
        "score_mean": float(scores.mean()),
        "score_std": float(scores.std(ddof=1)),
        "attention_entropy": entropy,
        "attention_entropy_per_map": [entropy / maps] * maps,
        "scores": scores.tolist(),
        "env_steps": settings.trained_steps,
    }
    (folder / "evaluation.json").write_text(json.dumps(values, indent=2) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder; --force replaces one")
    parser.add_argument("--force", action="store_true")
    defaults = {"games": 6, "lambdas": 6, "seeds": 15, "updates": 10_000, "others": 0, "seed": 0}
    defaults |= dict.fromkeys((UNFINISHED, TORN, FAILED, TWICE, STUCK), 0)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    parser.add_argument("--spread", type=float, default=0.1, help="of seeds; default: 0.1")
    options = vars(parser.parse_args(arguments))
    folder, force = options.pop("folder"), options.pop("force")
    if folder.exists() and not force:
        parser.error(f"{folder} is there already; --force replaces it")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(write_sweep(folder, **options, progress=True))} runs in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
