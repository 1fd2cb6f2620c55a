"""A part of the GPU check in a process of its own: a fault of the GPU there ends no other part.

`rows_of` starts one and gathers its rows. `python -m bench.gpu_part NAME ASK` is the child.
"""

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.pace import Child, ContenderError
from bench.race import python_path

UNCACHED = ("agreement", "fp32")
OK, FAILED, MEASURED, LEFT_OUT = "ok", "FAILED", "measured", "left out"


@dataclass(frozen=True)
class Ask:
    """What a part has to know."""

    device: str
    game: str
    cores: int
    deadline: float  # on time.monotonic, which all processes of a machine share

    @property
    def rehearsal(self) -> bool:
        """Whether this is the CPU, for which everything is made small."""
        return self.device == "cpu"

    @property
    def left(self) -> float:
        """Seconds to the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())


@dataclass(frozen=True)
class Row:
    """One thing that was looked at: how it stands, in words and in numbers."""

    what: str
    state: str
    told: str
    numbers: dict[str, Any] = field(default_factory=dict)
    part: str = ""


def judged(what: str, good: bool, told: str, **numbers: Any) -> Row:
    """The row of something that can be wrong."""
    return Row(what, OK if good else FAILED, told, numbers)


def rows_of(part: str, ask: Ask, tell: Callable[[Row], object]) -> list[Row]:
    """The rows of a part, told as they come. One that fails or is out of time has a row about it.

    What a child began is gone when this returns.
    """
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        tell(row)

    command = [sys.executable, "-m", "bench.gpu_part", part, json.dumps(asdict(ask))]
    # What one part compiled, with cuDNN or without, isn't for another: the cache can't tell.
    alone = {"TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"} if part in UNCACHED else {}
    threads = {"OMP_NUM_THREADS": str(ask.cores), "MKL_NUM_THREADS": str(ask.cores)}
    env = {"PYTHONPATH": python_path(), "WANDB_MODE": "disabled", **threads, **alone}
    with tempfile.TemporaryDirectory() as folder:
        child = Child(command, folder=folder, env=env)
        try:
            while (said := child.report(ask.left)) is not None:
                add(Row(**said, part=part))
        except ContenderError as error:
            late = ask.left == 0
            told = "the rest of it: no time; give more --minutes" if late else str(error)
            add(Row(part, LEFT_OUT if late else FAILED, told, part=part))
        finally:
            child.close()
    return rows


def main(arguments: list[str]) -> None:
    """Prints a part's rows, one JSON object a line, and null at the end."""
    part, ask = arguments
    reports = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what others print is no row
    rows: Iterator[Row] = importlib.import_module(f"bench.gpu_{part}").rows(Ask(**json.loads(ask)))
    for row in rows:
        said = {"what": row.what, "state": row.state, "told": row.told, "numbers": row.numbers}
        print(json.dumps(said), file=reports)
    print("null", file=reports)


if __name__ == "__main__":
    main(sys.argv[1:])
