"""An agent's weights as one file, safetensors, with a header that says which agent it is.

write · read -> Exported. `weights.safetensors` in a run's folder stands in for its checkpoint, for
those who only want to see the agent.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle.disk import disk_error, write_atomically

FILE = "weights.safetensors"
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


def write(path: Path, weights: Mapping[str, Tensor], header: Mapping[str, str], half: bool) -> None:
    """Writes the file, whole or not at all; one that is there is replaced.

    `header` has the keys of HEADER but for those of the format and the weights. With `half` each
    weight is rounded to 16 bits, an error of at most 1/2048 of it. Raises RunError.
    """
    kept = {name: (w.half() if half else w).contiguous() for name, w in weights.items()}
    sha256 = digest_of({name: weight.float() for name, weight in kept.items()})
    content = save(kept, metadata={"format": FORMAT, "weights_sha256": sha256, **header})
    try:
        write_atomically(path, content)
    except OSError as error:
        raise disk_error(path, error, len(content)) from None


def read(path: Path) -> Exported:
    """What such a file holds, in float32. Raises ConfigError where it is none, or damaged."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
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


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of weights by their names, in hex."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
