"""What learns: the model, its optimiser and its dice, made from a seed or from a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, nn

from attn_ppo import config
from attn_ppo.compute import backends, devices
from attn_ppo.compute.adam import Adam
from attn_ppo.compute.backends import BACKENDS, Backend, kernels_missing
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint
from attn_ppo.model import ActorCritic


@dataclass
class Agent:
    """Everything that an update changes."""

    model: ActorCritic
    optimizer: Adam
    rng: Generator  # draws actions and minibatches, on the model's device
    backend: Backend

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether every weight is a number still."""
        return bool(nn.utils.get_total_norm(self.model.parameters()).isfinite())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it; `make_agent` takes it back."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "backend": self.backend.name,
        }


def make_agent(
    settings: RunConfig, num_actions: int, device: torch.device, saved: Mapping[str, Any]
) -> Agent:
    """A fresh agent of the run's seed, or the one that was saved.

    Raises ConfigError where its backend can't be had.
    """
    backend = backends.choose(settings, device, saved.get("backend"))
    torch.backends.cudnn.deterministic = True
    seeds = np.random.SeedSequence(settings.seed).generate_state(2, np.uint64)
    init_seed, rng_seed = (int(seed) >> 1 for seed in seeds)
    init_rng = Generator().manual_seed(init_seed)  # on the CPU: the same agent on every device
    bf16 = settings.compute.precision == "bf16"
    model = ActorCritic(num_actions, settings.attention, init_rng, layers=backend.layers, bf16=bf16)
    model.to(device)
    if backend.name != "kernels":  # oneDNN's and cuDNN's faster order; the kernels have their own
        model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    learning_rate = settings.ppo.learning_rate
    optimizer = Adam(model.parameters(), learning_rate, eps=1e-5)
    rng = Generator(device).manual_seed(rng_seed)
    if saved:
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        if len(saved["rng"]) == len(rng.get_state()):
            rng.set_state(saved["rng"])
        else:  # another kind of device: an inexact resume
            rng.manual_seed(rng_seed ^ saved["update"])
    return Agent(model, optimizer, rng, backend)


def device_for(settings: RunConfig) -> torch.device:
    """The device asked for. Raises ConfigError where this machine doesn't have it."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    devices.check_device(settings.device)
    return torch.device(settings.device)


def load_agent(folder: Path) -> tuple[RunConfig, ActorCritic, int]:
    """A run's settings, its agent as last saved (on the CPU), and its agent steps so far."""
    settings = config.read(folder / "config.yaml")
    state = checkpoint.load(folder)
    if state is None:
        raise RunError(ExitCode.NO_CHECKPOINT, f"{folder} has no checkpoint yet")
    num_actions = len(state["model"]["policy_head.bias"])
    cpu = torch.device("cpu")
    backend = BACKENDS["torch" if kernels_missing(settings, cpu) else state.get("backend", "torch")]
    model = ActorCritic(
        num_actions,
        settings.attention,
        torch.Generator(),
        layers=backend.layers,
        bf16=settings.compute.precision == "bf16",
    )
    model.load_state_dict(state["model"])
    return settings, model, state["update"] * settings.ppo.batch_size
