"""A trained agent's weights as one file, safetensors, for those who don't have its run folder.

export · read -> Exported. The header says which agent it is: HEADER.
"""

import json
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from attn_ppo import config
from attn_ppo.atari import games
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.interpret.network import digest_of
from attn_ppo.lifecycle import checkpoint, milestones
from attn_ppo.lifecycle import saved as saved_runs
from attn_ppo.lifecycle.disk import disk_error, write_atomically
from attn_ppo.lifecycle.generations import digests
from attn_ppo.lifecycle.milestones import Weights
from attn_ppo.version import __version__

FORMAT = "attn_ppo weights 1"
HEADER = {  # the file's metadata, all of it text
    "format": FORMAT,
    "version": "of attn_ppo that wrote the file",
    "game": "by its ALE name",
    "action_names": "by action number, a JSON list",
    "env_steps": "agent steps that the agent had been trained for",
    "settings": "of its run: the text of a config.yaml",
    "checkpoint_sha256": "of the checkpoint, as in init_sha256, or milestone that they are from",
    "weights_sha256": "of the weights, as in recordings",
    "rom_md5": "of the ROM that this machine has for the game",
}
_ALLOWED = "a file that attn_ppo.export wrote, or a run's folder"


class Exported(NamedTuple):
    """What such a file holds."""

    settings: RunConfig
    action_names: tuple[str, ...]
    env_steps: int
    weights: dict[str, Tensor]  # by the names of the model's state_dict, on the CPU


def export(
    folder: str | PathLike[str], file: str | PathLike[str], *, milestone: int | None = None
) -> Path:
    """Writes a run's weights to `file`, as last saved or of a milestone; returns its path.

    `milestone` is counted from 1. The file is safetensors, a few MB: the weights and a header of
    text (HEADER), no code. It is whole or not there; one that is there is replaced. Raises
    ConfigError or RunError where the folder has no readable config.yaml or checkpoint, or no such
    milestone, where the game has no ROM, or where the file can't be written.
    """
    run, path = Path(folder).expanduser(), Path(file).expanduser()
    settings = config.read(run / "config.yaml")
    kept = _newest(run, settings) if milestone is None else milestones.load(run, milestone)
    weights = {name: weight.contiguous() for name, weight in kept.model.items()}
    header = {
        "format": FORMAT,
        "version": __version__,
        "game": settings.env,
        "action_names": json.dumps(games.action_names(settings.env)),
        "env_steps": str(kept.env_steps),
        "settings": config.to_yaml(settings),
        "checkpoint_sha256": kept.sha256,
        "weights_sha256": digest_of(weights),
        "rom_md5": games.rom_md5(settings.env),
    }
    content = save(weights, metadata=header)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise disk_error(path, error, len(content)) from None
    return path


def _newest(run: Path, settings: RunConfig) -> Weights:
    """Those of the newest whole checkpoint. Raises RunError where there is none."""
    for sha256 in digests(run):
        state = checkpoint.load_digest(run, sha256)
        if state is not None:  # a run in progress may have replaced it
            saved = saved_runs.of_state(state, run)
            steps = saved.update * settings.ppo.batch_size
            return Weights(steps, saved.agent["model"], saved.agent["backend"], sha256)
    saved_runs.load(run)  # raises where there are damaged ones
    raise RunError(ExitCode.NO_CHECKPOINT, f"{run} has no checkpoint yet")


def read(path: Path) -> Exported:
    """What an exported file holds. Raises ConfigError where it is none, or damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError("", path, _ALLOWED, wrong=f"can't be read ({reason})") from None
    if header.get("format") != FORMAT or not header.keys() >= HEADER.keys():
        raise ConfigError("", path, _ALLOWED, wrong="is of another format")
    if header["weights_sha256"] != digest_of(weights):
        raise ConfigError("", path, _ALLOWED, wrong="is damaged: its weights have another SHA-256")
    settings = config.from_yaml(header["settings"], path)
    names = _action_names(header["action_names"])
    actions = len(weights.get("policy_head.bias", ()))
    steps = header["env_steps"]
    if len(names) != actions:
        raise _unlike(path, "action_names", header, f"a JSON list of {actions} names")
    if not steps.isdecimal():
        raise _unlike(path, "env_steps", header, "a whole number")
    return Exported(settings, names, int(steps), weights)


def _action_names(text: str) -> tuple[str, ...]:
    """The names that the header has; () where it has no list of them."""
    try:
        names = json.loads(text)
    except ValueError:
        return ()
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if good else ()


def _unlike(path: Path, key: str, header: dict[str, str], allowed: str) -> ConfigError:
    return ConfigError("", path, allowed, wrong=f"has a header with {key}={header[key]}")
