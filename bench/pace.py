"""Contenders in processes of their own, interleaved: one iteration each, when the parent says go.

In the child: Clock. In the parent: Child, take_turns. What comes of it: Spread.

A shared machine drifts by a factor of two within an hour. Contenders that take turns within
seconds all see the same drift, and the ratio of two within a round is hardly touched by it.
"""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

PARTS = ("emulate", "infer", "update")
START_SECONDS, ITERATION_SECONDS = 120.0, 180.0
ERROR = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b")  # the end of a traceback begins so
FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")  # not those of an address

Name = TypeVar("Name", str, int)
Taken = TypeVar("Taken")


class Clock:
    """The child's side: holds it up before each iteration and tells where the last one's time went.

    Of an iteration, the time inside of `step` is emulate, that from the last step's end to the
    next step's beginning is update (and one inference of `num_steps`), the rest is infer.
    """

    def __init__(self, num_steps: int, facts: Mapping[str, Any] | None = None) -> None:
        """`facts` go to the parent with the first report. Takes over stdin and stdout."""
        self._reports = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # what a contender prints is no report
        self._num_steps, self._taken = num_steps, 0
        self._report: dict[str, Any] = dict(facts or {})
        self._left = 0.0
        self.asked = ""  # what the parent said with its go

    def paced(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """`step`, timed, and held up before the first of each `num_steps` calls."""

        def paced_step(*args: Any, **kwargs: Any) -> Any:
            entered = time.perf_counter()
            if self._taken % self._num_steps == 0:
                if self._taken:
                    self._report["update"] = entered - self._left
                entered = self.wait()
            else:
                self._report["infer"] += entered - self._left
            result = step(*args, **kwargs)
            self._left = time.perf_counter()
            self._report["emulate"] += self._left - entered
            self._taken += 1
            return result

        return paced_step

    def tell(self, **parts: float) -> None:
        """The seconds of an iteration's parts, from a contender that can measure them itself."""
        self._report = parts

    def wait(self) -> float:
        """Reports the last iteration; returns the time at which the next one began."""
        print(json.dumps(self._report), file=self._reports)
        asked = sys.stdin.readline()
        if not asked:
            os._exit(0)  # the parent is gone, or done with us
        self.asked = asked.strip()
        self._report = dict.fromkeys(PARTS, 0.0)
        return time.perf_counter()


class ContenderError(Exception):
    """Why a contender can't go on, in a line."""


class Child:
    """The parent's side of one contender."""

    def __init__(
        self, command: Sequence[str], *, folder: Path | str, env: Mapping[str, str | None]
    ):
        """Starts it in `folder`, with `env` added to our environment, or None taken away.

        Raises ContenderError.
        """
        environment: Mapping[str, str | None] = os.environ | env
        self._printed = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 until close()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={name: value for name, value in environment.items() if value is not None},
                text=True,
                process_group=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
            )
        except OSError as error:
            raise ContenderError(f"can't start {Path(command[0]).name}: {error.strerror}") from None

    def go(self, asked: str = "") -> None:
        """Lets it do an iteration, `asked` says which; `report` waits for it."""
        assert self._process.stdin
        try:
            print(asked, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise ContenderError(self._last_words()) from None

    def report(self, patience: float = ITERATION_SECONDS) -> dict[str, Any]:
        """Its facts at first, then seconds a part. ContenderError if it ends or takes too long."""
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], patience)[0]:
            self.close()  # or it would go on beside the others
            raise ContenderError(f"no answer within {patience:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ContenderError(self._last_words())
        return json.loads(line)

    def iterate(self, patience: float = ITERATION_SECONDS) -> dict[str, float]:
        """One iteration: seconds a part."""
        self.go()
        return self.report(patience)

    def close(self) -> None:
        """Ends it and whatever it started. Harmless twice."""
        if self._printed.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._printed):
            if file:
                file.close()

    def _last_words(self) -> str:
        """Its error, else the last line that it printed, without folders, and its exit code."""
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "closed its output but goes on"
        self._printed.seek(0)
        lines = [line.rstrip() for line in self._printed if line.strip()]
        errors = [line for line in lines if ERROR.match(line)]  # its message may have more lines
        last = (errors or lines or ["without a word"])[-1].strip()
        last = FOLDERS.sub("", last)
        return f"{last[:160]} (exit code {code})"


def take_turns(
    names: Sequence[Name],
    measure: Callable[[Name], Taken],
    *,
    deadline: float,
    at_least: int = 3,
    tell: Callable[[str], object] = lambda _: None,
) -> tuple[dict[Name, list[Taken]], dict[Name, str]]:
    """What `measure` gave for each name, round after round, and those that failed and why.

    Each round begins with another name. Rounds go on while the longest one so far still fits
    before `deadline`, on time.monotonic, and at any rate `at_least` times.
    """
    taken: dict[Name, list[Taken]] = {name: [] for name in names}
    lost: dict[Name, str] = {}
    longest, number = 0.0, 0
    while taken and (number < at_least or time.monotonic() + longest < deadline):
        began, order = time.monotonic(), list(taken)
        for index in range(len(order)):
            name = order[(index + number) % len(order)]
            try:
                taken[name].append(measure(name))
            except ContenderError as error:
                del taken[name]
                lost[name] = str(error)
                tell(f"{name}: {error}")
        seconds = time.monotonic() - began
        longest, number = max(longest, seconds), number + 1
        tell(f"round {number}: {seconds:.1f} s")
    return taken, lost


class Spread(NamedTuple):
    """Numbers of several rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}..{self.high:.2f})"


def timed(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The function, its seconds added to those of `part`."""

    def call(*args: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **more)
        finally:
            spent[part] += time.perf_counter() - began

    return call


def spread(numbers: Sequence[float]) -> Spread:
    """Median, smallest and largest."""
    return Spread(float(np.median(numbers)), min(numbers), max(numbers))


def speedup(seconds: Sequence[float], against: Sequence[float]) -> Spread:
    """How many times as fast as `against`, round by round."""
    return spread([theirs / ours for ours, theirs in zip(seconds, against, strict=True)])
