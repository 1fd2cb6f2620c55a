"""Files that are whole or not there, and what to say of a disk that doesn't take them."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from attn_ppo.errors import ExitCode, RunError

try:
    import fcntl
except ImportError:  # no Unix
    fcntl = None

FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
HINTS = {  # what the system's own words leave open
    errno.EDQUOT: "; it is your quota that is used up",
    errno.EFBIG: "; see `ulimit -f`",
    errno.EMFILE: "; see `ulimit -n`",
    errno.ESTALE: "; the network file system lost it, the same command goes on",
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to, which becomes `path` at the end, on the disk, all of it or none.

    Of two processes that write the same file the later has it. After an error nothing is left; a
    kill leaves at most one `.pending` file, see `swept`.
    """
    pending = path.with_name(f".{path.name}.{os.getpid()}.pending")
    try:
        yield pending
        with open(pending, "rb+") as file:
            sync(file.fileno())
        os.replace(pending, path)
    finally:
        with contextlib.suppress(OSError):
            pending.unlink(missing_ok=True)
    sync_folder(path.parent)


def swept(folder: Path, names: str) -> None:
    """Removes what kills left of such files, which nobody else may be writing, at any depth."""
    for left in folder.rglob(f".{names}*.pending"):
        with contextlib.suppress(OSError):
            left.unlink()


def write_atomically(path: Path, content: str | bytes) -> None:
    """The whole file or none of it, on the disk when this returns, whatever happens meanwhile."""
    with replacing(path) as pending:
        pending.write_bytes(content.encode() if isinstance(content, str) else content)


def sync_folder(folder: Path) -> None:
    """Makes renames within a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def sync(handle: int) -> None:
    """fsync, where the file system has it: some network file systems don't, or not for folders.

    On macOS F_FULLFSYNC, where there is it: fsync leaves what is in the drive's own cache.
    """
    if fcntl and FULL_SYNC is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, FULL_SYNC)
            return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def check_writable(folders: Iterable[Path]) -> None:
    """Raises RunError where a folder couldn't be made or written to. Leaves nothing."""
    there: dict[Path, Path] = {}  # what exists of each folder's path
    for folder in folders:
        exists = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        there.setdefault(exists, folder)
    for exists, folder in there.items():
        try:
            with tempfile.TemporaryFile(dir=exists):
                pass
        except OSError as error:
            raise RunError(ExitCode.DISK, f"can't write {folder}: {error.strerror}") from None


def disk_error(path: Path, error: OSError, needed: int | None = None) -> RunError:
    """A disk that didn't take a file of `needed` bytes; where space is the matter, what is free."""
    facts = [] if needed is None else [f"{needed:,} bytes needed"]
    there = next((folder for folder in (path, *path.parents) if folder.exists()), Path())
    with contextlib.suppress(OSError):
        disk = os.statvfs(there)
        facts.append(f"{disk.f_bavail * disk.f_frsize:,} bytes free")
        if disk.f_files and not disk.f_favail:  # file systems without a number of files have 0
            facts.append("no files free")
    told = f" ({', '.join(facts)})" if error.errno in NO_SPACE and facts else ""
    hint = HINTS.get(error.errno or 0, "")
    return RunError(ExitCode.DISK, f"can't write {path}: {error.strerror}{told}{hint}")
