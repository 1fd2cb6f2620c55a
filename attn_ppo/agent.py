"""What learns: the model, its optimiser and its random numbers, from a seed or a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.compute import backends, devices
from attn_ppo.compute.adam import Adam
from attn_ppo.compute.backends import BACKENDS, Backend, kernels_missing
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import milestones, weights
from attn_ppo.lifecycle import saved as saved_runs
from attn_ppo.lifecycle.saved import AgentState, Saved
from attn_ppo.model import ActorCritic


@dataclass
class Agent:
    """Everything that an update changes."""

    model: ActorCritic
    optimizer: Adam
    rng: Generator  # draws actions and minibatches, on the model's device
    backend: Backend

    @torch.no_grad()
    def check_finite(self, number: int) -> None:
        """Raises RunError where a weight is nan or infinite after the `number`-th update.

        A checkpoint of broken weights would replace the last good one.
        """
        if not nn.utils.get_total_norm(self.model.parameters()).isfinite():
            reason = f"the weights aren't finite after update {number}"
            raise RunError(ExitCode.NOT_FINITE, reason)

    def state(self) -> AgentState:
        """What a checkpoint keeps of it; `make_agent` takes it back."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "backend": self.backend.name,
        }


def make_agent(
    settings: RunConfig, num_actions: int, device: torch.device, saved: Saved | None = None
) -> Agent:
    """A fresh agent of the run's seed, or the saved one.

    A fresh one has the weights of `init_from` where that is given. Raises ConfigError where its
    backend isn't available, RunError where those weights aren't there any more.
    """
    backend = backends.choose(settings, device, saved.agent["backend"] if saved else None)
    backends.settle_convolutions(device)
    seeds = np.random.SeedSequence(settings.seed).generate_state(2, np.uint64)
    init_seed, rng_seed = (int(seed) >> 1 for seed in seeds)
    init_rng = Generator().manual_seed(init_seed)  # on the CPU: the same agent on every device
    model = _network(settings, num_actions, backend, init_rng).to(device)
    if backend.name != "kernels":  # oneDNN's and cuDNN's faster order; the kernels have their own
        model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = Adam(model.parameters(), settings.ppo.learning_rate, eps=1e-5)
    rng = Generator(device).manual_seed(rng_seed)
    if saved:
        model.load_state_dict(saved.agent["model"])
        optimizer.load_state_dict(saved.agent["optimizer"])
        if len(saved.agent["rng"]) == len(rng.get_state()):
            rng.set_state(saved.agent["rng"])
        else:  # another kind of device: an inexact resume
            rng.manual_seed(rng_seed ^ saved.update)
    elif settings.init_folder and settings.init_sha256:
        model.load_state_dict(saved_runs.load_weights(settings.init_folder, settings.init_sha256))
    return Agent(model, optimizer, rng, backend)


def device_for(settings: RunConfig) -> torch.device:
    """The device asked for. Raises ConfigError where this machine doesn't have it."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    devices.check_device(settings.device)
    return torch.device(settings.device)


def load_agent(folder: Path, milestone: int | None = None) -> tuple[RunConfig, ActorCritic, int]:
    """A run's settings, its network as last saved, on the CPU, and its agent steps so far.

    With `milestone`, counted from 1, the network and the steps are that milestone's. A folder
    without a checkpoint may have exported weights in its place (weights.FILE). From here on
    torch computes with no more threads than this process has processors.
    Raises ConfigError or RunError where the folder has no readable config.yaml or checkpoint.
    """
    devices.limit_threads()
    settings = config.read(folder / "config.yaml")
    if milestone is not None:
        kept = milestones.load(folder, milestone)
        return settings, restored(settings, kept.model, folder, kept.backend), kept.env_steps
    saved = saved_runs.load(folder)
    if saved is None and (folder / weights.FILE).exists():
        kept = weights.read(folder / weights.FILE)
        return settings, restored(settings, kept.weights, folder), kept.env_steps
    if saved is None:
        raise RunError(ExitCode.NO_CHECKPOINT, f"{folder} has no checkpoint yet")
    model = restored(settings, saved.agent["model"], folder, saved.agent["backend"])
    return settings, model, saved.update * settings.ppo.batch_size


def restored(
    settings: RunConfig, found: Mapping[str, Tensor], source: Path, backend: str = "torch"
) -> ActorCritic:
    """The network with the weights found in `source`, on the CPU; by PyTorch without the backend.

    Raises ConfigError where they are those of other settings.
    """
    if backend == "kernels" and kernels_missing(settings, torch.device("cpu")):
        backend = "torch"
    try:
        num_actions = len(found["policy_head.bias"])
        model = _network(settings, num_actions, BACKENDS[backend], Generator())
        model.load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        wrong = f"has weights that don't fit its settings ({reason})"
        raise ConfigError("", source, "an agent as a run saved it", wrong=wrong) from None
    return model


def _network(
    settings: RunConfig, num_actions: int, backend: Backend, rng: Generator
) -> ActorCritic:
    bf16 = settings.compute.precision == "bf16"
    return ActorCritic(num_actions, settings.attention, rng, layers=backend.layers, bf16=bf16)
