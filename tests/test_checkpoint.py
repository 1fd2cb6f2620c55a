"""Checkpoints where the disk is full, unreadable or read-only, and which of them is meant."""

import errno
import os
import pickle
from pathlib import Path

import pytest

from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.generations import digests


def save(folder: Path, *updates: int) -> None:
    for number in updates:
        checkpoint.save(folder, {"update": number})


def digest(path: Path) -> str:
    return path.read_bytes()[-32:].hex()


def refused(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("owner", "name"), [(checkpoint, "write_atomically"), (os, "replace")])
def test_a_full_disk_is_told_with_what_is_needed_and_costs_no_checkpoint(
    owner, name, tmp_path, monkeypatch
):
    save(tmp_path, 1)
    size = len(checkpoint.packed({"update": 2}))
    told = f"can't write {tmp_path}/checkpoint.pt: No space left on device ({size:,} bytes needed, "
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, refused)
        with pytest.raises(RunError) as error:
            save(tmp_path, 2)
    assert error.value.code == ExitCode.DISK
    assert str(error.value).startswith(told)
    assert checkpoint.load(tmp_path) == {"update": 1}


def test_of_two_that_are_damaged_the_newest_is_told_and_put_aside(tmp_path, capsys):
    save(tmp_path, 1, 2)
    (tmp_path / "checkpoint.new.pt").write_bytes(b"cut")
    (tmp_path / "checkpoint.pt").write_bytes(b"cut too")
    assert checkpoint.load(tmp_path) == {"update": 1}
    new, previous = tmp_path / "checkpoint.new.pt", tmp_path / "checkpoint.prev.pt"
    assert capsys.readouterr().out == f"warning: {new} is damaged; going on from {previous}\n"
    assert (tmp_path / "checkpoint.damaged.pt").read_bytes() == b"cut"
    assert not new.exists()


def test_none_that_is_damaged_takes_the_place_of_the_one_that_is_whole(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "checkpoint.new.pt").write_bytes(b"cut")
    (tmp_path / "checkpoint.pt").write_bytes(b"cut too")
    checkpoint.load(tmp_path)
    save(tmp_path, 2)  # the run has gone on
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    assert checkpoint.load(tmp_path) == {"update": 1}


def test_on_a_read_only_disk_the_previous_one_is_read_all_the_same(tmp_path, monkeypatch):
    save(tmp_path, 1, 2)
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    monkeypatch.setattr(os, "replace", refused)
    assert checkpoint.load(tmp_path) == {"update": 1}


def test_what_can_t_be_opened_counts_as_damaged(tmp_path):
    save(tmp_path, 1, 2)
    (tmp_path / "checkpoint.pt").unlink()
    (tmp_path / "checkpoint.pt").mkdir()
    assert checkpoint.load(tmp_path) == {"update": 1}


def test_no_code_runs_that_a_checkpoint_of_another_s_may_hold(tmp_path):
    class Harmful:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "checkpoint.pt").write_bytes(checkpoint.packed({"update": Harmful()}))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_is_found_by_its_digest_whichever_generation_it_is(tmp_path):
    save(tmp_path, 1, 2)
    newest, previous = digest(tmp_path / "checkpoint.pt"), digest(tmp_path / "checkpoint.prev.pt")
    assert digests(tmp_path) == [newest, previous]
    assert checkpoint.load_digest(tmp_path, newest) == {"update": 2}
    assert checkpoint.load_digest(tmp_path, previous) == {"update": 1}
    assert checkpoint.load_digest(tmp_path, "0" * 64) is None


def test_digests_are_those_of_the_files_as_they_are_now(tmp_path):
    save(tmp_path, 1)
    first = digests(tmp_path)
    save(tmp_path, 2)
    assert digests(tmp_path) == [digest(tmp_path / "checkpoint.pt"), *first]
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    assert digests(tmp_path) == first
