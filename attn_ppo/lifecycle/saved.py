"""What a checkpoint holds, section by section, each written and read back by its owner.

Saved · load, of_state, save, load_weights. checkpoint.py makes it a file that survives.
"""

from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint

FORMAT = 2


class AgentState(TypedDict):
    """Everything that an update changes (agent.Agent)."""

    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    rng: Tensor
    backend: str


class RowsState(TypedDict):
    """Where the tables stand (rows.Rows)."""

    recent: list[tuple[float, int]]  # score and length of the last 100 whole games
    elapsed_seconds: float
    sizes: dict[str, int]  # bytes of each table


class OriginState(TypedDict):
    """What the run computes on (resume.Origin)."""

    circumstances: dict[str, Any]
    inexact_resumes: list[str]
    threads: int


class Saved(NamedTuple):
    """A run after `update` updates: tensors and plain Python only."""

    update: int
    agent: AgentState
    rows: RowsState
    games: list[dict[str, Any]]  # a state of atari.envs.AtariEnvs for each group
    origin: OriginState
    wandb_id: str | None  # W&B's name of the run


def save(folder: Path, saved: Saved) -> None:
    """Makes it the newest checkpoint. Raises RunError where the disk doesn't take it."""
    checkpoint.save(folder, {"format": FORMAT, **saved._asdict()})


def load(folder: Path) -> Saved | None:
    """The newest whole checkpoint; None where none was ever made. Raises RunError."""
    state = checkpoint.load(folder)
    return None if state is None else of_state(state, folder)


def load_weights(folder: Path, sha256: str) -> dict[str, Tensor]:
    """The model in a run's checkpoint of this digest. Raises RunError where it isn't there."""
    state = checkpoint.load_digest(folder, sha256)
    if state is None:
        reason = f"{folder} has no checkpoint {sha256} any more, from whose weights this run starts"
        raise RunError(ExitCode.NO_CHECKPOINT, reason)
    return of_state(state, folder).agent["model"]


def of_state(state: dict[str, Any], folder: Path) -> Saved:
    """What a checkpoint in `folder` holds, of any format up to ours. Raises RunError."""
    found = state.pop("format", 1)
    if found > FORMAT:
        reason = f"the checkpoint in {folder} has format {found}, made by a newer version"
        raise RunError(ExitCode.NO_CHECKPOINT, f"{reason}; this one reads up to {FORMAT}")
    return Saved(**(state if found == FORMAT else _in_sections(state)))


def _in_sections(flat: dict[str, Any]) -> dict[str, Any]:
    """Format 1, without sections, whose first versions kept less."""
    agent = {key: flat[key] for key in ("model", "optimizer", "rng")}
    rows = {key: flat[key] for key in ("recent", "elapsed_seconds", "sizes")}
    origin = {
        "circumstances": flat.get("circumstances", {}),
        "inexact_resumes": flat.get("inexact_resumes", []),
        "threads": flat.get("threads", torch.get_num_threads()),
    }
    return {
        "update": flat["update"],
        "agent": agent | {"backend": flat.get("backend", "torch")},
        "rows": rows,
        "games": flat.get("games", []),
        "origin": origin,
        "wandb_id": flat.get("wandb_id"),
    }
