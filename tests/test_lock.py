"""One process a run folder, also on file systems where flock fails, by a file with a pulse."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from leases import elsewhere, hasten
from starting import COMMAND, wait_for

from attn_ppo import status
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import lease
from attn_ppo.lifecycle.lease import Lease, Taken
from attn_ppo.lifecycle.lock import RunLock, flock_is_local
from attn_ppo.lifecycle.run_dir import RunDir, read_status

FAILS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]
ROW = {"env_steps": 8, "env_index": 3, "episode_return": -21.0, "episode_length": 764}


@pytest.fixture
def no_flock(monkeypatch, request):
    """As on a file system where flock fails."""

    def flock(*_):
        raise OSError(getattr(request, "param", errno.ENOSYS), "not here")

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def quick(monkeypatch):
    hasten(monkeypatch)


def holder_in(folder: Path) -> str:
    return lease.holder(folder)


@pytest.mark.parametrize("no_flock", FAILS, indirect=True, ids=errno.errorcode.get)
@pytest.mark.usefixtures("no_flock")
def test_without_flock_one_process_at_a_time(tmp_path):
    first = RunLock(tmp_path)
    for _ in range(2):
        with pytest.raises(RunError, match=f"is being run by pid {os.getpid()} on ") as told:
            RunLock(tmp_path)
        assert told.value.code == ExitCode.BUSY
    first.close()
    assert holder_in(tmp_path) == ""
    second = RunLock(tmp_path)
    second.check()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lease.2", "lock"]
    second.close()


@pytest.mark.usefixtures("no_flock")
def test_other_faults_of_flock_are_the_disks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="broken"):
        RunLock(tmp_path)
    assert not list(tmp_path.glob("lease.*"))


@pytest.mark.usefixtures("no_flock")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_process_of_this_machine_keeps_nothing_a_stopped_one_does(how, tmp_path):
    code = "import sys, time; from pathlib import Path; from attn_ppo.lifecycle.lease import Lease;"
    code += "lease = Lease(Path(sys.argv[1])); print('held', flush=True); time.sleep(99)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        process.send_signal(how)
        if how == signal.SIGKILL:
            process.wait()
            RunLock(tmp_path).close()
        else:
            with pytest.raises(RunError, match=f"is being run by pid {process.pid} on "):
                RunLock(tmp_path)
            process.kill()


@pytest.mark.usefixtures("quick", "no_flock", "in_empty_folder")
def test_a_run_that_was_suspended_too_long_writes_nothing_more(settings_of, monkeypatch):
    settings = settings_of()
    slept = RunDir(settings)
    assert slept._lock._lease
    slept._lock._lease._over.set()  # no pulse
    elsewhere(monkeypatch)
    other = RunDir(settings)
    other.write_status("running", total_steps=7)

    def files() -> dict[Path, bytes]:
        found = (path for path in settings.folder.iterdir() if path.suffix != ".2")  # the pulse
        return {path: path.read_bytes() for path in found}

    before = files()
    for write in (
        lambda: slept.append("episodes.csv", [ROW]),
        slept.sync,
        lambda: slept.write_status("done"),
    ):
        with pytest.raises(RunError, match="is being run by pid") as told:
            write()
        assert told.value.code == ExitCode.BUSY
    slept.__exit__(None, told.value, None)  # records no failure in what is another's folder
    assert files() == before
    assert read_status(settings.folder)["state"] == "running"
    other.append("episodes.csv", [ROW])
    other.close()


def test_where_flock_works_a_lease_of_elsewhere_counts_too(tmp_path):
    held = Lease(tmp_path)  # of a machine that mounted the disk without flock
    with pytest.raises(RunError, match="is being run by"):
        RunLock(tmp_path)
    held.close()
    both = RunLock(tmp_path)
    with pytest.raises(Taken):
        Lease(tmp_path)
    both.close()


MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
40 22 0:40 / /home rw - nfs4 server:/home rw,vers=4.2,local_lock=none,addr=10.0.0.1
41 22 0:41 / /old rw - nfs server:/old rw,vers=3,nolock,local_lock=all,addr=10.0.0.1
42 22 0:42 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw,checksum,localflock
43 22 0:43 / /data rw - lustre 10.0.0.1@tcp:/data rw,checksum,flock
44 22 0:44 / /my\040disk rw - cifs //server/my rw,nobrl
45 41 8:2 / /old/fast rw - xfs /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("folder", "local"),
    {
        "/runs": False,
        "/home/me/runs": False,
        "/old/runs": True,
        "/older/runs": False,
        "/scratch/me/runs": True,
        "/data/me/runs": False,
        "/my disk/runs": True,
        "/old/fast/runs": False,
    }.items(),
)
def test_mounts_where_flock_tells_no_other_machine(folder, local):
    assert flock_is_local(Path(folder), MOUNTS) is local


@pytest.mark.usefixtures("no_flock", "quick", "in_empty_folder")
def test_status_knows_who_has_a_lease(settings_of, monkeypatch, capsys):
    settings = settings_of()
    run_dir = RunDir(settings)
    run_dir.write_status("running")

    def state() -> tuple[str, str]:
        (standing,) = status.look([(settings.folder, settings)])
        return standing.state, standing.note

    who = lease.this_process()
    assert state() == ("running", who)
    run_dir.write_status("preempted")  # of the last time: it is being resumed
    elsewhere(monkeypatch)
    assert state() == ("running", who)
    run_dir.close()
    assert state() == ("preempted", "")
    elsewhere(monkeypatch, "a third")
    path = settings.folder / "lease.1"
    path.write_text(path.read_text().replace('"holder": ""', f'"holder": "{who}"'))
    assert state() == ("running", who)
    os.utime(path, (time.time() - 1, time.time() - 1))
    assert state() == ("preempted", "")
    assert capsys.readouterr().out == ""


SHIM = """
#include <errno.h>
int flock(int file, int how) { (void)file, (void)how; errno = ENOSYS; return -1; }
"""


@pytest.mark.slow
def test_a_run_where_flock_fails(in_empty_folder):
    """Runs whole, one at a time, and again right after a kill: a real flock that isn't there."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("g++")
    if not compiler:
        pytest.skip("no C compiler to build a flock that fails")
    (in_empty_folder / "flock.c").write_text(SHIM)
    shim = in_empty_folder / "flock.so"
    build = [compiler, "-xc", "-shared", "-fPIC", "flock.c", "-o", str(shim)]
    subprocess.run(build, check=True)
    environment = os.environ | {"LD_PRELOAD": str(shim)}
    command = [*COMMAND, "total_steps=640", "evaluation.episodes=0", "checkpoint.every_updates=2"]
    folder = in_empty_folder / "runs/default/Breakout/lambda=0/seed=0"
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    wait_for(lambda: (folder / "checkpoint.pt").exists())
    other = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert other.returncode == ExitCode.BUSY == 5
    assert f"is being run by pid {first.pid} on" in other.stderr
    first.kill()
    first.wait()
    assert (folder / "lease.1").exists()
    last = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert "resuming after update" in last.stdout + last.stderr
    assert read_status(folder)["state"] == "done"
