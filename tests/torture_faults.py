"""Everything but kills that may befall runs: disks, damage, signals, bad neighbours, no network."""

import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import torch
from identical import difference
from tally import Tally
from torture_kills import Campaign, Victim

from attn_ppo.errors import RunError
from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.run_dir import read_status

QUIET = Campaign("Breakout", "baselines")


def damage(tally: Tally, whole: Path, *, cuts: int, flips: int) -> None:
    """A real checkpoint cut short or with a flipped bit: the one before must come back."""
    rng, newest = random.Random(0), Path("damage/checkpoint.pt")
    newest.parent.mkdir()
    data = (whole / "checkpoint.pt").read_bytes()
    state = {"update": 1, "weights": torch.zeros(1000)}
    checkpoint.save(newest.parent, state)
    (newest.parent / "checkpoint.pt").replace(newest.parent / "checkpoint.prev.pt")
    for i in range(cuts + flips):
        place = rng.randrange(len(data))
        flipped = bytes([data[place] ^ 1 << rng.randrange(8)])
        newest.write_bytes(data[:place] + (flipped + data[place + 1 :] if i >= cuts else b""))
        with redirect_stdout(io.StringIO()):  # a warning each
            restored = (checkpoint.load(newest.parent) or {}).get("update")
        fault = "checkpoint cut short" if i < cuts else "checkpoint with a flipped bit"
        tally.add(fault, None if restored == 1 else f"byte {place}: {restored}", lost=restored != 1)
    newest.write_bytes(data[:-1])
    (newest.parent / "checkpoint.prev.pt").write_bytes(b"damaged as well")
    try:
        problem = f"loaded {checkpoint.load(newest.parent)}"
    except RunError as error:
        problem = None if error.code == 6 else f"code {error.code}"
    tally.add("both checkpoints damaged: code 6", problem)


def full_disk(tally: Tally, whole: Victim) -> None:
    """A disk with room for two checkpoints, not for a third beside them; then with more room."""
    disk = Path("disk").absolute()
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        tally.note("full disk: left out, only root can mount a small disk")
        return
    here = Path.cwd()
    try:
        os.chdir(disk)
        victim = Victim(whole.campaign, "full")
        code = victim.start().wait()
        log = (victim.folder / "output.log").read_text()
        told = next((line for line in log.split("\n") if line.startswith("error: ")), "")
        problem = (
            None if code == 4 and "bytes needed" in told and "free" in told else f"{code} {told}"
        )
        intact = (checkpoint.load(victim.folder) or {}).get("update", 0)
        tally.add("disk full: code 4, sizes told", problem, lost=not intact)
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        code = victim.start().wait()
        problem = difference(victim.folder, here / whole.folder) if code == 0 else f"code {code}"
        tally.add("disk full, then not: resumed", problem, lost=code != 0)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        code = subprocess.run(_command("name=readonly"), capture_output=True).returncode
        tally.add("disk read-only: code 4", None if code == 4 else f"code {code}")
    finally:
        os.chdir(here)
        subprocess.run(["umount", "-l", str(disk)], check=False)


def two_at_once(tally: Tally) -> None:
    """A second process on a run's folder."""
    victim = Victim(QUIET, "twice")
    first = victim.start()
    _wait_for_updates(victim, 1, first)
    second = subprocess.run(_command("name=twice"), capture_output=True, text=True)
    told = f"pid {first.pid} on {socket.gethostname()}"
    problem = None if second.returncode == 5 and told in second.stderr else second.stderr
    tally.add("two processes on a folder: code 5", problem)
    first.kill()
    first.wait()


def signals(tally: Tally, whole: Path) -> None:
    """Each signal that asks a run to stop, one after the other in one run: code 75, resumable."""
    victim = Victim(QUIET, "signals")
    for number in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP"):
        process, before = victim.start(), victim.updates()
        _wait_for_updates(victim, before + 3, process)
        began = time.monotonic()
        process.send_signal(getattr(signal, number))
        code, took = process.wait(), time.monotonic() - began
        problem = None if (code, took < 10) == (75, True) else f"code {code} after {took:.1f} s"
        tally.add(f"{number}: code 75 within 10 s", problem)
    code = victim.start().wait()
    problem = difference(victim.folder, whole) if code == 0 else f"code {code}"
    tally.add("signals: resumed to its end", problem, lost=code != 0)


