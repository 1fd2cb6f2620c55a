"""Where the files of a command go: its default, or what --out names; what kinds of them."""

from pathlib import Path
from typing import Any

from attn_ppo.errors import ConfigError

KINDS: dict[str, dict[str, Any]] = {  # of figures, with what they would say of date and program
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


def folder_of(given: Path | None, default: Path) -> Path:
    """A folder, which need not be there. Raises ConfigError where `given` is a file."""
    if given is not None and given.exists() and not given.is_dir():
        raise ConfigError("--out", given, "a folder, there or not", wrong="is a file")
    return given or default


def file_of(given: Path | None, default: Path) -> Path:
    """A file; where `given` is a folder that is there, the one in it with the default's name."""
    return given / default.name if given is not None and given.is_dir() else given or default
