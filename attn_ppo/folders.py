"""What people meant by a folder that isn't there: `nearest_folder`."""

import difflib
from collections.abc import Iterable
from pathlib import Path

ALIKE = 0.65  # by difflib's ratio; stduy and study have 0.8


def nearest_folder(path: Path, root: Path) -> Path | None:
    """The folder that a mistyped path most likely meant, looked for in `root` as well.

    None where the path is a folder, or nothing like it is there.
    """
    try:
        if path.is_dir():
            return None
        if path.is_absolute():
            return _nearest(Path(path.anchor), path.parts[1:])
        return _nearest(root, path.parts) or _nearest(Path(), path.parts)
    except (OSError, ValueError):  # a folder that may not be read, a name that can't be one
        return None


def _nearest(there: Path, parts: Iterable[str]) -> Path | None:
    """Part by part the one of that name, else the one most alike; None where none is."""
    for part in parts:
        if (there / part).is_dir():
            there /= part
            continue
        names = {each.name.lower(): each for each in there.glob("[!.]*") if each.is_dir()}
        alike = difflib.get_close_matches(part.lower(), names, n=1, cutoff=ALIKE)
        if not alike:
            return None
        there = names[alike[0]]
    return there
