"""From a command line to the settings of every run, all checked before the first one starts.

parse -> CommandLine. Hydra itself would report most mistakes late, at length, for one run at a
time, and with folders left behind.
"""

import argparse
import contextlib
import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hydra import initialize_config_dir
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from attn_ppo import schema
from attn_ppo.atari import games
from attn_ppo.compute import devices
from attn_ppo.config import RunConfig, default_root
from attn_ppo.errors import ConfigError
from attn_ppo.launch import conf_files, overrides, parent
from attn_ppo.launch.conf_files import conf_dir, groups
from attn_ppo.launch.hydra_settings import check_sweepers, with_settings
from attn_ppo.launch.overrides import MAX_RUNS, SWEEPERS
from attn_ppo.launch.settings import compose_hydra, config_at

_FLAGS = "key=value, -m (a sweep), --config-dir DIR, --help, --version, --cfg job"
_FLAGS += ", --shell-completion install=bash"
_CFG = ("job", "hydra", "all")
_ON_THIS_MACHINE = ("local", "serial")  # engines; a cluster's nodes may have other devices
MOST_CHECKED = 100  # values in a list of a search


@dataclass(frozen=True)
class CommandLine:
    """The runs asked for: one, or a sweep; none if something is only to be printed.

    Of a search, whose sweeper makes up its runs as it goes, `configs` are its space's corners.
    """

    is_sweep: bool
    overrides: list[str]
    configs: list[RunConfig]
    engine: str = "local"
    sweeper: str = "basic"
    jobs_at_once: int | None = None  # -1: one per core; None: the launcher has no such setting
    ray_address: str | None = None
    own: Path | None = None  # the user's folder of settings
    sweeper_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shows: tuple[str, ...] = ()  # what is to be printed: --help, --version or Hydra's --cfg

    @property
    def is_search(self) -> bool:
        """Whether the sweeper chooses its runs by the results of earlier ones."""
        return self.is_sweep and self.sweeper != "basic"


def parse(argv: Sequence[str]) -> CommandLine:
    """The runs that the arguments ask for. Raises ConfigError; creates nothing."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = _refuse_flag
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("-c", "--cfg", nargs="?", const="")
    parser.add_argument("-cd", "--config-dir", nargs="?", const="")
    parser.add_argument("-sc", "--shell-completion", action="store_true")
    args, unknown = parser.parse_known_intermixed_args(argv)
    if unknown:
        key = unknown[0].lstrip("-").partition("=")[0]
        flags = [flag for action in parser._actions for flag in action.option_strings]
        near = schema.nearest(key, [*(f for f in flags if f[:2] == "--"), *overrides.keys()])
        raise ConfigError("", unknown[0], _FLAGS, near, wrong="is not a flag")
    if args.cfg is not None:
        schema.check_choice("--cfg", args.cfg, _CFG)
    if args.shell_completion:
        return CommandLine(False, [], [], shows=("--shell-completion", *args.overrides))
    own = conf_files.own_folder(args.config_dir)
    if args.help or args.version:
        shows = ("--help" if args.help else "--version",)
        return CommandLine(False, [], [], own=own, shows=shows)
    given = [overrides.parse(text, own) for text in args.overrides]
    swept = next((o for o in given if o.is_sweep_override()), None)
    if swept and args.cfg:
        raise overrides.error(swept, "one value with --cfg", wrong="has several values")
    if swept and not args.multirun:
        allowed = "one value; several make a sweep: add -m"
        raise overrides.error(swept, allowed, wrong="has several values")
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        asked = _expand(given, own, is_sweep=args.multirun or bool(args.cfg))
    if args.cfg:
        shows = ("--cfg", args.cfg, *map(_for_hydra, [*given, *_root(given)]))
        return CommandLine(False, [], [], own=own, shows=shows)
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


def _expand(given: Sequence[Override], own: Path | None, *, is_sweep: bool) -> CommandLine:
    """One config per point of the sweep's grid, in Hydra's own order."""
    check_sweepers(given)
    hydra = with_settings(compose_hydra(_options(given), own), given)
    engine, sweeper = (hydra.runtime.choices[group] for group in ("engine", SWEEPERS))
    file = own and own / "experiment" / f"{hydra.runtime.choices.experiment}.yaml"
    located = functools.partial(_located, file, {o.key_or_group for o in given})
    with located():
        given = [*_params(hydra, given, own, is_sweep=is_sweep), *given]
    of_sweep = parent.VARIABLE in os.environ  # a run of one has its settings
    if not is_sweep and not of_sweep and engine not in _ON_THIS_MACHINE:
        allowed = f"{' or '.join(_ON_THIS_MACHINE)} without -m; with it every engine"
        raise ConfigError("engine", engine, allowed)
    given = [*given, *(_axes(given) if is_sweep else []), *_root(given)]
    if sweeper == "basic":
        _check_size(given)
    points = grid(given) if sweeper == "basic" else _corners(given)
    with located():
        configs = [config_at(point, own) for point in points]
    if not is_sweep or engine in _ON_THIS_MACHINE:
        for device in dict.fromkeys(settings.device for settings in configs):
            devices.check_device(device)
        for game in dict.fromkeys(settings.env for settings in configs):
            games.rom_path(game)
    address = OmegaConf.select(hydra.launcher, "ray.init.address")
    jobs = hydra.launcher.get("n_jobs")
    texts = [_for_hydra(override) for override in given]
    of_sweeper: Any = OmegaConf.to_container(hydra.sweeper)
    return CommandLine(is_sweep, texts, configs, engine, sweeper, jobs, address, own, of_sweeper)


def _for_hydra(override: Override) -> str:
    text = overrides.as_hydra_takes_it(override)
    return f"++{text}" if override.is_hydra_override() and "." in override.key_or_group else text


def _params(
    hydra: DictConfig, given: Sequence[Override], own: Path | None, *, is_sweep: bool
) -> list[Override]:
    """What an experiment's `hydra.sweeper.params` ask for, but for the keys that are given."""
    keys = {o.key_or_group for o in given}
    params = {k: v for k, v in (hydra.sweeper.get("params") or {}).items() if k not in keys}
    name = hydra.runtime.choices.experiment
    if params and not is_sweep:
        allowed = f"a sweep over {', '.join(params)}: add -m"
        raise ConfigError("experiment", name, allowed, wrong="is a sweep, not one run")
    for key, value in params.items():
        if OmegaConf.is_list(value) and key not in ("axes", "wandb.tags"):
            allowed = f"values with commas between, without brackets: {','.join(map(str, value))}"
            raise ConfigError(key, value, allowed)
    return [overrides.parse(f"{key}={value}", own) for key, value in params.items()]


