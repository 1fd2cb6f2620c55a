"""What a command line asks for: every run's settings, checked before the first one starts.

Hydra composes the groups of conf/ and would find most mistakes itself, but late, at length, one
run at a time, and with folders left behind.
"""

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from attn_ppo import config, envs, schema
from attn_ppo.config import RunConfig
from attn_ppo.schema import ConfigError

_LEAVES = schema.known_keys(config.RunConfig)
_REFUSED_FLAGS = ("config_path", "config_name", "config_dir", "experimental_rerun")
_INFO_FLAGS = ("help", "hydra_help", "cfg", "info", "shell_completion")


@dataclass(frozen=True)
class CommandLine:
    """The runs asked for: one, or a sweep; none where Hydra only has to show something."""

    is_sweep: bool
    overrides: list[str]
    configs: list[RunConfig]
    jobs_at_once: int | None = None  # -1: one a core; None: the launcher doesn't say
    only_shows: bool = False  # --help, --cfg, ...


def conf_dir() -> Path:
    """conf/ inside the package where it was installed, else beside it."""
    package = Path(__file__).resolve().parent
    return next(d for d in (package / "conf", package.parent / "conf") if d.is_dir())


def parse(argv: Sequence[str]) -> CommandLine:
    """The runs that the arguments ask for. Raises ConfigError; creates nothing."""
    parser = get_args_parser()
    parser.error = _refuse_flag
    args = parser.parse_intermixed_args(argv)
    refused = [flag for flag in _REFUSED_FLAGS if getattr(args, flag)]
    shown = [flag for flag in _INFO_FLAGS if getattr(args, flag)]
    if refused or (shown and args.multirun):
        flags = ["--" + flag.replace("_", "-") for flag in refused or shown]
        raise ConfigError("", " ".join(flags), _FLAGS + "; -m goes with none of these")
    overrides = [_parse_override(text) for text in args.overrides]
    if shown:
        return CommandLine(False, args.overrides, [], only_shows=True)
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return _expand(overrides, is_sweep=bool(args.multirun))


def _expand(overrides: list[Override], *, is_sweep: bool) -> CommandLine:
    """One config a point of the sweep's grid, in Hydra's own order."""
    swept = next((o for o in overrides if o.is_sweep_override()), None)
    if swept and not is_sweep:
        raise _error(swept, "one value; several make a sweep: add -m")
    fixed = [o.input_line or "" for o in overrides if not o.is_sweep_override()]
    groups = [o for o in overrides if o.key_or_group in config_groups()]
    choices = [_options(o) for o in groups if o.is_sweep_override()]
    first = [f"{key}={values[0]}" for key, values in choices]
    hydra = _compose([*fixed, *first], with_hydra=True)["hydra"]
    given = {o.key_or_group for o in overrides}
    params = {k: v for k, v in (hydra["sweeper"].get("params") or {}).items() if k not in given}
    if params and not is_sweep:
        raise ConfigError(
            "experiment",
            hydra["runtime"]["choices"]["experiment"],
            f"a sweep over {', '.join(params)}: add -m",
        )
    texts = [f"{key}={value}" for key, value in params.items()]
    try:
        grid = BasicSweeper.split_arguments([*map(_parse_override, texts), *overrides], None)[0]
    except HydraException as error:
        raise _error(swept or overrides[0], f"a list of values ({error})") from None
    if swept and not grid:
        raise _error(swept, "at least one value")
    at_once = hydra["launcher"].get("n_jobs")
    if at_once is not None and (not isinstance(at_once, int) or at_once == 0):
        raise ConfigError(
            "hydra.launcher.n_jobs", at_once, "a whole number above 0, or -1: all cores"
        )
    texts = [o.input_line or "" for o in overrides]
    configs = [_config(tuple(point)) for point in grid]
    return CommandLine(is_sweep, texts, configs, jobs_at_once=at_once)


