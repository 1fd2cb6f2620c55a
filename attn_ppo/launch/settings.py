"""The settings of one run from its `key=value` texts: composed by Hydra from conf/, then checked.

settings_at, and for those who compose a sweep's many: config_at, compose_hydra.
"""

import copy
import functools
import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from attn_ppo import config, schema
from attn_ppo.atari import games
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, shorten
from attn_ppo.launch import conf_files, overrides
from attn_ppo.launch.conf_files import conf_dir, defaults, groups
from attn_ppo.launch.overrides import SWEEPERS
from attn_ppo.lifecycle import source


def settings_at(texts: Sequence[str], own: Path | None) -> RunConfig:
    """The checked settings of one run, given as its `key=value` texts. Raises ConfigError."""
    if GlobalHydra.instance().is_initialized():  # in a job of Hydra's
        return config_at(tuple(texts), own)
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return config_at(tuple(texts), own)


def config_at(point: tuple[str, ...], own: Path | None) -> RunConfig:
    """As `settings_at`, where Hydra's conf/ is open already."""
    given = [_parse(text, own) for text in point]
    chosen = tuple(o.input_line or "" for o in given if o.key_or_group in groups())
    composed, files = _compose_values(chosen, own)
    values, typed = copy.deepcopy(composed), set[str]()
    for override in given:
        *sections, leaf = override.key_or_group.split(".")
        if override.input_line in chosen or override.is_hydra_override():
            continue
        target = values
        for section in sections:
            target = target[section]
        target[leaf] = override.value()
        typed.add(override.key_or_group)
    try:
        return _checked(values, typed, {o.key_or_group: str(o.value()) for o in given})
    except ConfigError as error:
        if error.wrong == "is missing":  # from a file that has not all of a section's keys
            allowed = "all keys of a section, or those of ours first: defaults: [<option>]"
            raise ConfigError("", error.value, allowed, wrong=error.wrong) from None
        if error.wrong == "has an unknown key" and error.key in schema.known_keys(RunConfig):
            section, _, leaf = error.key.partition(".")  # no part of a file's nested settings
            allowed = f"{section}: {{{leaf}: {error.value}}}, as in our files"
            error = ConfigError(error.key, error.value, allowed, wrong="is not nested")
        where = conf_files.locate(files, error.key) if error.key not in typed else ""
        raise error.located(where) if where else error from None


def _checked(values: dict[str, Any], typed: Container[str], given: Mapping[str, str]) -> RunConfig:
    """The settings of composed values; `typed` are the keys that the command line has."""
    values = _resolved(values)
    values["env"] = games.named(str(values["env"]))
    schema.check_choice("env", values["env"], games.known(), allowed=config.Game.description)
    if "root" not in typed and values["root"] == "runs":
        values["root"] = str(config.default_root())
    values["root"] = os.path.expanduser(str(values["root"]))
    axes = values.pop("axes")
    if not isinstance(axes, list):
        raise ConfigError("axes", axes, "a list of keys, such as [attention.gate,protocol]")
    for key in axes:
        schema.check_choice("axes", key, overrides.axis_keys())
    settings = source.with_init(config.from_dict(values | {"axes": []}))
    options = {key: given.get(key, default) for key, default in defaults().items()}
    return config.with_axes(settings, axes, options)


def _resolved(values: dict[str, Any]) -> dict[str, Any]:
    """The values with what stands for another key's value, ${key}, replaced by that."""
    texts = {k: v for k, v in schema.flatten(values).items() if isinstance(v, str) and "${" in v}
    for key, text in texts.items():
        overrides.check_interpolations(key, text, [text])
    if not texts:
        return values
    try:
        resolved = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
    except (OmegaConfBaseException, RecursionError):
        key, text = next(iter(texts.items()))
        raise ConfigError(key, text, "keys that don't refer to one another in a circle") from None
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


# A sweep's points share most of their overrides: each is parsed and composed only once.
_parse = functools.cache(overrides.parse)


def _compose(
    chosen: Iterable[str], own: Path | None, *, with_hydra: bool = False
) -> tuple[DictConfig, list[Path]]:
    """Composes conf/ with the chosen options of its groups; also the user's files among these.

    Raises ConfigError.
    """
    files: list[Path] = []
    path: list[str] = []
    if own:
        options = dict(text.split("=", 1) for text in chosen)
        files = conf_files.check(own, {**defaults(), **options})
        path = [f"hydra.searchpath=[{overrides.quoted(f'file://{own}')}]"]
    try:
        return compose("config", [*chosen, *path], return_hydra_config=with_hydra), files
    except Exception as error:  # what is wrong in a user's file comes out of Hydra as anything
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:  # a key given twice
            raise conf_files.unreadable(Path(error.problem_mark.name), error) from None
        if key := re.search(r"full_key: (hydra\.\S+)", str(error)):
            reason = shorten(str(error).split("\n")[1])
            told = ConfigError("", key[1], f"what the launcher or the sweeper takes ({reason})")
            raise told.located(conf_files.locate(files, key[1])) from None
        reason = shorten(str(error).partition("\n")[0])
        allowed, wrong = "what Hydra can compose", f"can't be composed ({reason})"
        if "hydra/launcher/" in reason:
            allowed = "after pip install -e '.[slurm]', or '.[ray]' for engine=ray"
            wrong = "needs a launcher that isn't installed"
        elif f"'{SWEEPERS}/" in reason and "find" in reason:
            allowed = "after pip install -e '.[search]'"
            wrong = "needs a sweeper that isn't installed"
        raise ConfigError("", " ".join(chosen), allowed, wrong=wrong) from None


@functools.cache
def _compose_values(chosen: tuple[str, ...], own: Path | None) -> tuple[Any, list[Path]]:
    composed, files = _compose(chosen, own)
    return OmegaConf.to_container(composed), files


@functools.cache
def compose_hydra(chosen: tuple[str, ...], own: Path | None) -> DictConfig:
    """Hydra's own settings with the chosen options, `group=option`. Raises ConfigError."""
    return _compose(chosen, own, with_hydra=True)[0].hydra
