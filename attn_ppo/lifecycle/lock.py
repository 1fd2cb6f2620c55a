"""Who has a run folder: one process at a time, on every file system.

flock decides where it works. Where it fails (Lustre without its flock option, some NFS and FUSE),
would hold on one machine only (NFS with nolock), or isn't there (Python without fcntl), lease.py
does.
"""

import errno
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import lease, processes
from attn_ppo.lifecycle.lease import Lease

try:
    import fcntl
except ImportError:  # no Unix
    fcntl = None

NO_FLOCK = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
NOTHING = "it succeeds and does nothing"
ON_ONE_MACHINE = {"nolock", "local_lock=all", "local_lock=flock", "localflock", "nobrl"}


class RunLock:
    """A folder that no other process has, until it is closed."""

    def __init__(self, folder: Path):
        """Raises RunError where another process has the folder, OSError of the disk.

        Takes up to lease.STALE_SECONDS where a process of another machine had it last, on a lease.
        """
        self._folder, self._lease = folder, None
        self._file = open(folder / "lock", "a+")  # noqa: SIM115 held until close()
        try:
            flocked = self._flock()
            if not flocked or lease.newest(folder):  # as of a machine where flock fails
                self._lease = Lease(folder)
        except lease.Taken as error:
            self._file.close()
            raise _busy(folder, str(error)) from None
        except BaseException:
            self._file.close()
            raise

    def _flock(self) -> bool:
        """Whether flock keeps every other process out. Raises Taken."""
        if fcntl is None or flock_is_local(self._folder, _mountinfo()):
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            raise lease.Taken(self._file.read().strip()) from None
        except OSError as error:
            if error.errno in NO_FLOCK:
                return False
            raise
        self._file.truncate(0)
        self._file.write(lease.this_process())
        self._file.flush()
        return True

    def check(self) -> None:
        """Raises RunError where another process took the folder, as this one seemed dead."""
        if self._lease and not self._lease.is_ours():
            raise _busy(self._folder, lease.holder(self._folder))

    def close(self) -> None:
        """Gives the folder back."""
        if self._lease:
            self._lease.close()
        self._file.close()


def flock_fails(folder: Path) -> str:
    """Why flock in `folder` doesn't keep other processes out, tried with one; "" if it does.

    NOTHING where flock succeeds and does nothing, which no RunLock can know. Raises OSError where
    no file can be made there.
    """
    if fcntl is None:
        return "this Python has no fcntl"
    if flock_is_local(folder, _mountinfo()):
        return "it reaches this machine only, by how the file system is mounted"
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return (error.strerror or str(error)).lower()
        command = [sys.executable, "-c", code, file.name]
        other = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "" if other.returncode else NOTHING


def flock_is_local(folder: Path, mountinfo: str) -> bool:
    """Whether flock on `folder` is told only to processes of this machine, by /proc's mountinfo."""
    found, options = "", ""
    for line in mountinfo.splitlines():
        fields, _, after = line.partition(" - ")
        mount = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split()[4])
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(found):
            found, options = mount, after.split()[-1]
    return not ON_ONE_MACHINE.isdisjoint(options.split(","))


def held_here() -> set[tuple[int, int]] | None:
    """Inode and process of every file lock on this machine; None where it doesn't tell (macOS)."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    found = (re.search(r" (\d+) \w+:\w+:(\d+) ", line) for line in lines)
    return {(int(match[2]), int(match[1])) for match in found if match}


def holder(folder: Path, held: Collection[tuple[int, int]] | None) -> str:
    """How the process that has a folder describes itself; "" if none is known to. Locks nothing.

    `held` is searched by inode and pid, not by device: overlays and btrfs number these differently.
    Where it is None the process that locked the folder last has it for as long as it is there.
    """
    try:
        said = (folder / "lock").read_text(errors="replace").strip()
        lock, pid = (folder / "lock").stat(), int(said.split()[1])
        if _is_there(said, pid, lock.st_mtime) if held is None else (lock.st_ino, pid) in held:
            return said
    except (OSError, ValueError, IndexError):
        pass
    return lease.holder(folder)


def _is_there(said: str, pid: int, locked_at: float) -> bool:
    """Whether the process that locked a folder then is there, not another of its number."""
    if not said.endswith(f" on {socket.gethostname()}"):
        return False
    alive = processes.seconds_alive(pid)
    return alive is not None and time.time() - alive <= locked_at + 2  # both are to a second


def _mountinfo() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ""


def _busy(folder: Path, holder: str) -> RunError:
    return RunError(ExitCode.BUSY, f"{folder} is being run by {holder or 'another process'}")
