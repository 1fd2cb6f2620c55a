"""Files that are whole or not there, and what is said of a disk that doesn't take one."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from attn_ppo.errors import ExitCode, RunError, describe
from attn_ppo.lifecycle import disk


@pytest.fixture
def full(monkeypatch):
    """A disk of 4096-byte blocks with ten of them and no file free."""
    found = SimpleNamespace(f_bavail=10, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda _: found)
    return found


SAID = {
    errno.ENOSPC: "No space left on device (70,000 bytes needed, 40,960 bytes free)",
    errno.EDQUOT: "Disk quota exceeded (70,000 bytes needed, 40,960 bytes free); it is your quota",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
    errno.EIO: "Input/output error",
    errno.EFBIG: "File too large; see `ulimit -f`",
    errno.EMFILE: "Too many open files; see `ulimit -n`",
    errno.ESTALE: "Stale file handle; the network file system lost it",
    errno.ENAMETOOLONG: "File name too long",
}


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("number", SAID, ids=errno.errorcode.get)
def test_what_is_free_is_told_where_that_is_the_matter(number, tmp_path):
    told = disk.disk_error(tmp_path / "x", OSError(number, os.strerror(number)), 70_000)
    assert told.code == ExitCode.DISK
    assert str(told).startswith(f"can't write {tmp_path / 'x'}: {SAID[number]}")
    assert ("bytes free" in str(told)) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_a_disk_that_has_room_but_no_more_files(full, tmp_path):
    full.f_files = 1000
    told = disk.disk_error(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert str(told).endswith("No space left on device (40,960 bytes free, no files free)")


@pytest.mark.parametrize("number", SAID.keys() - {errno.EMFILE}, ids=errno.errorcode.get)
def test_the_disks_errors_are_the_disks_wherever_they_come_from(number):
    assert describe(OSError(number, "text", "file"))[0] == ExitCode.DISK


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_fsync_is_written_to(number, tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            disk.write_atomically(tmp_path / "x", "whole")
        assert list(tmp_path.iterdir()) == []
    else:
        disk.write_atomically(tmp_path / "x", "whole")
        assert (tmp_path / "x").read_text() == "whole"


def test_what_becomes_the_file_is_hidden_beside_it(tmp_path):
    """Where no list of files shows it, and a rename doesn't cross file systems."""
    with disk.replacing(tmp_path / "x") as pending:
        pending.write_text("whole")
        hidden = tmp_path / f".x.{os.getpid()}.pending"
        assert list(tmp_path.iterdir()) == [pending] == [hidden]
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_two_processes_may_write_the_same_file(tmp_path):
    """Whole is what one of them wrote, always, and neither fails."""
    path = tmp_path / "x"
    code = f"""
from pathlib import Path
import sys
from attn_ppo.lifecycle import disk
disk.sync = lambda _: None  # as a disk that takes no time
for _ in range(1500):
    disk.write_atomically(Path({str(path)!r}), sys.argv[1] * 100_000)
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        text = path.read_text() if path.exists() else ""
        seen.add((len(text), len(set(text))))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen - {(0, 0)} == {(100_000, 1)}
    assert list(tmp_path.iterdir()) == [path]


def test_what_kills_left_is_removed(tmp_path):
    (tmp_path / "milestones").mkdir()
    left = [".checkpoint.pt.7.pending", ".checkpoint.pt.pending"]  # the latter of an older version
    left += ["milestones/.env_steps=0000000032.pt.12.pending"]
    kept = [".page.html.7.pending", "checkpoint.pt"]  # another command may be writing the former
    for name in (*left, *kept):
        (tmp_path / name).touch()
    disk.swept(tmp_path, "*.pt")
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert there == set(kept)


def test_no_file_stays_open_after_a_write(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    disk.write_atomically(tmp_path / "x", "whole")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_can_t_be_removed_either_hides_no_error(tmp_path, monkeypatch):
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(OSError, match="No space left"), disk.replacing(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_disk_that_is_asked_is_that_of_the_nearest_folder_there_is(tmp_path, monkeypatch):
    asked = []

    def statvfs(folder: Path) -> None:
        asked.append(folder)
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "statvfs", statvfs)
    told = disk.disk_error(tmp_path / "a/b/x", OSError(errno.ENOSPC, "No space left"), 70_000)
    assert asked == [tmp_path]
    assert str(told).endswith("/a/b/x: No space left (70,000 bytes needed)")  # no word on what is


def test_a_file_in_the_place_of_a_folder_can_t_be_written_to(tmp_path):
    (tmp_path / "seed=0").write_text("")
    with pytest.raises(RunError, match=r"can't write .*/seed=0: Not a directory") as told:
        disk.check_writable([tmp_path / "seed=1", tmp_path / "seed=0"])
    assert told.value.code == ExitCode.DISK
    disk.check_writable([tmp_path, tmp_path / "seed=1"])
    assert list(tmp_path.iterdir()) == [tmp_path / "seed=0"]
