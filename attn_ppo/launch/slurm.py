"""What the engine `slurm` needs besides its launcher, submitit, which submits the jobs.

In a job: whether it should be requeued. Where the sweep was started: which of its jobs are in the
queue, so that none is submitted twice and none is waited for in vain.
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
MAX_POLL_SECONDS = 30.0  # frequent squeues slow down Slurm for everybody
LAST_RESULTS_SECONDS = 30.0  # that submitit has to return, once no job is left
STUCK = (  # reasons for which a job in the queue will never start
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
    """One of Slurm's commands can't be run or failed; the message says why."""


@dataclass(frozen=True)
class Job:
    """A job in the queue: the number of its array, its state and its reason as squeue has them."""

    number: str
    state: str
    reason: str


def should_requeue(environment: Mapping[str, str]) -> bool:
    """Whether this process's job, which was asked to stop, has to requeue itself.

    It has if it is near its time limit or preempted: then Slurm still lists it as running. A job
    that was cancelled, or that Slurm requeues by itself, is not.
    """
    try:
        job = _run_command("scontrol", "show", "job", environment["SLURM_JOB_ID"])
    except SlurmError:
        return False
    return "JobState=RUNNING" in job


def thread_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that limit a run to the cores of its job; {} if OMP_NUM_THREADS is set already."""
    cores = environment.get("SLURM_CPUS_PER_TASK")
    return {"OMP_NUM_THREADS": cores} if cores and "OMP_NUM_THREADS" not in environment else {}


def launch(
    submit: Callable[[], object], names: Collection[str], interrupted: Callable[[], bool]
) -> None:
    """Submits a sweep, unless jobs of it are in the queue, and waits until no job is left.

    When interrupted, it returns and leaves the jobs alone.
    """
    try:
        queued = find_jobs(names)
        while queued and all(job.state == "COMPLETING" for job in queued):
            time.sleep(1)
            queued = find_jobs(names)
    except SlurmError as error:
        print(f"error: engine=slurm: {error}", file=sys.stderr)
        return
    launcher = None
    if queued:
        print(
            f"{describe(queued)} already: following. What is left undone then, the same command "
            "goes on with; under another name= you can submit more now.",
            flush=True,
        )
    else:
        # In a thread: submitit waits for a killed job until sacct reports it, for ever where Slurm
        # has no accounting, and warns each time.
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


def find_jobs(names: Collection[str]) -> list[Job]:
    """Jobs started in this folder that are queued or running; an array's one by one.

    Only jobs of the sweep's name, if it has just one. Raises SlurmError.
    """
    only = [f"--name={name}" for name in names] if len(names) == 1 else []
    listed = _run_command("squeue", "--me", "--array", "--noheader", "--format=%F|%T|%r|%Z", *only)
    rows = [line.split("|", 3) for line in listed.splitlines()]
    return [Job(*row[:3]) for row in rows if Path(row[3]) == Path.cwd()]


def describe(jobs: Sequence[Job]) -> str:
    """Such as: Slurm job 12 has 2 running, 4 pending"""
    numbers = ", ".join(dict.fromkeys(job.number for job in jobs))
    counts = Counter(job.state.lower() for job in jobs)
    states = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return f"Slurm job {numbers} has {states}"


def _wait(
    launcher: threading.Thread | None, names: Collection[str], interrupted: Callable[[], bool]
) -> list[Job]:
    """Waits until no job is left or this process is interrupted; returns the jobs left."""
    queued: list[Job] = []
    pause, seen, emptied, reported = 1.0, False, 0.0, set[str]()
    while True:
        try:
            queued = find_jobs(names)
        except SlurmError:  # perhaps its controller restarts; the jobs go on
            queued = queued or [Job("?", "UNKNOWN", "")]
        for job in queued:
            if job.reason in STUCK and job.reason not in reported:
                reported.add(job.reason)
                print(f"Slurm job {job.number} doesn't start: {job.reason}", file=sys.stderr)
        if queued:
            if launcher and not seen:
                print(describe(queued), flush=True)
            seen, emptied = True, time.monotonic()
        submitting = launcher is not None and launcher.is_alive()
        late = seen and time.monotonic() - emptied > LAST_RESULTS_SECONDS
        if interrupted() or not (queued or submitting) or (late and not queued):
            return queued
        pause = min(1.2 * pause, MAX_POLL_SECONDS) if queued else 1.0
        _sleep(pause, interrupted)


def _sleep(seconds: float, interrupted: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not interrupted():
        time.sleep(0.2)


def _run_command(*command: str) -> str:
    """The output of one of Slurm's commands. Raises SlurmError."""
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
