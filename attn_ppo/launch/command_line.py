"""From a command line to the settings of every run, all checked before the first one starts.

parse -> CommandLine. Hydra itself would report most mistakes late, at length, for one run at a
time, and with folders left behind.
"""

import argparse
import copy
import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from attn_ppo import config, schema
from attn_ppo.atari import games
from attn_ppo.compute import devices
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, shorten
from attn_ppo.launch import overrides, parent
from attn_ppo.launch.overrides import LAUNCHER, MAX_RUNS, conf_dir

_FLAGS = "key=value, -m (a sweep), --help, --version, --cfg job"
_CFG = ("job", "hydra", "all")
_ON_THIS_MACHINE = ("local", "serial")  # engines; a cluster's nodes may have other devices
JOBS = schema.Range(1, 1_024)


@dataclass(frozen=True)
class CommandLine:
    """The runs asked for: one, or a sweep; none if something is only to be printed."""

    is_sweep: bool
    overrides: list[str]
    configs: list[RunConfig]
    engine: str = "local"
    jobs_at_once: int | None = None  # -1: one per core; None: the launcher has no such setting
    ray_address: str | None = None
    shows: tuple[str, ...] = ()  # what is to be printed: --help, --version or Hydra's --cfg


def parse(argv: Sequence[str]) -> CommandLine:
    """The runs that the arguments ask for. Raises ConfigError; creates nothing."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = _refuse_flag
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-c", "--cfg", nargs="?", const="")
    args, unknown = parser.parse_known_intermixed_args(argv)
    if unknown:
        key = unknown[0].lstrip("-").partition("=")[0]
        near = schema.nearest(
            key, ["--multirun", "--help", "--version", "--cfg", *overrides.keys()]
        )
        raise ConfigError("", unknown[0], _FLAGS, near, wrong="is not a flag")
    if args.cfg is not None:
        schema.check_choice("--cfg", args.cfg, _CFG)
    if args.help or args.version:
        return CommandLine(False, [], [], shows=("--help" if args.help else "--version",))
    given = [overrides.parse(text) for text in args.overrides]
    swept = next((o for o in given if o.is_sweep_override()), None)
    if swept and args.cfg:
        raise overrides.error(swept, "one value with --cfg", wrong="has several values")
    if swept and not args.multirun:
        allowed = "one value; several make a sweep: add -m"
        raise overrides.error(swept, allowed, wrong="has several values")
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        asked = _expand(given, is_sweep=args.multirun or bool(args.cfg))
    if args.cfg:
        return CommandLine(False, [], [], shows=("--cfg", args.cfg, *asked.overrides))
    return asked


def grid(points: Iterable[Override]) -> Iterator[tuple[str, ...]]:
    """Every combination of the overrides' values, as `key=value` texts, in Hydra's own order.

    The last key varies fastest. A key that is given again keeps its place and has the later values.
    """
    texts: dict[str, list[str]] = {}
    for override in points:
        key = override.get_key_element()
        if override.is_sweep_override():
            texts[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            texts[key] = [f"{key}={override.get_value_element_as_str()}"]
    return itertools.product(*texts.values())


def _expand(given: Sequence[Override], *, is_sweep: bool) -> CommandLine:
    """One config per point of the sweep's grid, in Hydra's own order."""
    hydra = _compose_hydra(_options(given))
    engine, launcher = hydra.runtime.choices.engine, copy.deepcopy(hydra.launcher)
    for override in given:
        if override.is_hydra_override():
            _set_launcher(launcher, override, engine)
    keys = {o.key_or_group for o in given}
    params = {k: v for k, v in (hydra.sweeper.get("params") or {}).items() if k not in keys}
    if params and not is_sweep:
        allowed = f"a sweep over {', '.join(params)}: add -m"
        name = hydra.runtime.choices.experiment
        raise ConfigError("experiment", name, allowed, wrong="is a sweep, not one run")
    of_sweep = parent.VARIABLE in os.environ  # a run of one has its settings
    if not is_sweep and not of_sweep and engine not in _ON_THIS_MACHINE:
        allowed = f"{' or '.join(_ON_THIS_MACHINE)} without -m; with it every engine"
        raise ConfigError("engine", engine, allowed)
    points = [*(overrides.parse(f"{key}={value}") for key, value in params.items()), *given]
    _check_size(points)
    configs = [_config(point) for point in grid(points)]
    if not is_sweep or engine in _ON_THIS_MACHINE:
        for device in dict.fromkeys(settings.device for settings in configs):
            devices.check_device(device)
        for game in dict.fromkeys(settings.env for settings in configs):
            games.rom_path(game)
    texts = [
        ("++" if o.is_hydra_override() else "") + overrides.as_hydra_takes_it(o) for o in given
    ]
    address = OmegaConf.select(launcher, "ray.init.address")
    return CommandLine(is_sweep, texts, configs, engine, launcher.get("n_jobs"), address)


def _check_size(points: Iterable[Override]) -> None:
    """Raises ConfigError for a grid that is empty or has more than MAX_RUNS points."""
    counts = {o.key_or_group: (overrides.count(o), o) for o in points}
    runs = math.prod(count for count, _ in counts.values())
    if runs > MAX_RUNS:
        largest_first = sorted(counts.values(), key=lambda pair: pair[0], reverse=True)
        swept = " ".join(o.input_line or "" for count, o in largest_first if count > 1)
        allowed = f"at most {MAX_RUNS:,} runs in a sweep"
        raise ConfigError("", swept, allowed, wrong=f"gives {runs:,} runs")
    for count, override in counts.values():
        if not count:
            raise overrides.error(override, "at least one value", wrong="has no value")


def _config(point: tuple[str, ...]) -> RunConfig:
    """The checked settings at one point of the grid, given as its `key=value` texts."""
    given = [_parse(text) for text in point]
    chosen = tuple(o.input_line for o in given if o.key_or_group in overrides.groups())
    values = copy.deepcopy(_compose_values(chosen))
    for override in given:
        *sections, leaf = override.key_or_group.split(".")
        if override.input_line in chosen or override.is_hydra_override():
            continue
        target = values
        for section in sections:
            target = target[section]
        target[leaf] = override.value()
    values["env"] = games.named(str(values["env"]))
    schema.check_choice("env", values["env"], games.known(), allowed=config.Game.description)
    return config.from_dict(values)


# A sweep's points share most of their overrides: each is parsed and composed only once.
_parse = functools.cache(overrides.parse)


def _compose(chosen: Iterable[str], *, with_hydra: bool = False) -> DictConfig:
    """Composes conf/ with the chosen options of its groups. Raises ConfigError."""
    try:
        return compose("config", list(chosen), return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        reason = shorten(str(error).partition("\n")[0])
        allowed, wrong = "what Hydra can compose", f"can't be composed ({reason})"
        if "hydra/launcher/" in reason:
            allowed = "after pip install -e '.[slurm]', or '.[ray]' for engine=ray"
            wrong = "needs a launcher that isn't installed"
        raise ConfigError("", " ".join(chosen), allowed, wrong=wrong) from None


@functools.cache
def _compose_values(chosen: tuple[str, ...]) -> Any:
    return OmegaConf.to_container(_compose(chosen))


@functools.cache
def _compose_hydra(chosen: tuple[str, ...]) -> DictConfig:
    return _compose(chosen, with_hydra=True).hydra


def _options(given: Iterable[Override]) -> tuple[str, ...]:
    """The options of conf/'s groups that hold for the whole sweep, as `group=option`."""
    chosen: dict[str, str] = {}
    for override in given:
        group, text = override.key_or_group, override.input_line or ""
        if group in overrides.groups() and not override.is_sweep_override():
            if group in chosen:
                wrong = f"comes after {chosen[group]}"
                raise overrides.error(override, "one value for the sweep", wrong=wrong)
            chosen[group] = text
    return tuple(chosen.values())


