"""`init_from`: whose weights a run starts from, found and checked without torch."""

import dataclasses
import os
from pathlib import Path

from attn_ppo import config
from attn_ppo.atari.games import action_names
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.folders import nearest_folder
from attn_ppo.formats import plain
from attn_ppo.lifecycle.generations import digests, paths
from attn_ppo.lifecycle.run_dir import read_status


def with_init(settings: RunConfig) -> RunConfig:
    """The settings with the SHA-256 of the checkpoint in `init_from` as `init_sha256`.

    A run that has begun needs its source no more: what it recorded counts. Otherwise raises
    ConfigError where there is no whole checkpoint, not the one asked for, or one that doesn't fit.
    """
    if settings.init_folder is None:
        return settings
    sha256 = _recorded(settings) or _found(settings, settings.init_folder)
    return dataclasses.replace(settings, init_sha256=sha256)


def _recorded(settings: RunConfig) -> str | None:
    """The digest in the config.yaml of the run of these settings, where there is such a run.

    It is looked for in all folders that it may have: a level of its path may be named after it.
    """
    below = f"lambda={plain(settings.lambda_)}/seed={settings.seed}"
    of_game = settings.sweep_folder / settings.env
    for folder in (of_game / below, *of_game.glob(f"*/{below}")):
        try:
            theirs = config.read(folder / "config.yaml")
        except ConfigError:  # told by those who open it
            continue
        ours = dataclasses.replace(settings, init_sha256=settings.init_sha256 or theirs.init_sha256)
        same = config.identity(ours) == config.identity(theirs)
        if same and theirs.init_folder == settings.init_folder and _can_go_on(folder, theirs):
            return theirs.init_sha256
    return None


def _can_go_on(folder: Path, theirs: RunConfig) -> bool:
    """Whether a run has begun, or its source still has the weights to begin with."""
    begun = any(path.exists() for path in paths(folder))
    if begun or read_status(folder).get("state") == "done" or theirs.init_folder is None:
        return True
    return theirs.init_sha256 in digests(theirs.init_folder)


def _found(settings: RunConfig, folder: Path) -> str:
    """The digest of the source's newest whole checkpoint, or the one asked for, if it fits."""
    if not os.path.isdir(folder):  # which a name too long for the disk is not, nor an error
        known = "the folder of a run; quote a name with commas, for the shell as well: \"'...'\""
        near = nearest_folder(Path(folder), config.default_root())
        raise _error(settings, "isn't there", known, near and str(near))
    known = "a run's folder with a checkpoint, as in runs/<name>/<env>/lambda=<lambda>/seed=<seed>/"
    try:
        source = config.read(folder / "config.yaml")
    except ConfigError as error:
        raise _error(settings, f"has no usable config.yaml: {error.wrong}", known) from None
    there, asked = digests(folder), settings.init_sha256
    if not there:
        raise _error(settings, "has no whole checkpoint", known)
    if asked and asked not in there:
        newest = f"{there[0]}, its newest; that one has been trained further"
        raise ConfigError("init_sha256", asked, newest, wrong=f"is no checkpoint in {folder}")
    _check_fit(settings, source)
    return asked or there[0]


def _check_fit(settings: RunConfig, source: RunConfig) -> None:
    """Raises ConfigError where the source's weights are those of another network."""
    theirs, ours = dataclasses.asdict(source.attention), dataclasses.asdict(settings.attention)
    differing = [key for key in ours if ours[key] != theirs[key]]
    if differing:
        has, asked = (
            " ".join(f"attention.{key}={values[key]}" for key in differing)
            for values in (theirs, ours)
        )
        raise _error(settings, f"has {has}, not {asked}", f"a run with {asked}; or ask for {has}")
    if source.env != settings.env and action_names(source.env) != action_names(settings.env):
        actions = len(action_names(source.env)), len(action_names(settings.env))
        wrong = f"plays {source.env}, whose actions ({actions[0]}) aren't {settings.env}'s"
        allowed = f"a run of {settings.env}, or of a game with the same {actions[1]} actions"
        raise _error(settings, wrong, allowed)


def _error(
    settings: RunConfig, wrong: str, allowed: str, nearest: str | None = None
) -> ConfigError:
    return ConfigError("init_from", settings.init_from, allowed, nearest, wrong=wrong)
