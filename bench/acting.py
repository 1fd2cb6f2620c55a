"""Measures the choice of actions: `python -m bench.acting` prints milliseconds by observations.

The study's network with random weights and games that have begun. The network as it trains and
the frozen actor of a rollout take turns, so that a drift of the machine's speed affects both alike.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from attn_ppo import config, sections
from attn_ppo.arguments import Parser
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute import kernels
from attn_ppo.compute.actor import frozen
from attn_ppo.errors import ConfigError, report
from attn_ppo.model import ActorCritic
from attn_ppo.rollout import act
from attn_ppo.schema import Range, check_whole
from bench.ours import settings_of

OBSERVATIONS = (1, 4, 8)
STEPS = 50  # before the observations: pictures of games, whose first are mostly empty


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.acting", __doc__, "--repeats 100")
    add = parser.add_argument
    add("--repeats", type=int, default=300, help="of each; default: 300")
    add("--gate", choices=sections.GATES, default="softmax", help="default: softmax")
    options = parser.parse_args(arguments)
    try:
        repeats = check_whole("--repeats", options.repeats, Range(1, 10_000))
    except ConfigError as error:
        return report(error)
    print(f"ms, {torch.get_num_threads()} threads, medians of {repeats}: model, frozen, ratio")
    obs = observations(max(OBSERVATIONS))
    for count in OBSERVATIONS:
        model, actor = (median(taken) for taken in measure(options.gate, obs[:count], repeats))
        print(f"{count} observations{model:10.3f}{actor:8.3f}{model / actor:6.2f}")
    return 0


def measure(gate: str, obs: Tensor, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each repeat, by the model and by its frozen actor."""
    settings = config.AttentionSettings(gate=gate, maps=2, hidden=512)
    model = ActorCritic(4, settings, Generator().manual_seed(0), layers=kernels)
    actor, noise = frozen(model), torch.ones(len(obs), 4)
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(repeats + 1):
        for milliseconds, chooser in zip(taken, (model, actor), strict=True):
            milliseconds.append(_milliseconds(chooser, obs, noise))
    return taken[0][1:], taken[1][1:]


def observations(count: int) -> Tensor:
    """(count, 4, 84, 84) uint8, of Breakout played at random."""
    settings, rng = settings_of("env=Breakout"), np.random.default_rng(0)
    envs = AtariEnvs("Breakout", num_envs=count, seed=0, protocol=settings.protocol, num_threads=1)
    envs.reset()
    for _ in range(STEPS):
        step = envs.step(rng.integers(envs.num_actions, size=count))
    envs.close()
    return torch.from_numpy(step.obs.copy())


@torch.no_grad()
def _milliseconds(chooser: Callable[..., Any], obs: Tensor, noise: Tensor) -> float:
    began = time.perf_counter()
    act(chooser, obs, noise)
    return 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    process.finish(main)
