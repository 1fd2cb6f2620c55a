"""What the engine `slurm` needs besides its launcher, submitit, which submits the jobs.

In a job: whether Slurm wants it to end, or only to make room. Where the sweep was started: whether
its jobs are in the queue, so that none is submitted twice and none is waited for in vain.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 60
MOST_SECONDS_BETWEEN = 30.0  # asking Slurm's controller costs every user of the cluster
LAST_RESULTS_SECONDS = 30.0
STUCK = (
    "PartitionTimeLimit",
    "AssocMaxWallDurationPerJobLimit",
    "JobHeldUser",
    "JobHeldAdmin",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "PartitionNodeLimit",
)


class SlurmError(Exception):
    """Slurm can't be asked, and why."""


@dataclass(frozen=True)
class Job:
    """One in the queue: `number` is its array's, `state` and `reason` in Slurm's words."""

    number: str
    state: str
    reason: str


def makes_room(environment: Mapping[str, str]) -> bool:
    """Whether Slurm still counts this process's job as running: preempted or near its time limit.

    One that was cancelled, or that Slurm itself requeues, is no longer.
    """
    try:
        return "JobState=RUNNING" in _ask("scontrol", "show", "job", environment["SLURM_JOB_ID"])
    except SlurmError:
        return False


def threads(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run that computes on the cores that its job was given."""
    cores = environment.get("SLURM_CPUS_PER_TASK")
    return {"OMP_NUM_THREADS": cores} if cores and "OMP_NUM_THREADS" not in environment else {}


def launch(
    submit: Callable[[], object], names: Collection[str], interrupted: Callable[[], bool]
) -> None:
    """Submits a sweep, unless jobs of it are in the queue, and waits until none is.

    Interrupted, it leaves the jobs alone.
    """
    try:
        there = jobs(names)
        while there and all(job.state == "COMPLETING" for job in there):
            time.sleep(1)
            there = jobs(names)
    except SlurmError as error:
        print(f"error: engine=slurm: {error}", file=sys.stderr)
        return
    launcher = None
    if there:
        print(
            f"{describe(there)} already: following. What is left undone then, the same command "
            "goes on with; under another name= you can submit more now.",
            flush=True,
        )
    else:
        # In a thread: it waits for a job that was killed for as long as sacct says nothing of it,
        # as where Slurm has no accounting, and warns each time.
        logging.getLogger("submitit").setLevel(logging.ERROR)
        launcher = threading.Thread(target=submit, daemon=True)
        launcher.start()
    left = _wait(launcher, names, interrupted)
    if interrupted() and left:
        numbers = " ".join(dict.fromkeys(job.number for job in left))
        print(
            f"{describe(left)}: these go on without us. The same command follows them again; "
            f"scancel {numbers}  lets them save and ends them.",
            flush=True,
        )


def jobs(names: Collection[str]) -> list[Job]:
    """This folder's jobs that are queued or running, an array's one by one.

    Only those of this name; a sweep over several names has one of its own. Raises SlurmError.
    """
    only = [f"--name={name}" for name in names] if len(names) == 1 else []
    listed = _ask("squeue", "--me", "--array", "--noheader", "--format=%F|%T|%r|%Z", *only)
    rows = [line.split("|", 3) for line in listed.splitlines()]
    return [Job(*row[:3]) for row in rows if Path(row[3]) == Path.cwd()]


def describe(there: Sequence[Job]) -> str:
    """Such as: Slurm job 12 has 2 running, 4 pending"""
    numbers = ", ".join(dict.fromkeys(job.number for job in there))
    counts = Counter(job.state.lower() for job in there)
    states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return f"Slurm job {numbers} has {states}"


def _wait(
    launcher: threading.Thread | None, names: Collection[str], interrupted: Callable[[], bool]
) -> list[Job]:
    """Returns the jobs in the queue, once there are none or this process is interrupted."""
    there: list[Job] = []
    pause, seen, emptied, told = 1.0, False, 0.0, set[str]()
    while True:
        try:
            there = jobs(names)
        except SlurmError:  # its controller restarts, say: the jobs go on
            there = there or [Job("?", "UNKNOWN", "")]
        for job in there:
            if job.reason in STUCK and job.reason not in told:
                told.add(job.reason)
                print(f"Slurm job {job.number} doesn't start: {job.reason}", file=sys.stderr)
        if there:
            if launcher and not seen:
                print(describe(there), flush=True)
            seen, emptied = True, time.monotonic()
        submitting = launcher is not None and launcher.is_alive()
        late = seen and time.monotonic() - emptied > LAST_RESULTS_SECONDS
        if interrupted() or not (there or submitting) or (late and not there):
            return there
        pause = min(1.2 * pause, MOST_SECONDS_BETWEEN) if there else 1.0
        _sleep(pause, interrupted)


def _sleep(seconds: float, interrupted: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not interrupted():
        time.sleep(0.2)


def _ask(*command: str) -> str:
    """What one of Slurm's commands prints. Raises SlurmError."""
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=environment
        )
    except FileNotFoundError:
        raise SlurmError(f"no {command[0]} here: start it where Slurm's commands are") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} doesn't answer") from None
    if done.returncode:
        raise SlurmError(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout
