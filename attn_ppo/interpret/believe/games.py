"""Whole games, one in each environment: those of training, or changed ones in plain emulators.

play -> (N,) scores · PlainGames, with a Change.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from attn_ppo.atari.envs import FIRE, AtariEnvs
from attn_ppo.atari.games import action_names
from attn_ppo.atari.score_wrap import mended
from attn_ppo.atari.step import Episode, Step
from attn_ppo.config import FRAMES_PER_STEP, ProtocolSettings
from attn_ppo.interpret.play.screens import Paint, Poke, Screens
from attn_ppo.model import sample

STREAM = 2**32 - 3  # of the games' seeds; random play has 2**32 - 2, recordings 2**32 - 1
MAX_FRAMES = 108_000  # of a game, the default of AtariEnvs
MOVES = ("NOOP", "UP", "RIGHT", "LEFT", "DOWN")
HELD = 4  # frames of a move
# (B, 4, 84, 84) uint8 observations of the environments (B,) -> (B, A) log-probabilities
Policy = Callable[[Tensor, np.ndarray], Tensor]


class Games(Protocol):
    """N games stepped together, `AtariEnvs` or `PlainGames`."""

    num_envs: int

    def reset(self) -> np.ndarray: ...

    def step(self, actions: np.ndarray) -> Step: ...


class Change(NamedTuple):
    """How a game differs from the one that the agent knows."""

    name: str
    about: str  # what is changed, and by what
    poke: Callable[[], Poke] | None = None  # a new one for each game, as some remember
    paint: Paint | None = None  # of the picture that the network gets
    protocol: Mapping[str, float] = {}  # settings of the protocol
    moves: int = 0  # emulator frames of random MOVES before FIRE and the no-ops of the reset


UNCHANGED = Change("unchanged", "the game as the agent knows it")


@torch.no_grad()
def play(
    games: Games, policy: Policy, *, seed: int, on_game: Callable[[], object] = lambda: None
) -> np.ndarray:
    """(N,) raw scores of the first whole game in each environment, actions sampled from `policy`.

    Equal seeds draw equal random numbers for a game and step, whatever is played: two policies, or
    two changes, are compared on matched games. `on_game` is called after each of them.
    """
    rng = torch.Generator().manual_seed(seed)
    scores = np.full(games.num_envs, np.nan)
    obs = games.reset()
    while np.isnan(scores).any():
        rows = np.flatnonzero(np.isnan(scores))
        log_probs = policy(torch.from_numpy(obs[rows]), rows)
        noise = torch.empty(len(scores), log_probs.shape[1]).exponential_(generator=rng)
        actions = np.zeros(len(scores), np.int64)
        actions[rows] = sample(log_probs, noise[rows]).numpy()
        step = games.step(actions)
        obs = step.obs
        for game in step.episodes:
            if np.isnan(scores[game.env_index]):
                scores[game.env_index] = game.episode_return
                on_game()
    return scores


class PlainGames:
    """One game in each of N plain emulators, with the seeds and no-ops of `AtariEnvs`.

    Unchanged, the same presses lead to the same rewards; the observations differ by 1 at most, from
    rounding. A game that is over stays as it is.
    """

    def __init__(
        self,
        game: str,
        *,
        num_envs: int,
        seed: int,
        protocol: ProtocolSettings,
        change: Change = UNCHANGED,
        max_frames: int = MAX_FRAMES,
    ):
        self.num_envs, self.seeds = num_envs, _beginnings(game, num_envs, seed, protocol)
        self._game, self._change = game, change
        self._max_steps = -(-max_frames // FRAMES_PER_STEP)
        self._press_fire = protocol.press_fire and action_names(game)[1:2] == ("FIRE",)
        played = replace(protocol, **change.protocol)
        self._screens = [Screens(game, played, change.paint) for _ in range(num_envs)]

    def reset(self) -> np.ndarray:
        """The first observations, (N, 4, 84, 84) uint8."""
        count, change = self.num_envs, self._change
        self._pokes = [change.poke() if change.poke else None for _ in range(count)]
        self._obs = np.zeros((count, 4, 84, 84), np.uint8)
        for screens, (seed, frames), obs in zip(self._screens, self.seeds, self._obs, strict=True):
            screens.begin(seed, frames, self._moves(seed))
            obs[-1] = screens.frame
        self._playing, self._fire_next = np.ones(count, np.bool_), np.zeros(count, np.bool_)
        self._returns, self._lengths = np.zeros(count), np.zeros(count, np.int64)
        return self._obs

    def _moves(self, seed: int) -> list[int]:
        names = action_names(self._game)
        allowed = [names.index(name) for name in MOVES if name in names]
        drawn = np.random.default_rng(seed).choice(allowed, -(-self._change.moves // HELD))
        return np.repeat(drawn, HELD)[: self._change.moves].tolist()

    def step(self, actions: np.ndarray) -> Step:
        """One step of every game that isn't over; FIRE after a lost life, as `AtariEnvs` does."""
        pressed = np.where(self._fire_next, FIRE, actions)
        rewards, over = np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_)
        obs = np.roll(self._obs, -1, axis=1)
        for i in np.flatnonzero(self._playing):
            screens, lives = self._screens[i], self._screens[i].lives
            screens.step(int(pressed[i]), self._pokes[i])
            obs[i, -1], rewards[i], over[i] = screens.frame, screens.reward, screens.over
            self._fire_next[i] = self._press_fire and screens.lives < lives
        rewards = mended(rewards, self._game)
        self._obs = obs
        self._returns += rewards
        self._lengths += self._playing
        truncated = self._playing & ~over & (self._lengths >= self._max_steps)
        self._playing &= ~(over | truncated)
        return Step(
            obs=obs,
            rewards=rewards.astype(np.float32),
            terminated=over,
            truncated=truncated,
            final_obs=obs if truncated.any() else None,
            episodes=[
                Episode(int(i), float(self._returns[i]), int(self._lengths[i]))
                for i in np.flatnonzero(over | truncated)
            ],
            executed=pressed,
        )


@lru_cache
def _beginnings(
    game: str, num_envs: int, seed: int, protocol: ProtocolSettings
) -> list[tuple[int, int]]:
    """Each game's emulator seed, and the frames that `AtariEnvs` plays at its reset."""
    envs = AtariEnvs(
        game, num_envs=num_envs, seed=seed, protocol=protocol, num_threads=1, stream=STREAM
    )
    envs.reset()
    found = [(s, int(f)) for s, f in zip(envs.seeds, envs.game_frames, strict=True)]
    envs.close()
    return found
