"""What this machine can't do, and how soon that is reported; no secret is in a run's files."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from atari_player import BASELINES
from dry_run import SECRETS, Outcome, check_refused
from starting import SMALL

from attn_ppo import train
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute import devices
from attn_ppo.errors import ConfigError
from attn_ppo.launch import sweep

STARTED = [
    ["env=Brekout"],
    ["-m", "seed=range(10000000)"],
    ["device=cuda:99"],
    ["-m", "device=cuda:99", "seed=0,1"],
]


@pytest.mark.parametrize("arguments", STARTED, ids=" ".join)
def test_a_mistake_is_reported_at_once(arguments, in_empty_folder):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    check_refused(
        Outcome(done.returncode, False, done.stdout, done.stderr.rstrip("\n").split("\n"))
    )
    assert list(in_empty_folder.iterdir()) == []
    # 0.9 s of CPU where nothing else runs, however long that takes on a busy machine.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 2.5 or any(map(os.path.exists, devices.DRIVERS))


def test_what_has_no_driver_has_no_gpu_and_needs_no_torch(in_empty_folder):
    code = "import sys; from attn_ppo.compute import devices; devices.DRIVERS = ();"
    code += "from attn_ppo.train import main; main(['device=cuda']); print('torch' in sys.modules)"
    done = start(code=code)
    assert "what this machine has: auto, cpu" in done.stderr
    assert done.stdout == "False\n"
    assert list(in_empty_folder.iterdir()) == []


def test_a_gpu_is_counted_where_there_may_be_one(monkeypatch):
    monkeypatch.setattr(devices, "DRIVERS", ("/proc",))
    cuda = SimpleNamespace(device_count=lambda: 2)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    devices.check_device("cuda")
    devices.check_device("cuda:1")
    with pytest.raises(ConfigError, match="auto, cpu, cuda:0, cuda:1"):
        devices.check_device("cuda:2")


def a_file_named_runs(folder: Path) -> Path:
    (folder / "runs").write_text("")
    return folder


def a_file_in_the_way(folder: Path) -> Path:
    (folder / "runs").mkdir()
    (folder / "runs" / "default").write_text("")
    return folder


def a_link_to_nowhere(folder: Path) -> Path:
    (folder / "runs").symlink_to(folder / "nowhere")
    return folder


def no_real_disk(folder: Path) -> Path:  # noqa: ARG001
    return Path("/proc")


def a_read_only_disk(folder: Path) -> Path:
    for options in (["--bind"], ["-o", "remount,ro,bind"]):
        if subprocess.run(["mount", *options, folder, folder], capture_output=True).returncode:
            pytest.skip("can't mount here")
    return folder


def not_ours(folder: Path) -> Path:
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    return folder


UNWRITABLE = [
    a_file_named_runs,
    a_file_in_the_way,
    a_link_to_nowhere,
    no_real_disk,
    a_read_only_disk,
    not_ours,
]


@pytest.fixture
def unwritable(request, tmp_path, monkeypatch) -> Iterator[list[Path]]:
    """The working directory is one where no run can write; what lies in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(request.param(folder))
    yield sorted(tmp_path.rglob("*"))
    os.chdir("/")
    if request.param is a_read_only_disk:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("arguments", [["seed=1"], ["-m", "seed=1,2"]], ids=["run", "sweep"])
@pytest.mark.parametrize("unwritable", UNWRITABLE, indirect=True, ids=lambda how: how.__name__)
def test_a_folder_that_cant_be_written(arguments, unwritable, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "train", lambda *_: 99)
    monkeypatch.setattr(sweep, "run_all", lambda *_: 99)
    assert train.main(arguments) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: can't write runs/default/Breakout/lambda=0/seed=1: ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == unwritable


def test_a_working_folder_that_is_gone(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert train.main(["seed=1"]) == 4
    printed = capsys.readouterr().err
    assert printed.startswith("error: can't ")
    assert printed.count("\n") == 1


def another_rom(folder: Path) -> Path:
    (folder / "breakout.bin").write_bytes(bytes(2048))
    return folder


ROMS = {
    "No such file or directory": lambda folder: folder,
    "doesn't exist": lambda folder: folder / "nowhere",
    "isn't a directory": lambda folder: another_rom(folder) / "breakout.bin",
    "The hash of breakout.bin does not match": another_rom,
}


@pytest.mark.parametrize("reason", ROMS)
@pytest.mark.parametrize("arguments", [["seed=1"], ["-m", "seed=1,2"]], ids=["run", "sweep"])
def test_a_folder_without_the_games_rom(
    reason, arguments, in_empty_folder, tmp_path_factory, monkeypatch, capsys
):
    folder = ROMS[reason](tmp_path_factory.mktemp("roms"))
    monkeypatch.setenv("ALE_ROMS_DIR", str(folder))
    assert train.main(arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: ALE_ROMS_DIR={str(folder)[:20]}")
    assert f"can't be used: {reason}" in first or first.endswith(reason)
    assert second.startswith("allowed: a folder with ALE's breakout.bin; or unset it")
    assert list(in_empty_folder.iterdir()) == []
    with pytest.raises(ConfigError, match=r"breakout\.bin"):
        AtariEnvs("Breakout", num_envs=1, seed=0, protocol=BASELINES)


def test_what_is_done_needs_no_disk_to_write_to(monkeypatch):
    monkeypatch.setattr(train, "is_done", lambda _: True)
    monkeypatch.chdir("/proc")
    assert train.main(["seed=1"]) == 0


def test_nothing_of_the_environment_is_in_what_a_run_leaves(in_empty_folder):
    tiny = [*SMALL, "attention.hidden=16", "total_steps=32", "evaluation.episodes=0"]
    done = start(*tiny, "wandb.mode=offline", **SECRETS)
    assert done.returncode == 0, done.stderr
    files = [path for path in in_empty_folder.rglob("*") if path.is_file()]
    assert {"config.yaml", "status.json"} <= {path.name for path in files}
    assert any(path.suffix == ".wandb" for path in files)
    printed = [done.stdout.encode(), done.stderr.encode(), *(path.read_bytes() for path in files)]
    assert not any(secret.encode() in text for secret in SECRETS.values() for text in printed)


def start(*arguments: str, code: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """A command line, or code, in a process of its own."""
    command = ["-c", code] if code else ["-m", "attn_ppo.train", *arguments]
    environment = os.environ | variables
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment
    )
