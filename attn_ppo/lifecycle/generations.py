"""A run's checkpoint files, each of which ends with the SHA-256 of what precedes it. No torch."""

import hashlib
from functools import lru_cache
from pathlib import Path

NEWEST, PREVIOUS = "checkpoint.pt", "checkpoint.prev.pt"
FRESH = "checkpoint.new.pt"  # complete, and newer than NEWEST: a kill came between two renames
DIGEST_BYTES = 32


def paths(folder: Path) -> list[Path]:
    """Where a run's checkpoints may be, the newest first."""
    return [folder / name for name in (FRESH, NEWEST, PREVIOUS)]


def whole(path: Path) -> tuple[bytes, str] | None:
    """What torch.save wrote, and its SHA-256 in hex, if it is all there and unchanged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    data, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    return (data, digest.hex()) if hashlib.sha256(data).digest() == digest else None


def digests(folder: Path) -> list[str]:
    """The SHA-256 of each whole checkpoint of a run, the newest first."""
    found = []
    for path in paths(folder):
        try:
            facts = path.stat()
        except OSError:
            continue
        found += _digest(path, facts.st_mtime_ns, facts.st_size)
    return found


@lru_cache(maxsize=256)
def _digest(path: Path, _mtime_ns: int, _size: int) -> list[str]:
    """Its digest, none where it isn't whole; a sweep's runs may all ask for the same."""
    found = whole(path)
    return [found[1]] if found else []
