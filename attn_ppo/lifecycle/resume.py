"""Whether a run can go on bit by bit: what its numbers depend on besides its settings.

Backend and, unless others are asked for, threads are those that the run began with. Any other
change is refused, or, with `checkpoint.resume=anyway`, recorded for good in the checkpoint, the
rows and status.json.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from attn_ppo.atari.envs import AtariEnvs, NotRestored, two_groups
from attn_ppo.atari.games import rom_md5
from attn_ppo.compute import devices, kernels
from attn_ppo.compute.backends import Backend
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.lifecycle import saved as saved_runs
from attn_ppo.lifecycle.run_dir import RunDir, read_status
from attn_ppo.lifecycle.saved import OriginState, Saved

PACKAGES = ("attn_ppo", "torch", "numpy", "ale-py")
UNKNOWN = "unknown"  # what an older checkpoint doesn't say


@dataclass(frozen=True)
class Origin:
    """What a run computes on, and where that once changed."""

    circumstances: dict[str, Any]
    inexact_resumes: list[str]
    changed_now: bool

    def state(self) -> OriginState:
        """For the checkpoint."""
        return {
            "circumstances": self.circumstances,
            "inexact_resumes": self.inexact_resumes,
            "threads": torch.get_num_threads(),
        }


@dataclass
class Games:
    """The games in progress, in groups that take turns, and what each group shows."""

    groups: list[AtariEnvs]
    obs: list[np.ndarray]

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps of them."""
        states = [envs.state() for envs in self.groups]
        return [state | {"actions": torch.from_numpy(state["actions"])} for state in states]

    def close(self) -> None:
        """Ends the emulators."""
        for envs in self.groups:
            envs.close()


def load(run_dir: RunDir, settings: RunConfig) -> Saved | None:
    """The checkpoint to go on from, None for a new run.

    From here on torch computes with the threads asked for, with `auto` as many as the run began
    with. Raises RunError where a checkpoint was made and none is usable.
    """
    saved = saved_runs.load(run_dir.folder)
    steps = read_status(run_dir.folder).get("env_steps")
    if saved is None and steps:
        reason = f"{run_dir.folder} has no checkpoint, though one was saved at {steps:,} steps"
        raise RunError(ExitCode.NO_CHECKPOINT, f"{reason}; delete the folder to begin afresh")
    if settings.compute.threads != "auto":
        torch.set_num_threads(int(settings.compute.threads))
    elif saved:
        torch.set_num_threads(saved.origin["threads"])
    else:
        devices.limit_threads()
    return saved


def check_circumstances(
    settings: RunConfig, device: torch.device, backend: Backend, saved: Saved | None
) -> Origin:
    """What the run computes on.

    Raises ConfigError where that differs from what the run began on and only an exact resume is
    allowed.
    """
    now = circumstances(settings, device, backend)
    if saved is None:
        return Origin(now, [], False)
    before = saved.origin["inexact_resumes"]
    if saved.update >= settings.num_updates:  # trained: nothing is computed on them any more
        return Origin(now | saved.origin["circumstances"], before, False)
    changed = differences(saved.origin["circumstances"], now)
    if not changed:
        return Origin(now, before, False)
    if settings.checkpoint.resume == "exact":
        here, began = (
            ", ".join(f"{name}={pair[i]}" for name, pair in changed.items()) for i in (1, 0)
        )
        allowed = f"{began}; or checkpoint.resume=anyway, which marks the run"
        wrong = f"differs from what {settings.folder} began with"
        raise ConfigError("", here, allowed, wrong=wrong)
    arrows = ", ".join(f"{name} {then} -> {new}" for name, (then, new) in changed.items())
    steps = saved.update * settings.ppo.batch_size
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
    settings: RunConfig, saved: Saved | None, origin: Origin, say: Callable[[str], object]
) -> Games:
    """New games, or those of the checkpoint, replayed to where they were.

    Raises RunError where the replay ends elsewhere. An inexact resume then begins new games.
    """
    if saved is None:
        return _new_games(settings, stream=0)
    if saved.update >= settings.num_updates:
        return Games([], [])
    steps = sum(state["actions"].numel() for state in saved.games)
    say(
        f"resuming after update {saved.update:,}: games in progress are played again, "
        f"{steps:,} steps"
    )
    groups = _groups(settings, stream=0)
    try:
        pairs = zip(groups, saved.games, strict=True)
        return Games(groups, _side_by_side([partial(envs.restore, state) for envs, state in pairs]))
    except (NotRestored, ValueError) as error:
        if not origin.changed_now:
            raise RunError(ExitCode.NO_CHECKPOINT, f"{settings.folder}: {error}") from None
    for envs in groups:
        envs.close()
    return _new_games(settings, stream=saved.update)


def _new_games(settings: RunConfig, *, stream: int) -> Games:
    groups = _groups(settings, stream=stream)
    return Games(groups, _side_by_side([envs.reset for envs in groups]))


def _side_by_side(begin: Sequence[Callable[[], np.ndarray]]) -> list[np.ndarray]:
    """What each group shows once it has begun: all at once, each has threads of its own."""
    with ThreadPoolExecutor() as pool:
        return [begun.result() for begun in [pool.submit(each) for each in begin]]


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
    return f"{devices.chip()} {torch.backends.cpu.get_cpu_capability()}"
