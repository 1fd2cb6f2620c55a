"""Atari environments as tests make them, and a random player of theirs."""

from typing import Any

import numpy as np

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.step import Step
from attn_ppo.config import ProtocolSettings

BASELINES = ProtocolSettings(
    sticky_actions=0.0, noop_max=30, life_loss_ends_episode=True, press_fire=True
)
MACHADO = ProtocolSettings(
    sticky_actions=0.25, noop_max=0, life_loss_ends_episode=False, press_fire=False
)
FIRE = 1


def make(game: Any = "Breakout", num_envs: int = 1, seed: int = 0, **kwargs: Any) -> AtariEnvs:
    return AtariEnvs(
        game,
        **{"num_envs": num_envs, "seed": seed, "protocol": BASELINES, "num_threads": 1} | kwargs,
    )


def play(env: AtariEnvs, num_steps: int, seed: int = 0) -> tuple[np.ndarray, list[Step]]:
    """The first observation and the steps of a random player."""
    rng = np.random.default_rng(seed)
    first = env.reset()
    size = (num_steps, env.num_envs)
    actions = rng.integers(0, env.num_actions, size)
    return first, [env.step(action) for action in actions]
