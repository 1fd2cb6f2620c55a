"""The progress of a run, or of a sweep, on the terminal.

Nothing here raises because of the terminal: a closed one is no reason to end a run.
"""

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from tqdm import tqdm

from attn_ppo.formats import fixed
from attn_ppo.learning.bands import HIGH, HUMAN, LOW, human, score

# The columns of a row that are shown besides its steps, if it has them: label and decimals.
SHOWN = {"episode_return": ("score", 1), "attention_entropy": ("attention entropy", 2)}


class Terminal:
    """A progress bar on a terminal; elsewhere a plain line every `interval` seconds at most.

    Speed and time left follow from the steps since it was opened, and from all of that time.
    """

    def __init__(
        self,
        label: str,
        total_steps: int | None,
        initial_steps: int = 0,
        *,
        file: TextIO | None = None,
        interval: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total_steps` is None where nobody knows how many there will be."""
        self._label, self._total, self._interval, self._clock = label, total_steps, interval, clock
        self._initial, self._began = initial_steps, clock()
        self._file = sys.stderr if file is None else file
        self._bar: tqdm | None = None
        self._pending, self._printed_at = "", -math.inf
        if self._file.isatty():
            size = {"total": total_steps, "initial": initial_steps, "unit": " steps"}
            whole = {"smoothing": 0, "dynamic_ncols": True}  # the mean speed, not the latest
            self._bar = tqdm(desc=label, file=self._file, **size, **whole)

    def write(self, row: Mapping[str, float], state: str = "") -> None:
        """Shows how far the run is, `state`, and the score and attention entropy in the row."""
        steps = int(min(row["env_steps"], self._total or math.inf))
        shown = [
            f"{name} {_number(row[key], digits)}"
            for key, (name, digits) in SHOWN.items()
            if key in row
        ]
        state = "  ".join(filter(None, [state, *shown, *_beside(row)]))
        if self._bar is not None:
            bar = self._bar
            bar.set_postfix_str(state, refresh=False)
            _ignore_closed(lambda: bar.update(steps - bar.n))
            return
        self._pending = f"{self._progress(steps)}  {state}".rstrip()
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

    def _progress(self, steps: int) -> str:
        seconds = self._clock() - self._began
        rate = max(steps - self._initial, 0) / seconds if seconds > 0 else 0.0
        speed = f"{rate:,.0f} steps/s"
        if self._total is None:
            return f"{self._label}  {steps:,} steps  {speed}"
        eta = tqdm.format_interval((self._total - steps) / rate) if rate else "-"
        share = f"{100 * steps // self._total}%"
        return f"{self._label}  {steps:,} / {self._total:,} steps  {share}  {speed}  ETA {eta}"


def _beside(row: Mapping[str, float]) -> Iterator[str]:
    """How far from random play to a human the score is, and what our own runs had by then."""
    if HUMAN in row:
        yield human(row[HUMAN])
    low, high = (row.get(name.format("own"), math.nan) for name in (LOW, HIGH))
    if low <= high:
        yield f"own runs {score(low)}" + f" to {score(high)}" * (low < high)


def _ignore_closed(print_something: Callable[[], object]) -> None:
    """Calls what prints; a terminal that is gone is no error."""
    try:
        print_something()
    except (OSError, ValueError):
        return


def _number(value: float, digits: int) -> str:
    return fixed(value, digits) if math.isfinite(value) else "-"
