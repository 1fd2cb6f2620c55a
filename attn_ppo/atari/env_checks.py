"""Checks of what AtariEnvs is given: ale-py's C++ would take anything, and crash or hang."""

from numbers import Real
from typing import Any

import numpy as np

from attn_ppo.config import ProtocolSettings
from attn_ppo.errors import ConfigError
from attn_ppo.schema import Range, check_whole

RANGES = {
    "num_envs": Range(1, 4_096),
    "seed": Range(0, 2**32 - 1),
    "stream": Range(0, 2**32 - 1),
    "max_frames": Range(1, 10**9),
    "num_threads": Range(0, 4_096),
    "anchor_steps": Range(1, 1_000_000),
}
SHARE, NOOPS = Range(0, 1), Range(0, 1_000)


def check_arguments(protocol: ProtocolSettings, **numbers: int) -> None:
    """Raises ConfigError for a value of the protocol, or a number by key, outside its range."""
    for key, value in numbers.items():
        check_whole(key, value, RANGES[key])
    check_whole("protocol.noop_max", protocol.noop_max, NOOPS)
    share: Any = protocol.sticky_actions
    is_number = isinstance(share, Real) and not isinstance(share, bool)
    if not is_number or float(share) not in SHARE:  # nan is in no range
        raise ConfigError("protocol.sticky_actions", share, f"a number {SHARE}")
    for key in ("life_loss_ends_episode", "press_fire"):
        if not isinstance(getattr(protocol, key), bool):
            raise ConfigError(f"protocol.{key}", getattr(protocol, key), "true or false")


def checked_actions(actions: Any, num_envs: int, num_actions: int) -> np.ndarray:
    """A copy (N,) as int64. Raises ConfigError if one is not among the game's actions."""
    actions = np.asarray(actions)
    if actions.shape != (num_envs,) or actions.dtype.kind not in "iu":
        shown = f"{actions.dtype} of shape {actions.shape}"
        raise ConfigError("actions", shown, f"integers of shape {(num_envs,)}")
    wrong = actions[(actions < 0) | (actions >= num_actions)]
    if wrong.size:
        raise ConfigError("actions", wrong[0], f"from 0 to {num_actions - 1}")
    return actions.astype(np.int64)
