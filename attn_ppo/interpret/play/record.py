"""Records games that an agent plays: `record`; `recorded` reuses one kept in the run's folder."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.formats import plain
from attn_ppo.interpret.network import OpenAgent, Seen, see
from attn_ppo.interpret.play.recording import About, Recording, load, save
from attn_ppo.interpret.play.screens import Screens
from attn_ppo.model import sample
from attn_ppo.regularizers import map_entropies
from attn_ppo.schema import Range, check_choice, check_whole

POLICIES = ("stochastic", "greedy")
STREAM = 2**32 - 1  # of the games' seeds: training and evaluation count theirs up from 0
STEPS, SEEDS = Range(1, 100_000), Range(0, 2**32 - 1)


@torch.no_grad()
def record(
    agent: OpenAgent,
    *,
    steps: int = 300,
    games: int | None = None,
    policy: str = "stochastic",
    seed: int = 0,
    on_step: Callable[[], object] | None = None,
) -> Recording:
    """A recording of `steps` steps, or, where `games` is given, of that many whole games.

    Each game has a seed of its own; a lost life does not end it; rewards are raw. Equal arguments
    give an equal recording. Raises ConfigError before anything is played. `on_step` is called
    after each step, in place of a progress bar.
    """
    _check(steps, games, policy, seed)
    settings = agent.settings
    envs = _emulator(settings, seed)
    screens = Screens(settings.env, settings.protocol)
    choose = partial(_choose, policy=policy, rng=torch.Generator().manual_seed(seed))
    rows, game = [], 0
    bar = tqdm(
        total=games or steps,
        desc=f"recording {settings.label}",
        unit="game" if games else "step",
        disable=True if on_step else None,
    )
    with bar, closing(envs):
        for row, finished in _played(agent, envs, screens, choose):
            rows.append(row)
            game += finished
            bar.update(finished if games else 1)
            if on_step:
                on_step()
            if game == games if games else len(rows) == steps:
                break
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    return Recording(_about(agent, envs.action_names, policy, seed), screens.palette, *columns)


def recorded(
    folder: Path,
    agent: OpenAgent,
    *,
    steps: int = 300,
    games: int | None = None,
    policy: str = "stochastic",
    seed: int = 0,
) -> Recording:
    """The recording kept in the run's folder, recordings/<policy>-seed=<seed>-<length>.npz.

    Where there is none, or one of other weights, or one that can't be read, a new one is made.
    """
    length = f"steps={steps}" if games is None else f"games={games}"
    _check(steps, games, policy, seed)
    path = folder / "recordings" / f"{policy}-seed={seed}-{length}.npz"
    if path.exists():
        try:
            kept = load(path)
            if kept.about.weights == agent.weights:
                return kept
        except ConfigError as error:
            print(f"warning: recording anew, {str(error).splitlines()[-1]}", flush=True)
    print(f"recording {agent.settings.label}", flush=True)
    recording = record(agent, steps=steps, games=games, policy=policy, seed=seed)
    save(path, recording)
    return recording


class _Row(NamedTuple):
    """One step, in the order of Recording's arrays."""

    screen: np.ndarray
    frame: np.ndarray
    game: np.int32
    action: np.uint8
    executed: np.uint8
    reward: np.float32
    lives: np.uint8
    log_probs: np.ndarray
    value: np.ndarray
    attention: np.ndarray
    entropy: np.ndarray


def _emulator(settings: RunConfig, seed: int) -> AtariEnvs:
    """One game at a time, each with a seed of its own."""
    return AtariEnvs(
        settings.env,
        num_envs=1,
        seed=seed,
        protocol=settings.protocol,
        num_threads=1,
        stream=STREAM,
        anchor_steps=1,
    )


def _played(
    agent: OpenAgent, envs: AtariEnvs, screens: Screens, choose: Callable[[Seen], int]
) -> Iterator[tuple[_Row, int]]:
    """Each step of game after game, and how many games it finished, 0 or 1."""
    obs, game, begun = envs.reset(), 0, False
    while True:
        if not begun:
            screens.begin(envs.latest_seeds[0], int(envs.game_frames[0]))
        screens.check_same_game(obs[0, -1])
        seen = see(agent.model, torch.from_numpy(obs))
        action = choose(seen)
        step = envs.step(np.array([action]))
        executed = int(step.executed[0])
        row = _row(obs, screens, game, action, executed, step.rewards[0], seen)
        obs, begun = step.obs, not step.episodes
        if begun:
            screens.step(executed)
        game += len(step.episodes)
        yield row, len(step.episodes)


def _row(
    obs: np.ndarray,
    screens: Screens,
    game: int,
    action: int,
    executed: int,
    reward: np.float32,
    seen: Seen,
) -> _Row:
    return _Row(
        screens.screen,
        obs[0, -1].copy(),
        np.int32(game),
        np.uint8(action),
        np.uint8(executed),
        reward,
        np.uint8(screens.lives),
        seen.log_probs[0].numpy(),
        seen.value[0].numpy(),
        seen.attention[0].numpy(),
        map_entropies(seen.attention)[0].numpy(),
    )


def _choose(seen: Seen, policy: str, rng: torch.Generator) -> int:
    """An action sampled from the policy, or its most likely one."""
    log_probs: Tensor = seen.log_probs
    if policy == "greedy":
        return int(log_probs.argmax(-1))
    noise = torch.empty_like(log_probs).exponential_(generator=rng)
    return int(sample(log_probs, noise))


def _about(agent: OpenAgent, action_names: tuple[str, ...], policy: str, seed: int) -> About:
    settings = agent.settings
    return About(
        game=settings.env,
        name=settings.name,
        lambda_=plain(settings.lambda_),
        seed=settings.seed,
        env_steps=agent.env_steps,
        weights=agent.weights,
        gate=settings.attention.gate,
        policy=policy,
        recording_seed=seed,
        action_names=action_names,
    )


def _check(steps: int, games: int | None, policy: str, seed: int) -> None:
    check_whole("steps", steps, STEPS)
    if games is not None:
        check_whole("games", games, STEPS)
    check_whole("seed", seed, SEEDS)
    check_choice("policy", policy, POLICIES)
