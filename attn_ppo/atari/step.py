"""What one step of a vector environment returns."""

from typing import NamedTuple

import numpy as np


class Episode(NamedTuple):
    """A finished whole game: raw score, and length in agent steps."""

    env_index: int
    episode_return: float
    episode_length: int


class Step(NamedTuple):
    """What one action in each environment led to, with two kinds of ending.

    A terminated episode is worth nothing from here on; a truncated one would have gone on, so the
    learner bootstraps from `final_obs`. Both are set where the time limit falls on the step that
    lost a life; `terminated` then decides. `obs` already shows the next game where one ended.
    """

    obs: np.ndarray  # (N, 4, 84, 84) uint8, newest frame last, a fresh buffer every step
    rewards: np.ndarray  # (N,) float32, raw: clipping is the learner's
    terminated: np.ndarray  # (N,) bool, game over, or a lost life where the protocol says so
    truncated: np.ndarray  # (N,) bool, time limit
    final_obs: np.ndarray | None  # as obs, but before the reset; valid only where truncated
    episodes: list[Episode]  # whole games that finished at this step
    executed: np.ndarray  # (N,) int64, the actions that were pressed: FIRE after a lost life