def _config(point: tuple[str, ...]) -> RunConfig:
    """The settings at one point of the grid, a tuple of `key=value` without lists of values."""
    overrides = [_cached(_parse_override, text) for text in point]
    groups = [o for o in overrides if o.key_or_group in config_groups()]
    values = copy.deepcopy(_cached(_compose, tuple(o.input_line or "" for o in groups)))
    for override in overrides:
        *sections, leaf = override.key_or_group.split(".")
        if override in groups or sections[:1] == ["hydra"] or "hydra/" in override.key_or_group:
            continue
        target = values
        for section in sections:
            target = target[section]
        target[leaf] = override.value()
    settings = config.from_dict(values)
    if settings.env not in envs.games():
        raise ConfigError("env", settings.env, _GAMES, schema.nearest(settings.env, envs.games()))
    return settings


_GAMES = "a single-player game by its ALE name, such as Breakout, MsPacman or Pong"
_FLAGS = "key=value, -m, --help, --cfg job, --info, --hydra-help"
_memo: dict[Any, Any] = {}


def _cached(function: Any, argument: Any) -> Any:
    """A sweep's points share most of their overrides: parse and compose each only once."""
    if (function, argument) not in _memo:
        _memo[function, argument] = function(argument)
    return _memo[function, argument]


def _compose(overrides: Sequence[str], *, with_hydra: bool = False) -> dict[str, Any]:
    """conf/ with these overrides applied by Hydra, as plain values."""
    try:
        composed = compose("config", list(overrides), return_hydra_config=with_hydra)
        values = OmegaConf.to_container(composed, resolve=False)
    except (HydraException, OmegaConfBaseException) as error:
        reason = schema.shorten(str(error).splitlines()[0])
        raise ConfigError("", " ".join(overrides), f"what Hydra can compose ({reason})") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _parse_override(text: str) -> Override:
    """One `key=value` in Hydra's grammar, its key known and its form one that we take."""
    key, equals, value = text.partition("=")
    if not equals or text[:1] in "+~":
        verb = {"+": "added (+)", "~": "removed (~)"}.get(text[:1])
        allowed = f"key=value; keys can't be {verb}" if verb else "key=value"
        bare = key.lstrip("+~").split("@")[0]
        raise ConfigError("", text, allowed, schema.nearest(bare, _all_keys()))
    if not key.startswith(("hydra.", "hydra/")) and key not in _all_keys():
        siblings = [k for k in _LEAVES if k.startswith(key.split(".")[0] + ".")]
        allowed = "one of the keys " + ", ".join(siblings or _summary_of_keys())
        raise ConfigError(key, value, allowed, schema.nearest(key, _all_keys()))
    if "${" in value:
        raise ConfigError(key, value.split("${")[0] + "${...}", "a plain value, no interpolation")
    try:
        override = OverridesParser.create().parse_override(text)
    except HydraException:
        raise ConfigError(
            key, value, "a value in Hydra's grammar; quote special characters"
        ) from None
    if key in config_groups():
        _options(override)
    return override


def _options(override: Override) -> tuple[str, list[str]]:
    """A group's name and the options chosen of it, all of them known."""
    group = override.key_or_group
    known = config_groups()[group]
    try:
        swept = override.is_sweep_override()
        names = [
            str(n) for n in (override.sweep_string_iterator() if swept else [override.value()])
        ]
    except HydraException as error:
        raise _error(override, f"{', '.join(known)} ({error})") from None
    for name in names:
        if name not in known and not (group == "experiment" and name in ("None", "null")):
            raise ConfigError(group, name, ", ".join(known), schema.nearest(name, known))
    return group, names


def config_groups() -> Mapping[str, list[str]]:
    """Each folder of conf/ and the names of its files."""
    folders = (path for path in sorted(conf_dir().iterdir()) if path.is_dir())
    return {folder.name: sorted(f.stem for f in folder.glob("*.yaml")) for folder in folders}


def _all_keys() -> list[str]:
    return [
        *itertools.filterfalse(lambda k: "." in k, _LEAVES),
        *config_groups(),
        *(k for k in _LEAVES if "." in k),
    ]


def _summary_of_keys() -> list[str]:
    """The root keys and groups, and each section once."""
    return list(dict.fromkeys(k if "." not in k else k.split(".")[0] + ".*" for k in _all_keys()))


def _error(override: Override, allowed: str) -> ConfigError:
    key, _, value = (override.input_line or "").partition("=")
    return ConfigError(key, value, allowed)


def _refuse_flag(message: str) -> NoReturn:
    raise ConfigError("", message.removeprefix("unrecognized arguments: "), _FLAGS)