def _set_launcher(launcher: DictConfig, override: Override, engine: str) -> None:
    """Changes one setting of the engine's launcher, as Hydra will. Raises ConfigError."""
    key, value = override.key_or_group.removeprefix(LAUNCHER), override.value()
    known = _settings_of(launcher)
    if (key not in known and not known.get(key.rpartition(".")[0])) or override.package:
        allowed = f"with engine={engine} {LAUNCHER}* is one of {', '.join(known) or 'nothing'}"
        near = schema.nearest(key, known)
        near = near and LAUNCHER + near
        raise overrides.error(override, allowed, near, wrong="has an unknown key")
    mappings = [part for part in overrides.parts(value) if isinstance(part, Mapping)]
    names = [key.rpartition(".")[2], *itertools.chain(*mappings)]
    if override.is_sweep_override() or any(str(name).startswith("_") for name in names):
        allowed = "one value for the whole sweep, without keys such as _target_"
        raise overrides.error(override, allowed)
    if key == "n_jobs" and not (value == -1 or (type(value) is int and value in JOBS)):
        raise overrides.error(override, f"a whole number {JOBS}, or -1: one a core")
    try:
        OmegaConf.update(launcher, key, value, force_add=True)
    except (OmegaConfBaseException, ValueError) as error:
        reason = shorten(str(error).partition("\n")[0])
        raise overrides.error(override, f"what the launcher takes ({reason})") from None


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


def _refuse_flag(message: str) -> NoReturn:
    raise ConfigError("", message, _FLAGS, wrong="")
