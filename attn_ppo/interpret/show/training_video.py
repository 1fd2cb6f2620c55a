"""A video of the agent during its training, which it does not affect."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from attn_ppo.config import RunConfig
from attn_ppo.interpret.network import OpenAgent, opened_copy, weights_digest
from attn_ppo.interpret.play.record import record
from attn_ppo.interpret.show import mp4
from attn_ppo.interpret.show.video import compare
from attn_ppo.model import ActorCritic

STEPS = 300  # 20 seconds of play


def film(
    model: ActorCritic,
    settings: RunConfig,
    path: Path,
    *,
    env_steps: int,
    alive: Callable[[], None],
) -> None:
    """Writes a video of 300 steps of the agent's play to `path`, always from the same seed.

    The game, the random number generator and the network are its own: those of the training are
    left as they are. `alive` is called at each step and frame, and may raise to stop the work.
    Errors of playing, drawing and writing are raised.
    """
    agent = OpenAgent(settings, opened_copy(model), env_steps, weights_digest(model))
    recording = record(agent, steps=STEPS, seed=0, on_step=alive)
    mp4.write(path, _while_alive(compare([recording]), alive), quiet=True)


def _while_alive(frames: Iterator[np.ndarray], alive: Callable[[], None]) -> Iterator[np.ndarray]:
    for frame in frames:
        alive()
        yield frame
