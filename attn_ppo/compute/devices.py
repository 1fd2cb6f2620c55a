"""What a run may compute on: device and processors, without importing torch where possible."""

import contextlib
import math
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

from attn_ppo.errors import ConfigError

# Drivers; without one of these there is no GPU: NVIDIA on a server, under WSL, on a Jetson; AMD.
DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/nvmap", "/dev/kfd")
PROCESS = Path("/proc/self")
SPINS = "5000"  # some 0.2 ms; GCC's own 300,000 are about 10


def check_device(device: str) -> None:
    """Raises ConfigError if this machine doesn't have the device."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return
    devices = _gpus()
    if int(index or 0) >= devices:
        there = ", ".join(["auto", "cpu", *(f"cuda:{i}" for i in range(devices))])
        allowed = f"what this machine has: {there}"
        raise ConfigError("device", device, allowed, wrong="is not on this machine")


def _gpus() -> int:
    """The number of usable GPUs. Imports torch, which takes seconds, only if there may be one."""
    if not any(map(os.path.exists, DRIVERS)):
        return 0
    import torch

    return torch.cuda.device_count()


def available_cpus(proc: Path = PROCESS) -> int:
    """How many processors this process may keep busy, at least 1.

    By its affinity, the quotas of its control groups (rounded up), and LOKY_MAX_CPU_COUNT.
    joblib.cpu_count() asks for the same, but finds quotas of a container only.
    """
    limit = os.environ.get("LOKY_MAX_CPU_COUNT", "")
    limits = [int(limit)] if limit.isdecimal() else []
    limits += [allowed(), *map(math.ceil, quotas(proc))]
    return max(1, min(limits))


def limit_threads() -> None:
    """Has torch use no more threads than processors; as many as OMP_NUM_THREADS says, if it does.

    A thread too many spins where it waits, which uses up the quota of the others.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(min(torch.get_num_threads(), available_cpus()))


def wait_briefly() -> None:
    """Has OpenMP's threads spin briefly where they wait for one another, and then sleep.

    A thread that spins keeps a processor from the one that it waits for, if other processes need
    processors too. GCC's OpenMP, which torch brings and our kernels share, reads its variables when
    it is loaded: to be called before torch is imported, and only where the process is our own.
    What the user says stays. Clang's yields its processor by itself.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def chip() -> str:
    """The processor's name as it gives it: model and make, or at least the kind."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model n"))
    with contextlib.suppress(OSError, subprocess.SubprocessError):  # macOS
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        named = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return named.stdout.strip()
    return platform.processor() or platform.machine()


def allowed() -> int:
    """Processors that the system lets this process use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def quotas(proc: Path = PROCESS) -> Iterator[float]:
    """Processors that the control groups of a process allow it, the inner ones and the outer."""
    for folder in _groups(proc):
        try:
            quota, period = (folder / "cpu.max").read_text().split()  # version 2: 150000 100000
        except (OSError, ValueError):
            try:
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                quota, period = ((folder / name).read_text() for name in names)
            except OSError:
                continue
        if quota != "max" and float(quota) > 0:  # version 1: -1 where there is none
            yield float(quota) / float(period)


def _groups(proc: Path) -> Iterator[Path]:
    """The folders of the control groups that may limit a process's time."""
    try:
        lines = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
        mounts = (proc / "mountinfo").read_text().splitlines()
    except OSError:
        return
    paths = {name: path for _, names, path in lines for name in names.split(",")}
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        kind, options = after.split()[0], after.split()[-1].split(",")
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options):
            root, top = before.split()[3:5]
            path = Path(paths.get("" if kind == "cgroup2" else "cpu", "/"))
            inner = path.relative_to(root if path.is_relative_to(root) else "/")
            folder = Path(top) / inner
            yield from (each for each in (folder, *folder.parents) if each.is_relative_to(top))
