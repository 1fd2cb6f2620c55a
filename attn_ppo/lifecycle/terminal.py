"""The progress of a run, or of a sweep, on the terminal.

Nothing here raises because of the terminal: a closed one is no reason to end a run.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from tqdm import tqdm

from attn_ppo.config import fixed

# The columns of a row that are shown besides its steps, if it has them: label and decimals.
SHOWN = {"episode_return": ("score", 1), "attention_entropy": ("attention entropy", 2)}


class Terminal:
    """A progress bar on a terminal; elsewhere a plain line every `interval` seconds at most."""

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
        self._pending, self._printed_at = "", -math.inf
        if self._file.isatty():
            size = {"total": total_steps, "initial": initial_steps, "unit": " steps"}
            self._bar = tqdm(desc=label, file=self._file, dynamic_ncols=True, **size)

    def write(self, row: Mapping[str, float]) -> None:
        """Shows how far the run is, its score and its attention entropy."""
        shown = {key: name for key, name in SHOWN.items() if key in row}
        state = "  ".join(
            f"{name} {_number(row, key, digits)}" for key, (name, digits) in shown.items()
        )
        if self._bar is not None:
            bar = self._bar
            bar.set_postfix_str(state, refresh=False)
            _ignore_closed(lambda: bar.update(min(row["env_steps"], self._total) - bar.n))
            return
        self._pending = self._progress(row) + state
        if self._clock() - self._printed_at >= self._interval:
            self._print_pending()

    def message(self, text: str) -> None:
        """Prints a line of its own, above the bar if there is one."""
        _ignore_closed(lambda: tqdm.write(text, file=self._file))

    def close(self) -> None:
        """Ends the bar, or prints the last row if it is still pending. Safe to call again."""
        if self._bar is not None:
            _ignore_closed(self._bar.close)
        elif self._pending:
            self._print_pending()

    def _print_pending(self) -> None:
        self.message(self._pending)
        self._pending, self._printed_at = "", self._clock()

    def _progress(self, row: Mapping[str, float]) -> str:
        steps, rate = int(row["env_steps"]), row.get("env_steps_per_second", math.nan)
        left = max(self._total - steps, 0)
        eta = tqdm.format_interval(left / rate) if 0 < rate < math.inf else "-"
        speed = f"{rate:,.0f}" if math.isfinite(rate) else "-"
        share = 100 * steps // self._total
        return (
            f"{self._label}  {steps:,} / {self._total:,} steps  {share}%"
            f"  {speed} steps/s  ETA {eta}  "
        )


def _ignore_closed(print_something: Callable[[], object]) -> None:
    """Calls what prints; a terminal that is gone is no error."""
    try:
        print_something()
    except (OSError, ValueError):
        return


def _number(row: Mapping[str, float], key: str, digits: int) -> str:
    value = row.get(key, math.nan)
    return fixed(value, digits) if math.isfinite(value) else "-"
