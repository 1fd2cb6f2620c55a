"""Whether a run can go on bit by bit: what its numbers depend on besides its settings.

Threads and backend are simply those that it began with. What can't be had again is refused, or,
where `checkpoint.resume=anyway`, noted for good in the checkpoint, the rows and status.json.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attn_ppo.atari.envs import AtariEnvs, NotRestored, two_groups
from attn_ppo.atari.games import rom_md5
from attn_ppo.compute import kernels
from attn_ppo.compute.backends import Backend
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError

PACKAGES = ("attn_ppo", "torch", "numpy", "ale-py")
UNKNOWN = "unknown"  # what an older checkpoint doesn't say


@dataclass(frozen=True)
class Origin:
    """On what a run computes, and where that once changed."""

    circumstances: dict[str, Any]
    inexact_resumes: list[str]
    changed_now: bool

    def as_dict(self) -> dict[str, Any]:
        """For checkpoint and status.json."""
        return {"circumstances": self.circumstances, "inexact_resumes": self.inexact_resumes}


@dataclass
class Games:
    """The games in progress and what they show; with their state, in groups that take turns."""

    groups: list[AtariEnvs]
    obs: list[np.ndarray]

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of them."""
        states = [envs.state() for envs in self.groups]
        return {"games": [s | {"actions": torch.from_numpy(s["actions"])} for s in states]}

    def close(self) -> None:
        """Ends the emulators."""
        for envs in self.groups:
            envs.close()


def check(
    settings: RunConfig, device: torch.device, backend: Backend, saved: Mapping[str, Any]
) -> Origin:
    """What the run computes on. Raises ConfigError where that isn't what it began on and only an
    exact resume will do."""
    now = circumstances(settings, device, backend)
    before = saved.get("inexact_resumes", [])
    changed = differences(saved.get("circumstances", {}), now) if saved else {}
    if not changed:
        return Origin(now, before, False)
    if settings.checkpoint.resume == "exact":
        here, began = (
            ", ".join(f"{name}={pair[i]}" for name, pair in changed.items()) for i in (1, 0)
        )
        where = f"as {settings.folder} began; or checkpoint.resume=anyway, which marks the run"
        raise ConfigError("", here, f"{began} {where}")
    arrows = ", ".join(f"{name} {then} -> {new}" for name, (then, new) in changed.items())
    steps = saved["update"] * settings.ppo.batch_size
    return Origin(now, [*before, f"at {steps:,} steps: {arrows}"], True)


def circumstances(settings: RunConfig, device: torch.device, backend: Backend) -> dict[str, Any]:
    """Name and value of everything outside the settings that decides a run's bits."""
    found: dict[str, Any] = {package: version(package) for package in PACKAGES}
    found |= {
        "rom_md5": rom_md5(settings.env),
        "device": device.type,
        "processor": _processor(device),
        "threads": torch.get_num_threads(),
        "backend": backend.name,
    }
    return found | ({"kernels": kernels.fingerprint()} if backend.name == "kernels" else {})


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What has changed: name -> (then, now)."""
    pairs = {name: (then.get(name, UNKNOWN), now.get(name, "none")) for name in {**now, **then}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def begin_games(
    settings: RunConfig, saved: Mapping[str, Any], origin: Origin, say: Callable[[str], object]
) -> Games:
    """New games, or those of the checkpoint, played again up to where they were.

    Raises RunError where they come out otherwise. An inexact resume then begins new ones.
    """
    if not saved:
        groups = _groups(settings, stream=0)
        return Games(groups, [envs.reset() for envs in groups])
    steps = sum(state["actions"].numel() for state in saved.get("games", ()))
    say(
        f"resuming after update {saved['update']:,}: games in progress are played again, "
        f"{steps:,} steps"
    )
    groups = _groups(settings, stream=0)
    try:
        states = zip(groups, saved.get("games", ()), strict=True)
        return Games(groups, [envs.restore(state) for envs, state in states])
    except (NotRestored, ValueError) as error:
        if not origin.changed_now:
            raise RunError(ExitCode.NO_CHECKPOINT, f"{settings.folder}: {error}") from None
    for envs in groups:
        envs.close()
    groups = _groups(settings, stream=saved["update"])
    return Games(groups, [envs.reset() for envs in groups])


def _groups(settings: RunConfig, *, stream: int) -> list[AtariEnvs]:
    return two_groups(
        settings.env,
        num_envs=settings.ppo.num_envs,
        seed=settings.seed,
        stream=stream,
        protocol=settings.protocol,
        anchor_steps=settings.checkpoint.anchor_steps,
        num_threads=torch.get_num_threads(),
    )


def _processor(device: torch.device) -> str:
    """The chip that computes, as it names itself, and which of its instructions torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model n"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name} {torch.backends.cpu.get_cpu_capability()}"
