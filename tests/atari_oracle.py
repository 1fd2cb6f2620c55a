"""One Atari game built from the wrappers that the field uses, to hold the C++ environments against.

gymnasium's single environment, AtariPreprocessing, TimeLimit and FrameStackObservation make the
pixels, rewards and time limit; Stable-Baselines3's EpisodicLifeEnv says what a lost life is, its
FireResetEnv which games are started by FIRE. Only the presses at a reset are ours: those of C++.
"""

from typing import Any, NamedTuple

import ale_py
import cv2
import gymnasium
import numpy as np
from gymnasium.wrappers import (
    AtariPreprocessing,
    FrameStackObservation,
    RecordEpisodeStatistics,
    TimeLimit,
)
from numpy.random import MT19937
from stable_baselines3.common.atari_wrappers import EpisodicLifeEnv, FireResetEnv

gymnasium.register_envs(ale_py)
cv2.setNumThreads(0)  # its threads cost more than these small pictures gain

UNLIMITED = 10**9


class OracleStep(NamedTuple):
    """What one step showed, before any reset."""

    obs: np.ndarray
    reward: float
    terminated: bool
    truncated: bool
    life_done: bool  # what EpisodicLifeEnv reports
    episode: tuple[float, int] | None  # RecordEpisodeStatistics' return and length


class BootPresses(gymnasium.Wrapper):
    """FIRE for one frame, then no-ops, their number drawn as C++ draws it."""

    def __init__(self, env: gymnasium.Env, *, seed: int, noop_max: int, fire: bool):
        super().__init__(env)
        self.noop_max = max(noop_max, 1)
        self.fire = fire
        # std::mt19937's seeding and libstdc++'s uniform_int_distribution over 0..noop_max - 1.
        self.bits = MT19937()
        self.bits._legacy_seeding(seed)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        result = self.env.reset(**kwargs)
        drawn = (int(self.bits.random_raw()) * self.noop_max) >> 32
        ale = self.env.unwrapped.ale  # pyright: ignore[reportAttributeAccessIssue]
        for action in [ale_py.Action.FIRE] * self.fire + [ale_py.Action.NOOP] * (drawn - self.fire):
            ale.act(action)
        assert not ale.game_over()
        return result


class Oracle:
    """One environment; `reset` is only called when the game itself ended."""

    def __init__(
        self,
        game: str,
        seed: int,
        *,
        noop_max: int,
        press_fire: bool,
        sticky_actions: float = 0.0,
        max_steps: int = UNLIMITED,
    ):
        env = single_env(game, sticky_actions)
        self.fire = press_fire and is_fire_game(env)
        ale = env.unwrapped.ale  # pyright: ignore[reportAttributeAccessIssue]
        ale.setInt("random_seed", seed)
        env.unwrapped.load_game()  # pyright: ignore[reportAttributeAccessIssue]
        env = BootPresses(env, seed=seed, noop_max=noop_max, fire=self.fire)
        env = AtariPreprocessing(env, noop_max=0)
        env = RecordEpisodeStatistics(TimeLimit(env, max_steps))
        self.env = EpisodicLifeEnv(FrameStackObservation(env, 4, padding_type="zero"))

    def reset(self) -> np.ndarray:
        return self.env.reset()[0]

    def step(self, action: int) -> OracleStep:
        obs, reward, life_done, truncated, info = self.env.step(action)
        game_over = self.env.unwrapped.ale.game_over()  # pyright: ignore
        stats = info.get("episode")
        episode = (float(stats["r"]), int(stats["l"])) if stats else None
        return OracleStep(obs, float(reward), game_over, truncated, life_done, episode)


def single_env(game: str, sticky_actions: float = 0.0) -> gymnasium.Env:
    """The plain game, frame by frame, without a time limit."""
    return gymnasium.make(
        f"ALE/{game}-v5",
        obs_type="grayscale",  # cheaper than colour; AtariPreprocessing asks for its own screens
        frameskip=1,
        repeat_action_probability=sticky_actions,
        max_num_frames_per_episode=None,
        disable_env_checker=True,
    )


def is_fire_game(env: gymnasium.Env) -> bool:
    """Whether Stable-Baselines3's FireResetEnv accepts the game."""
    try:
        FireResetEnv(env)
    except AssertionError:
        return False
    return True
