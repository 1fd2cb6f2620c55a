"""Processes of this machine: by /proc where there is one, elsewhere (macOS) by `ps`.

children · started · seconds_alive.
"""

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")


def children(of: int) -> set[int]:
    """The pids of a process's children, ended ones included that nobody has waited for."""
    try:
        pids = [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        pids = []
    if not pids:
        return {pid for pid, parent in map(_numbers, _ps("-A", "-o", "pid=,ppid=")) if parent == of}
    found = set[int]()
    for pid in pids:
        with contextlib.suppress(OSError, ValueError), open(PROC / str(pid) / "stat") as stat:
            if int(stat.read().rpartition(")")[2].split()[1]) == of:
                found.add(pid)
    return found


def started(pid: int) -> str | None:
    """When a process began, to tell it from a later one of its number; None where that is hidden.

    In the kernel's ticks, elsewhere a date. "" for one that has ended.
    """
    try:
        fields = Path(PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        lines = _ps("-o", "stat=,lstart=", "-p", str(pid))
        state, _, date = (lines or [""])[0].strip().partition(" ")
        return None if not date else "" if state.startswith("Z") else date.strip()
    return "" if fields[0] in "ZX" else fields[19]


def seconds_alive(pid: int) -> float | None:
    """How long ago a process began, to a second; None where there is none, or no `ps`."""
    lines = _ps("-o", "etime=", "-p", str(pid))  # [[days-]hours:]minutes:seconds
    if not lines:
        return None
    days, _, clock = lines[0].strip().rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return float(86_400 * int(days or 0) + seconds)


def _ps(*arguments: str) -> list[str]:
    """The lines of `ps`, which POSIX has; none where it isn't there or finds nothing."""
    import subprocess  # late, as this module is imported before signals are handled

    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["ps", *arguments], capture_output=True, text=True, env=environment, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()


def _numbers(line: str) -> tuple[int, int]:
    first, second = line.split()
    return int(first), int(second)
