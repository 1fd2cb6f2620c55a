"""What may be set of Hydra's own: the sweeper chosen, its settings and those of the launcher."""

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from attn_ppo import schema
from attn_ppo.errors import shorten
from attn_ppo.launch import overrides
from attn_ppo.launch.overrides import LAUNCHER, SWEEPER, SWEEPERS

JOBS = schema.Range(1, 1_024)


def check_sweepers(given: Iterable[Override]) -> None:
    """Raises ConfigError unless Hydra has the sweeper, or the part of one, that is chosen."""
    for override in given:
        group = override.key_or_group
        if group.startswith(SWEEPERS):
            options = GlobalHydra.instance().config_loader().get_group_options(group)
            if not options or override.is_sweep_override() or override.package:
                allowed = f"one of those that are installed, {SWEEPERS}=<name>"
                raise overrides.error(override, allowed)
            installed = ", ".join(options)
            if group == SWEEPERS:
                installed += " here; optuna after pip install -e '.[search]'"
            schema.check_choice(group, override.value(), options, allowed=installed)


def with_settings(hydra: DictConfig, given: Iterable[Override]) -> DictConfig:
    """Hydra's settings with those of its launcher and sweeper that are given, all checked."""
    hydra, choices = copy.deepcopy(hydra), hydra.runtime.choices
    for override in given:
        if override.key_or_group.startswith(LAUNCHER):
            _set_hydra(hydra.launcher, LAUNCHER, override, f"engine={choices.engine}")
        elif override.key_or_group.startswith(SWEEPER):
            _set_hydra(hydra.sweeper, SWEEPER, override, f"{SWEEPERS}={choices[SWEEPERS]}")
    return hydra


def _set_hydra(section: DictConfig, prefix: str, override: Override, chosen: str) -> None:
    """Changes one setting of Hydra's launcher or sweeper, as Hydra will. Raises ConfigError.

    `chosen` is the choice that its settings, whose keys begin with `prefix`, depend on.
    """
    key, value = override.key_or_group.removeprefix(prefix), override.value()
    known = _settings_of(section)
    if (key not in known and not known.get(key.rpartition(".")[0])) or override.package:
        allowed = f"with {chosen} {prefix}* is one of {', '.join(known) or 'nothing'}"
        near = schema.nearest(key, known)
        near = near and prefix + near
        raise overrides.error(override, allowed, near, wrong="has an unknown key")
    mappings = [part for part in overrides.parts(value) if isinstance(part, Mapping)]
    names = [key.rpartition(".")[2], *itertools.chain(*mappings)]
    if override.is_sweep_override() or any(str(name).startswith("_") for name in names):
        allowed = "one value for the whole sweep, without keys such as _target_"
        raise overrides.error(override, allowed)
    if key.partition(".")[0] == "params":
        raise overrides.error(override, "the keys themselves on the command line: key=value,value")
    if prefix == LAUNCHER and key == "n_jobs" and not (value == -1 or _is_whole(value, JOBS)):
        raise overrides.error(override, f"a whole number {JOBS}, or -1: one a core")
    try:
        OmegaConf.update(section, key, value, force_add=True)
    except (OmegaConfBaseException, ValueError) as error:
        reason = shorten(str(error).partition("\n")[0])
        kind = prefix.split(".")[1]
        raise overrides.error(override, f"what the {kind} takes ({reason})") from None


def _is_whole(value: Any, limits: schema.Range) -> bool:
    return type(value) is int and value in limits


def _settings_of(launcher: DictConfig, prefix: str = "") -> dict[str, bool]:
    """The launcher's keys, dotted, each with whether it is a mapping that takes any names.

    joblib's other settings are left out: they could put several runs into one process.
    """
    if "JoblibLauncher" in launcher.get("_target_", ""):
        return {"n_jobs": False}
    found = {}
    for name in (str(name) for name in launcher if not str(name).startswith("_")):
        kind = OmegaConf.get_type(launcher, name)
        found[prefix + name] = kind is dict
        if kind is dict or dataclasses.is_dataclass(kind):
            found |= _settings_of(launcher[name], f"{prefix}{name}.")
    return found
