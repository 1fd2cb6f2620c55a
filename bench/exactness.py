"""Measures rounding: `python -m bench.exactness [RUN ...]` holds gradients against float64's.

For a fresh agent, the agents of run folders, and each of them with its attention driven to single
cells (its scores times 100): a rollout is played, and each of its minibatches goes through the
loss by our kernels, by PyTorch's operators, and by these in float64. The last line is the median
over all minibatches of the agents as they are.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attn_ppo.agent import load_agent, restored
from attn_ppo.arguments import Parser
from attn_ppo.compute import kernels, layers
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, RunError, report
from attn_ppo.model import ActorCritic
from attn_ppo.ppo import Minibatch, gae, ppo_loss
from attn_ppo.rollout import Rollout
from bench.ours import Ours, settings_of

SHARPER = 100.0
SHARP = ", sharp"


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = Parser("bench.exactness", __doc__, "runs/a/Breakout/lambda=0.0005/seed=0")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="a run's folder")
    options = parser.parse_args(arguments)
    print("length of the gradients' error over that of float64's: median (max) of the minibatches")
    print(f"{'agent':40}{'kernels':>22}{'PyTorch':>22}{'ratio':>8}")
    ratios: list[float] = []
    try:
        for name, settings, model in agents(options.runs):
            ours, theirs = zip(*errors(settings, model), strict=True)
            if not name.endswith(SHARP):
                ratios += [mine / peers for mine, peers in zip(ours, theirs, strict=True)]
            ratio = _spread(ours)[0] / _spread(theirs)[0]
            cells = ["{:.1e} ({:.1e})".format(*_spread(each)) for each in (ours, theirs)]
            print(f"{name:40}{cells[0]:>22}{cells[1]:>22}{ratio:8.2f}", flush=True)
    except (ConfigError, RunError) as error:
        return report(error)
    middle = statistics.median(ratios)
    print(f"kernels' error over PyTorch's, median of {len(ratios)} minibatches: {middle:.3g}")
    return 0


def agents(runs: Sequence[Path]) -> Iterator[tuple[str, RunConfig, ActorCritic]]:
    """Name, settings and network of each agent, as it is and with sharp attention."""
    fresh = settings_of("env=Breakout")
    found = [("fresh", fresh, Ours(fresh, 1).agent.model)]
    for run in runs:
        settings, model, steps = load_agent(run)
        settings = replace(settings, device="cpu")  # wherever it was trained
        found.append((f"{settings.label}, {steps:,} steps", settings, model))
    for name, settings, model in found:
        yield name, settings, model
        sharp = twin(settings, model)
        assert sharp.attention
        with torch.no_grad():
            sharp.attention.score[2].get_parameter("weight").mul_(SHARPER)
        yield f"{name}{SHARP}", settings, sharp


def twin(settings: RunConfig, model: ActorCritic) -> ActorCritic:
    """Another network with the same weights."""
    return restored(settings, model.state_dict(), Path())


def errors(settings: RunConfig, model: ActorCritic) -> Iterator[tuple[float, float]]:
    """Of each minibatch of one epoch of a rollout by this agent: our kernels' and PyTorch's."""
    ours = Ours(settings, 1)
    ours.agent.model.load_state_dict(model.state_dict())
    rollout, _ = ours.collect()
    for batch in minibatches(rollout, settings):
        exact = gradient(twin(settings, model).double(), layers, batch, settings, torch.float64)
        found = (gradient(model, by, batch, settings) for by in (kernels, layers))
        first, second = (float((g - exact).norm() / exact.norm()) for g in found)
        yield first, second


def minibatches(rollout: Rollout, settings: RunConfig) -> Iterator[Minibatch]:
    """The samples of a rollout in their order."""
    advantages = gae(rollout, gamma=settings.ppo.gamma, gae_lambda=settings.ppo.gae_lambda)
    r, returns = rollout, advantages + rollout.values
    fields = r.obs, r.actions, r.log_probs, r.values, advantages, returns
    parts = (field.flatten(0, 1).split(settings.ppo.minibatch_size) for field in fields)
    yield from map(Minibatch._make, zip(*parts, strict=True))


def gradient(
    model: ActorCritic,
    computed_by: Any,
    batch: Minibatch,
    settings: RunConfig,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """All weights' gradients of the loss, one after the other, in float64."""
    model.layers = _InFloat64() if dtype == torch.float64 else computed_by
    exact = (t.to(dtype) if t.is_floating_point() else t for t in batch)
    model.zero_grad()
    loss, _ = ppo_loss(
        model,
        Minibatch._make(exact),
        settings.ppo,
        settings.regularizer,
        lambda_=torch.tensor(settings.lambda_, dtype=dtype),
        diversity=settings.diversity,
        clip_range=torch.tensor(settings.ppo.clip_range, dtype=dtype),
    )
    loss.backward()
    found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return torch.cat(found).double()


class _InFloat64:
    """PyTorch's layers, whose encoder takes its bytes as float64."""

    normalize_channels = staticmethod(layers.normalize_channels)
    score = staticmethod(layers.score)
    attend = staticmethod(layers.attend)

    @staticmethod
    def encode(encoder: torch.nn.Sequential, obs: Tensor) -> Tensor:
        return encoder(obs.double() / 255)


def _spread(numbers: Sequence[float]) -> tuple[float, float]:
    """Median and maximum."""
    return float(torch.tensor(numbers).median()), max(numbers)


if __name__ == "__main__":
    process.finish(main)
