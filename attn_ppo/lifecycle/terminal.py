"""The progress of a run, or of a sweep, for whoever watches it.

Nothing here ever raises for a reason of its own: a closed terminal is no reason to end a run.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from tqdm import tqdm

# What of a row is shown besides its steps, where the row has it: name and form.
SHOWN = {"episode_return": ("score", ".1f"), "attention_entropy": ("attention entropy", ".2f")}


class Terminal:
    """Progress: a live bar on a terminal, elsewhere now and then a plain line."""

    def __init__(
        self,
        label: str,
        total_steps: int,
        initial_steps: int = 0,
        *,
        file: TextIO | None = None,
        interval: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._interval, self._clock = label, total_steps, interval, clock
        self._file = sys.stderr if file is None else file
        self._bar: tqdm | None = None
        self._unsaid, self._said_at = "", -math.inf
        if self._file.isatty():
            size = {"total": total_steps, "initial": initial_steps, "unit": " steps"}
            self._bar = tqdm(desc=label, file=self._file, dynamic_ncols=True, **size)

    def write(self, row: Mapping[str, float]) -> None:
        """Show how far the run is, its score, and how wide its attention."""
        shown = {key: name for key, name in SHOWN.items() if key in row}
        state = "  ".join(
            f"{name} {_number(row, key, form)}" for key, (name, form) in shown.items()
        )
        if self._bar is not None:
            bar = self._bar
            bar.set_postfix_str(state, refresh=False)
            _survive(lambda: bar.update(min(row["env_steps"], self._total) - bar.n))
            return
        self._unsaid = self._progress(row) + state
        if self._clock() - self._said_at >= self._interval:
            self._say_progress()

    def message(self, text: str) -> None:
        """Print a line of its own, above the bar where there is one."""
        _survive(lambda: tqdm.write(text, file=self._file))

    def close(self) -> None:
        """End the bar, or print the last row if its turn had not come. Safe to call again."""
        if self._bar is not None:
            _survive(self._bar.close)
        elif self._unsaid:
            self._say_progress()

    def _say_progress(self) -> None:
        self.message(self._unsaid)
        self._unsaid, self._said_at = "", self._clock()

    def _progress(self, row: Mapping[str, float]) -> str:
        steps, rate = int(row["env_steps"]), row.get("env_steps_per_second", math.nan)
        left = max(self._total - steps, 0)
        eta = tqdm.format_interval(left / rate) if 0 < rate < math.inf else "-"
        speed = _number(row, "env_steps_per_second", ",.0f")
        share = 100 * steps // self._total
        return (
            f"{self._label}  {steps:,} / {self._total:,} steps  {share}%"
            f"  {speed} steps/s  ETA {eta}  "
        )


def _survive(print_something: Callable[[], object]) -> None:
    """Print, unless there is nowhere to print to any more."""
    try:
        print_something()
    except (OSError, ValueError):
        return


def _number(row: Mapping[str, float], key: str, form: str) -> str:
    value = row.get(key, math.nan)
    return format(value, form) if math.isfinite(value) else "-"
