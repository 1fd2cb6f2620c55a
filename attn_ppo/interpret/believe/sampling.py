"""Which steps of a recording are examined: a rule, so that no one picks them."""

import numpy as np

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.believe.replay import can_branch
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.schema import Range, check_whole


def sample_steps(recording: Recording, count: int, *, seed: int) -> np.ndarray:
    """(S,) rising, `count` of the steps that `can_branch` allows, or all if there are fewer.

    They are evenly spaced, with a random offset that the seed determines. Raises ConfigError where
    no step is allowed.
    """
    allowed = np.flatnonzero(can_branch(recording))
    if not len(allowed):
        raise ConfigError("steps", len(recording), "5 steps or more of one game")
    check_whole("count", count, Range(1, 100_000))
    count = min(count, len(allowed))
    offset = np.random.default_rng(seed).random()
    return allowed[((offset + np.arange(count)) * len(allowed) / count).astype(int)]