@contextlib.contextmanager
def _located(file: Path | None, typed: Container[str]) -> Iterator[None]:
    """Adds where it stands to what is said of a value in a user's experiment that isn't `typed`."""
    try:
        yield
    except ConfigError as error:
        if error.key in typed or not file or not file.is_file():
            raise
        where = conf_files.locate([file], f"hydra.sweeper.params.{error.key}")
        raise error.located(where) if where else error from None


def _axes(given: Iterable[Override]) -> list[Override]:
    """`axes=[...]`: the keys that are swept besides env, lambda and seed, and those asked for."""
    named: list[Any] = [o.value() for o in given if o.key_or_group == "axes"]
    swept = [o.key_or_group for o in given if o.is_sweep_override()]
    keys = [key for key in swept if key in overrides.axis_keys()]
    if not keys or not all(isinstance(value, list) for value in named):
        return []
    every = dict.fromkeys([*itertools.chain(*named), *keys])
    return [overrides.parse(f"axes=[{','.join(map(str, every))}]")]


def _root(given: Iterable[Override]) -> list[Override]:
    """`root=...` where only the environment says it, which the runs' processes may not have."""
    root = str(default_root())
    if root == "runs" or any(o.key_or_group == "root" for o in given):
        return []
    return [overrides.parse(f"root={overrides.quoted(root)}")]


def _corners(points: Iterable[Override]) -> Iterator[tuple[str, ...]]:
    """For each key that a search varies the points at its listed values, or at its two ends."""
    ends: dict[str, list[str]] = {}
    for override in points:
        key, swept = override.get_key_element(), override.value()
        if isinstance(swept, IntervalSweep):
            values = [str(swept.start), str(swept.end)]
        elif override.is_sweep_override():
            _check_size([override])
            every = list(override.sweep_string_iterator())
            values = every if len(every) <= MOST_CHECKED else [every[0], every[-1]]
        else:
            values = [override.get_value_element_as_str()]
        ends[key] = [f"{key}={value}" for value in values]
    first = {key: texts[0] for key, texts in ends.items()}
    yield from dict.fromkeys(
        tuple({**first, key: text}.values()) for key, texts in ends.items() for text in texts
    )


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


def _options(given: Iterable[Override]) -> tuple[str, ...]:
    """The options of conf/'s groups that hold for the whole sweep, as `group=option`."""
    chosen: dict[str, str] = {}
    for override in given:
        group, text = override.key_or_group, override.input_line or ""
        of_group = group in groups() or group.startswith(SWEEPERS)
        if of_group and not override.is_sweep_override():
            if group in chosen:
                wrong = f"comes after {chosen[group]}"
                raise overrides.error(override, "one value for the sweep", wrong=wrong)
            chosen[group] = text
    return tuple(chosen.values())


def _refuse_flag(message: str) -> NoReturn:
    raise ConfigError("", message, _FLAGS, wrong="")
