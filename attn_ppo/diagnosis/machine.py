"""Python, packages, processors, kernels, GPU."""

import os
import platform
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from attn_ppo.compute import devices
from attn_ppo.diagnosis.finding import BAD, OK, WARN, Finding, pip_install

LEAST_PYTHON = (3, 11)
_APT = "apt-get install"  # or the like
SHOWN = ("torch", "numpy", "ale-py", "wandb")
BUSY = 0.5  # of the machine's processors, over the last minute
LEAST_GLIBC = (2, 28)  # what the wheels of PyTorch and ALE are built for


def python(_: Path) -> Finding:
    """Python, the system and its C library."""
    library, libc = platform.libc_ver()
    facts = {
        "version": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "glibc": libc if library == "glibc" else None,
    }
    told = f"{facts['version']} on {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON:
        return Finding(BAD, f"{told}: too old", "install Python 3.11 or newer", facts)
    if sys.platform != "linux":
        return Finding(OK, told, facts=facts)
    numbers = tuple(map(int, re.findall(r"\d+", libc)[:2]))
    if library != "glibc" or numbers < LEAST_GLIBC:
        told += f", {library or 'a C library other than glibc'} {libc}".rstrip()
        mend = "use a system with glibc 2.28 or newer"
        return Finding(WARN, f"{told}: wheels are built for glibc 2.28", mend, facts)
    return Finding(OK, f"{told}, glibc {libc}", facts=facts)


def packages(_: Path) -> Finding:
    """What pyproject.toml asks for, and what is installed of it."""
    from packaging.requirements import Requirement  # Hydra's

    try:
        required = [Requirement(text) for text in metadata.requires("attn_ppo") or []]
    except metadata.PackageNotFoundError:
        return Finding(BAD, "attn_ppo itself isn't installed", pip_install("-e ."))
    found, missing, other = dict[str, str | None](), list[str](), dict[str, str]()
    for one in required:
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found[one.name] = version = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            found[one.name] = None
            missing.append(f"{one.name}{one.specifier}")
            continue
        if not one.specifier.contains(version, prereleases=True):
            other[one.name] = f"{one.name}{one.specifier}"
    facts = {"versions": found, "missing": missing, "other": list(other.values())}
    mend = pip_install(shlex.join([*missing, *other.values()]))
    if missing:
        return Finding(BAD, f"missing: {', '.join(missing)}", mend, facts)
    if other:
        have = ", ".join(f"{name} {found[name]}" for name in other)
        return Finding(WARN, f"untested versions: {have}", mend, facts)
    shown = [f"{name} {found[name]}" for name in SHOWN if name in found]
    return Finding(OK, f"{', '.join(shown)} and {len(found) - len(shown)} more", facts=facts)


def processors(_: Path) -> Finding:
    """The processors that a run may use, the threads it would have, and whether others use them."""
    here, usable = os.cpu_count() or 1, devices.available_cpus()
    given = os.environ.get("OMP_NUM_THREADS", "")
    number = re.fullmatch(r"0*([1-9]\d*)(,.*)?", given)  # of nested regions, after a comma, too
    threads = int(number[1]) if number else usable
    facts = {
        "chip": devices.chip(),
        "processors": here,
        "affinity": devices.allowed(),
        "quotas": list(devices.quotas()),
        "usable": usable,
        "threads": threads,
        "load": os.getloadavg()[0],
    }
    told = f"{usable} of {here} usable"
    if usable < here:
        limits = [f"affinity {facts['affinity']}"] if facts["affinity"] < here else []
        limits += [f"a control group's quota of {quota:g}" for quota in facts["quotas"]]
        told += f" ({', '.join(limits) or 'LOKY_MAX_CPU_COUNT'})"
    told += f"; a run alone has {threads} thread{'s' * (threads != 1)}"
    if given and not number:
        told += f"; OMP_NUM_THREADS={given} is no number of them"
        return Finding(WARN, told, "unset OMP_NUM_THREADS", facts)
    told += f", by OMP_NUM_THREADS={given}" * bool(given)
    if threads > usable:
        return Finding(WARN, f"{told}: more than there are", "unset OMP_NUM_THREADS", facts)
    told += f"; {facts['chip']}"
    if facts["load"] >= BUSY * here:
        told += f"; load {facts['load']:.1f}: other work shares them"
    return Finding(OK, told, facts=facts)


def kernels(_: Path) -> Finding:
    """The compiled kernels; builds them, as the first run would."""
    from attn_ppo.compute import building, kernels

    on_mac = sys.platform == "darwin"
    try:
        threaded, built = kernels.threaded(), kernels.fingerprint()
    except building.KernelsUnavailable as error:
        told = f"none, PyTorch computes, some 1.5 times slower: {error}"
        mend = "xcode-select --install" if on_mac else f"{_APT} g++; or CXX=<a C++ compiler>"
        return Finding(WARN, told, mend, {"built": None, "why": str(error)})
    library, cxx = kernels.library()._name, building.compiler()
    facts = {"built": built, "threaded": threaded, "compiler": cxx, "library": library}
    if threaded:
        return Finding(OK, f"built by {cxx}, with OpenMP", facts=facts)
    told = f"built by {cxx} without OpenMP, for runs of one thread: PyTorch computes others"
    if on_mac:
        return Finding(OK, told, facts=facts)
    return Finding(WARN, told, f"{_APT} g++ libomp-dev; rm {shlex.quote(library)}", facts)


def gpu(_: Path) -> Finding:
    """Drivers and GPUs, as PyTorch finds them."""
    drivers = [path for path in devices.DRIVERS if os.path.exists(path)]
    facts: dict[str, object] = {"drivers": drivers, "devices": [], "torch_cuda": None}
    if not drivers:
        return Finding(OK, "none, and no driver: runs are computed on the CPU", facts=facts)
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    version = torch.version.cuda or torch.version.hip
    facts |= {"devices": names, "torch_cuda": version, "driver": _driver()}
    if not version:
        mend = pip_install("--force-reinstall torch, from an index with CUDA: pytorch.org")
        return Finding(WARN, "a driver is here, but PyTorch was built for CPUs", mend, facts)
    if not names:
        told = f"a driver is here ({facts['driver'] or drivers[0]}), but PyTorch finds no GPU"
        return Finding(WARN, told, "nvidia-smi; echo $CUDA_VISIBLE_DEVICES", facts)
    told = f"{len(names)}: {', '.join(dict.fromkeys(names))}; driver {facts['driver']}"
    from attn_ppo.compute.backends import compile_missing

    if why := compile_missing(torch.device("cuda")):
        return Finding(WARN, f"{told}; {why}", f"{_APT} gcc python3-dev", facts)
    return Finding(OK, f"{told}; a checkout's `make gpu-check` tries it", facts=facts)


def _driver() -> str | None:
    """NVIDIA's version, if it tells."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.partition("\n")[0].strip() or None
