"""A run's milestones: its weights alone, at even intervals of the training, kept for good.

save · found -> Milestone · load -> Weights. Files are written as checkpoint.py's are.
"""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.disk import disk_error, write_atomically
from attn_ppo.lifecycle.generations import whole
from attn_ppo.lifecycle.saved import AgentState
from attn_ppo.schema import Range, check_whole

FOLDER = "milestones"
FORMAT = 1


class Milestone(NamedTuple):
    """Where a run's weights of one moment are kept."""

    env_steps: int
    path: Path


class Weights(NamedTuple):
    """What such a file holds."""

    env_steps: int
    model: dict[str, Tensor]  # on the CPU
    backend: str  # that trained them
    sha256: str  # of the file but for its own end, as of a checkpoint


def save(folder: Path, env_steps: int, agent: AgentState) -> None:
    """Keeps the agent's weights after so many agent steps in the run's folder, all or nothing.

    Equal weights make an equal file: a run that comes by again after a kill leaves the same.
    Raises RunError where the disk doesn't take it.
    """
    path = folder / FOLDER / f"env_steps={env_steps:010d}.pt"
    model = {name: weight.cpu().contiguous() for name, weight in agent["model"].items()}
    state = {"format": FORMAT, "env_steps": env_steps, "backend": agent["backend"]}
    data = checkpoint.packed(state | {"model": model})
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise disk_error(path, error, len(data)) from None


def found(folder: Path) -> list[Milestone]:
    """A run's milestones in the order of training; opens none of them."""
    paths = (folder / FOLDER).glob("env_steps=*.pt")
    return sorted(Milestone(int(path.stem.partition("=")[2]), path) for path in paths)


def load(folder: Path, number: int) -> Weights:
    """The run's `number`-th milestone, counted from 1.

    Raises ConfigError for a number that isn't there, RunError where the run has no milestones at
    all, or where the file is damaged.
    """
    there = found(folder)
    if not there:
        reason = f"{folder} has no milestones: a run keeps them with checkpoint.milestones=10"
        raise RunError(ExitCode.NO_CHECKPOINT, reason)
    path = there[check_whole("milestone", number, Range(1, len(there))) - 1].path
    file = whole(path)
    if file is None:
        raise RunError(ExitCode.NO_CHECKPOINT, f"{path}: damaged, its SHA-256 is another")
    state = checkpoint.opened(file[0])
    if state["format"] > FORMAT:
        reason = f"{path} has format {state['format']}, made by a newer version"
        raise RunError(ExitCode.NO_CHECKPOINT, f"{reason}; this one reads up to {FORMAT}")
    return Weights(state["env_steps"], state["model"], state["backend"], file[1])
