"""The folder of all runs: whether it can be written, its space, and whether locks hold there."""

import os
import shlex
import shutil
from pathlib import Path

from attn_ppo.diagnosis.finding import BAD, OK, WARN, Finding
from attn_ppo.errors import RunError
from attn_ppo.lifecycle import lock
from attn_ppo.lifecycle.disk import check_writable
from attn_ppo.lifecycle.run_dir import find_runs, read_status

LEAST, LITTLE = 100e6, 2e9  # bytes: of a run without videos, of a sweep
ANOTHER = "choose another: export ATTN_PPO_ROOT=<a folder>"


def writable(folder: Path) -> Finding:
    """Whether runs can be made there."""
    facts = {"folder": str(folder.absolute()), "exists": folder.is_dir()}
    try:
        check_writable([folder / "name"])
    except RunError as error:
        return Finding(BAD, str(error), ANOTHER, facts)
    told = f"{facts['folder']} can be written"
    return Finding(OK, told if facts["exists"] else f"{told}, and isn't there yet", facts=facts)


def space(folder: Path) -> Finding:
    """What is free there."""
    there = _existing(folder)
    free = shutil.disk_usage(there).free
    facts: dict[str, object] = {"free_bytes": free, "free_files": None}
    if hasattr(os, "statvfs") and (disk := os.statvfs(there)).f_files:
        facts["free_files"] = disk.f_favail
    told = f"{free / 1e9:,.1f} GB free at {there.absolute()}"
    mend = f"du -sh {shlex.quote(str(there.absolute()))}/*; or {ANOTHER}"
    if free < LEAST or facts["free_files"] == 0:
        return Finding(BAD, f"{told}{', and no files' * (facts['free_files'] == 0)}", mend, facts)
    if free < LITTLE:
        return Finding(WARN, f"{told}: little for a sweep", mend, facts)
    return Finding(OK, told, facts=facts)


def locks(folder: Path) -> Finding:
    """Whether flock keeps a second process out of a run there; else who says to be running."""
    why = lock.flock_fails(_existing(folder))
    if not why:
        told = "flock keeps a second process out of a run"
        return Finding(OK, told, facts={"flock": True, "why": "", "running": []})
    running = [str(run) for run in find_runs(folder) if read_status(run).get("state") == "running"]
    facts = {"flock": False, "why": why, "running": running}
    told = f"flock doesn't keep a second process out of a run here: {why}"
    if why != lock.NOTHING:
        told += "; a lease does, and after a crash elsewhere it is waited for up to a minute"
        return Finding(OK, told, facts=facts)
    if running:
        says = "says it is" if len(running) == 1 else "say they are"
        more = ", ..." if len(running) > 1 else ""
        told += f"; {len(running)} {says} running, don't start it again: {running[0]}{more}"
    return Finding(WARN, f"{told}; start no run twice", ANOTHER, facts)


def _existing(folder: Path) -> Path:
    """What there is of the folder's path."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
