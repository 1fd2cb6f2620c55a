"""A folder kept for one process where no lock of the file system does it: by a file with its pulse.

The process that has the folder writes its `lease.<number>` again every BEAT_SECONDS. Another may
create the next number once this one was given back, its process is gone from the same machine, or
it didn't change for STALE_SECONDS of the other's own clock; the file system lets only one do that.
A process that was suspended for so long finds out (`is_ours`) before it writes to the folder again.
"""

import contextlib
import errno
import json
import os
import socket
import threading
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from attn_ppo.lifecycle import processes
from attn_ppo.lifecycle.disk import sync

BEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
CLEARED_AWAY = (errno.ENOENT, errno.ESTALE)  # by the holder of a later one


class Taken(Exception):
    """Another process has the folder; the message is how it describes itself, if it does."""


class Lease:
    """A lease on a folder, kept up by a thread until it is closed."""

    def __init__(self, folder: Path):
        """Raises Taken where another process has it, which takes up to STALE_SECONDS to know."""
        self._path, self._file = _create_next(folder)
        self._inode = os.fstat(self._file).st_ino
        self._beats, self._over = 0, threading.Event()
        try:
            self._write(this_process())
        except OSError:  # a full disk: an empty lease would have others wait
            os.close(self._file)
            self._path.unlink(missing_ok=True)
            raise
        for number, path in _leases(folder).items():
            if number < _number(self._path):
                path.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._keep_up, daemon=True)
        self._thread.start()

    def is_ours(self) -> bool:
        """Whether it still is: no other process took it for stale."""
        following = self._path.with_suffix(f".{_number(self._path) + 1}")
        try:
            with open(self._path, "rb") as file:  # on NFS this asks the server, stat may not
                same = os.fstat(file.fileno()).st_ino == self._inode
        except OSError as error:
            if error.errno in CLEARED_AWAY:
                return False
            raise
        return same and not following.exists()

    def close(self) -> None:
        """Gives it back. The file stays, for the next number to follow."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._write("")
        os.close(self._file)

    def _keep_up(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self._beats += 1
            with contextlib.suppress(OSError):  # for a moment; else the run's own writes fail too
                self._write(this_process())

    def _write(self, holder: str) -> None:
        """In place, by its handle: a file that was cleared away must not come back."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"holder": holder, "time": now, "beats": self._beats, "process": _identity()}
        data = json.dumps(facts).encode()
        os.pwrite(self._file, data, 0)
        os.ftruncate(self._file, len(data))
        sync(self._file)


def newest(folder: Path) -> Path | None:
    """The lease that counts, whether given back or not."""
    leases = _leases(folder)
    return leases[max(leases)] if leases else None


def holder(folder: Path) -> str:
    """How the process that has a lease describes itself; "" if none has. Doesn't wait to know."""
    path = newest(folder)
    facts = _facts(_read(path)) if path else {}
    alive = _is_alive(facts)
    if path and alive is None:
        with contextlib.suppress(OSError):
            alive = time.time() - path.stat().st_mtime < STALE_SECONDS
    return facts.get("holder", "") if alive else ""


def this_process() -> str:
    """This process in a few words."""
    return f"pid {os.getpid()} on {socket.gethostname()}"


def _create_next(folder: Path) -> tuple[Path, int]:
    """The file of the next number, open. Raises Taken."""
    while True:
        path = newest(folder)
        if path:
            _wait_for(path)
        number = _number(path) + 1 if path else 1
        created = folder / f"lease.{number}"
        try:
            file = os.open(created, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue  # another process was first: it has the folder, or had it
        if max(_leases(folder)) == number:
            return created, file
        os.close(file)  # a number that others had, gave back and cleared away since we looked
        created.unlink(missing_ok=True)


def _wait_for(path: Path) -> None:
    """Returns once a lease is free. Raises Taken as soon as it shows that it isn't."""
    before = _read(path)
    facts = _facts(before)
    alive = _is_alive(facts)
    if alive:
        raise Taken(facts["holder"])
    if alive is None:
        print(
            f"{path.parent} was last run by {facts.get('holder') or 'another process'}: "
            f"waiting up to {STALE_SECONDS:.0f} s for a sign of life from it",
            flush=True,
        )
        end = time.monotonic() + STALE_SECONDS
        while _read(path) == before:
            if time.monotonic() > end:
                return
            time.sleep(min(1, BEAT_SECONDS / 4))
        facts = _facts(_read(path))
        if path.exists() and facts.get("holder") != "":
            raise Taken(facts.get("holder", ""))


def _leases(folder: Path) -> dict[int, Path]:
    """The leases in a folder by their numbers."""
    found = (path for path in folder.glob("lease.*") if path.suffix[1:].isdecimal())
    return {_number(path): path for path in found}


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _read(path: Path) -> bytes | None:
    """What a lease says, as it is; None where it was cleared away."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in CLEARED_AWAY:
            return None
        raise


def _facts(said: bytes | None) -> dict[str, Any]:
    try:
        facts = json.loads(said or b"")
    except ValueError:
        return {}  # just created, or read while it is written
    return facts if isinstance(facts, dict) else {}


def _is_alive(facts: dict[str, Any]) -> bool | None:
    """Whether the process that wrote these facts has the lease; None where that can't be told."""
    if facts.get("holder") == "":
        return False
    try:
        machine, pid, started = facts["process"]
    except (KeyError, TypeError, ValueError):
        return None
    if machine != _machine():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    found = processes.started(pid)
    return found is None or found == started


def _identity() -> tuple[str, int, str | None]:
    return _machine(), os.getpid(), processes.started(os.getpid())


@cache
def _machine() -> str:
    """Tells machines apart, and containers that number processes of their own, until they boot."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {time.time_ns()}"  # like no other: its pulse must tell
