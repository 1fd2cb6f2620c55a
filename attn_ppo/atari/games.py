"""The games that can be played, by their ALE names, with their ROMs and actions."""

import hashlib
import os
import re
from functools import cache
from pathlib import Path

import ale_py
import gymnasium
from ale_py import roms

from attn_ppo.errors import ConfigError
from attn_ppo.schema import check_choice


def known() -> dict[str, str]:
    """ALE's name of every single-player game -> the id of its ROM."""
    # The two-player ROMs (combat, joust, maze_craze, warlords) would end the process without
    # an exception; they aren't registered.
    specs = [s for s in gymnasium.registry.values() if s.namespace == "ALE" and s.version == 5]
    return {spec.name: spec.kwargs["game"] for spec in specs}


def named(text: str) -> str:
    """The ALE name of a game in another spelling: MsPacman for ms_pacman, ms-pacman or MSPACMAN.

    What is no game's name comes back as it is.
    """
    by_letters = {name.lower(): name for name in known()}
    return by_letters.get(re.sub(r"[ _-]", "", text.lower()), text)


def rom_id(game: str) -> str:
    """The id of a game's ROM. Raises ConfigError, a ValueError, for an unknown game."""
    games = known()
    allowed = f"a single-player game by its ALE name, such as Breakout; there are {len(games)}"
    return games[check_choice("env", game, games, allowed=allowed)]


def rom_path(game: str) -> Path:
    """The ROM file that is played: ALE's own, or that in ALE_ROMS_DIR.

    Raises ConfigError where it isn't there or isn't the ROM that ALE expects.
    """
    name = rom_id(game)
    try:
        path = roms.get_rom_path(name)
    except OSError as error:
        reason = error.strerror or str(error).partition("\n")[0]
        allowed = f"a folder with ALE's {name}.bin; or unset it, for the ROMs that ale-py brings"
        folder, wrong = os.environ.get("ALE_ROMS_DIR", ""), f"can't be used: {reason}"
        raise ConfigError("ALE_ROMS_DIR", folder, allowed, wrong=wrong) from None
    assert path is not None  # only for a name that known() doesn't have
    return path


def rom_md5(game: str) -> str:
    """MD5 of the ROM file that is played, in hex."""
    return hashlib.md5(rom_path(game).read_bytes()).hexdigest()


@cache
def action_names(game: str) -> tuple[str, ...]:
    """The names of a game's minimal action set, by action number."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.loadROM(rom_path(game))
    return tuple(action.name for action in ale.getMinimalActionSet())