def signal_at_real_size(tally: Tally) -> None:
    """The study's settings: an update is 1,024 steps and 16 gradient steps on 256 samples."""
    command = [sys.executable, "-m", "attn_ppo.train", "name=real", "wandb.mode=disabled"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder, began = Path("runs/real/Breakout/lambda=0/seed=0"), time.monotonic()
    while process.poll() is None and time.monotonic() < began + 300:
        metrics = folder / "metrics.csv"
        if metrics.exists() and metrics.read_bytes().count(b"\n") > 2:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    asked = time.monotonic()
    process.terminate()
    code, took = process.wait(), time.monotonic() - asked
    problem = None if (code, took < 10) == (75, True) else f"code {code} after {took:.1f} s"
    tally.note(f"SIGTERM at real size: code {code} after {took:.1f} s")
    tally.add("SIGTERM at real size", problem)


def nan(tally: Tally) -> None:
    """NaN in the loss of update 7."""
    environment = _faults({"0": "nan"})
    done = subprocess.run(_command("name=nan"), capture_output=True, text=True, env=environment)
    folder = Victim(QUIET, "nan").folder
    saved = (checkpoint.load(folder) or {}).get("update")
    problem = None if (done.returncode, saved) == (3, 4) else f"{done.returncode}, saved {saved}"
    tally.add("NaN at update 7: code 3, checkpoint kept", problem, lost=saved != 4)


def bad_sweep(tally: Tally) -> None:
    """Twelve runs, every other one bad in its own way; then the same without faults."""
    kinds = ["exception", "segfault", "sigkill", "hang", "memory", "nan"]
    seeds = "seed=" + ",".join(map(str, range(12)))
    sweep = [*_command("name=sweep", "total_steps=512", "evaluation.episodes=0"), "-m", seeds]
    faults = {str(2 * i): kind for i, kind in enumerate(kinds)}
    ended = subprocess.run(sweep, capture_output=True, text=True, env=_faults(faults))
    status = {i: read_status(Path(f"runs/sweep/Breakout/lambda=0.005/seed={i}")) for i in range(12)}
    for i, kind in enumerate(kinds):
        bad, good = status[2 * i], status[2 * i + 1]
        problem = None if bad.get("state") == "failed" and bad.get("cause") else str(bad)
        tally.add(f"sweep with a bad run: {kind}", problem)
        problem = None if good.get("state") == "done" else str(good)
        tally.add("sweep with a bad run: its neighbours", problem, lost=problem is not None)
    tally.add("sweep: exit code 1", None if ended.returncode == 1 else f"code {ended.returncode}")
    again = subprocess.run(sweep, capture_output=True, text=True)
    problem = None if again.returncode == 0 and "6 done already" in again.stdout else again.stdout
    tally.add("sweep: the same command finishes it", problem, lost=problem is not None)
    print(ended.stdout)


def unreachable_wandb(tally: Tally, whole: Path) -> None:
    """W&B asked for, on an address that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        environment = {"WANDB_BASE_URL": url, "WANDB_API_KEY": "local-" + "0" * 40}
        done = subprocess.run(
            _command("name=wandb", "wandb.mode=online"),
            capture_output=True,
            text=True,
            env=os.environ | environment | {"OMP_NUM_THREADS": "1"},
        )
    told = done.stderr.count("W&B: ")
    problem = difference(Victim(QUIET, "wandb").folder, whole)
    problem = problem if (done.returncode, told) == (0, 1) else f"{done.returncode}: {done.stderr}"
    tally.add("W&B unreachable: trains offline, one line", problem, lost=done.returncode != 0)


def _command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "attn_ppo.train", *QUIET.overrides, *overrides]


def _faults(by_seed: dict[str, str]) -> dict[str, str]:
    """An environment in which runs of these seeds go wrong."""
    path = str(Path(__file__).parent / "faults")
    return os.environ | {"ATTN_PPO_FAULTS": json.dumps(by_seed), "PYTHONPATH": path}


def _wait_for_updates(victim: Victim, number: int, process: subprocess.Popen) -> None:
    while victim.updates() < number and process.poll() is None:
        time.sleep(0.02)
