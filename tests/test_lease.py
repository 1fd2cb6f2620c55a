"""A file with a pulse says who has a run folder: one at a time, wherever they are."""

import errno
import json
import os
import threading
import time

import pytest
from leases import elsewhere, hasten

from attn_ppo.lifecycle import lease
from attn_ppo.lifecycle.lease import Lease, Taken


@pytest.fixture
def quick(monkeypatch):
    hasten(monkeypatch)


def test_a_lease_says_who_has_it(tmp_path):
    held = Lease(tmp_path)
    said = json.loads((tmp_path / "lease.1").read_text())
    assert said["holder"].startswith(f"pid {os.getpid()} on ")
    assert said["process"][1] == os.getpid()
    assert said["time"][:2] == "20"
    held.close()
    assert json.loads((tmp_path / "lease.1").read_text())["holder"] == ""


def test_a_lease_ends_when_the_next_number_is_there_or_it_is_gone(tmp_path):
    for path, made in ((tmp_path / "lease.2", True), (tmp_path / "lease.3", False)):
        held = Lease(tmp_path)
        assert held.is_ours()
        path.write_text("") if made else path.unlink()
        assert not held.is_ours()
        held.close()
        (tmp_path / "lease.2").write_text('{"holder": ""}')


def test_a_pid_that_begins_anew_is_another_process(tmp_path):
    held = Lease(tmp_path)
    path = tmp_path / "lease.1"
    said = json.loads(path.read_text())
    said["process"][2] = "1"  # as if this process had taken over the pid of one that died
    path.write_text(json.dumps(said))
    Lease(tmp_path).close()
    assert not held.is_ours()
    held.close()


@pytest.mark.usefixtures("quick")
def test_another_machines_live_lease_is_seen_by_its_pulse(tmp_path, monkeypatch, capsys):
    held = Lease(tmp_path)
    elsewhere(monkeypatch)
    began = time.monotonic()
    with pytest.raises(Taken, match=f"pid {os.getpid()} on "):
        Lease(tmp_path)
    assert time.monotonic() - began < 0.5
    assert "waiting up to 0 s for a sign of life" in capsys.readouterr().out
    assert held.is_ours()
    held.close()
    Lease(tmp_path).close()  # given back: at once


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"holder": "me", "process": 7}', b"\xff"])
def test_a_lease_that_says_nothing_is_waited_for(said, tmp_path):
    (tmp_path / "lease.7").write_bytes(said)
    began = time.monotonic()
    held = Lease(tmp_path)
    assert time.monotonic() - began >= 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["lease.8"]
    held.close()


@pytest.mark.usefixtures("quick")
def test_of_many_that_race_for_a_stale_lease_one_gets_it(tmp_path, monkeypatch):
    for _ in range(20):
        (tmp_path / "lease.3").write_text('{"holder": "pid 7 on gone", "process": ["gone", 7, ""]}')
        monkeypatch.setattr(lease, "STALE_SECONDS", 0.02)
        gate, found = threading.Barrier(8), []

        def race(gate=gate, found=found) -> None:
            gate.wait()
            try:
                found.append(Lease(tmp_path))
            except Taken as error:
                found.append(str(error))

        racers = [threading.Thread(target=race) for _ in range(8)]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        winners = [each for each in found if isinstance(each, Lease)]
        assert len(winners) == 1
        assert winners[0].is_ours()
        assert set(found) - set(winners) <= {lease.this_process(), ""}
        winners[0].close()
        (tmp_path / "lease.4").unlink()


def test_who_was_slow_to_take_a_stale_lease_finds_it_long_taken(tmp_path, monkeypatch):
    """Between looking and creating, others took it, gave it back, and one took the next."""
    lease_at_last: list[Lease] = []
    real_open = os.open

    def slow_open(path, flags, *rest):
        if str(path).endswith("lease.4"):
            monkeypatch.setattr(os, "open", real_open)
            Lease(tmp_path).close()  # 4
            lease_at_last.append(Lease(tmp_path))  # 5, which clears 4 away
            assert [each.name for each in tmp_path.iterdir()] == ["lease.5"]
        return real_open(path, flags, *rest)

    (tmp_path / "lease.3").write_text('{"holder": ""}')
    monkeypatch.setattr(os, "open", slow_open)
    with pytest.raises(Taken, match=f"pid {os.getpid()} on "):
        Lease(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["lease.5"]
    assert lease_at_last[0].is_ours()
    lease_at_last[0].close()


def test_a_lease_that_the_disk_does_not_take_is_none(tmp_path, monkeypatch):
    def pwrite(*_):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(OSError, match="full"):
            Lease(tmp_path)
    assert list(tmp_path.iterdir()) == []
    Lease(tmp_path).close()
