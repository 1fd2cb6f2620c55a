"""What a torture comes to: a table of faults, tries, identical ends and losses."""

import threading
import time

from tqdm import tqdm


class Tally:
    """Counts by fault; safe to share between threads."""

    def __init__(self, total: int):
        self._counts: dict[str, list[int]] = {}
        self.problems: list[str] = []
        self._lock = threading.Lock()
        self._bar = tqdm(total=total, unit=" tries", disable=None)
        self._done, self._total, self._began, self._said = 0, total, time.monotonic(), 0.0

    def add(self, fault: str, problem: str | None, *, lost: bool = False, tries: int = 1) -> None:
        """One try (or so many), in which all was as it should be unless there's a problem."""
        with self._lock:
            counts = self._counts.setdefault(fault, [0, 0, 0])
            counts[0] += tries
            counts[1] += tries if problem is None else 0
            counts[2] += tries if lost else 0
            self._bar.update(tries)
            self._done += tries
        self._say_progress()
        if problem is not None:
            self.problems.append(f"{fault}: {problem}")
            self.note(self.problems[-1])

    def _say_progress(self) -> None:
        """Where there's no terminal for a bar, a line every half a minute."""
        spent = time.monotonic() - self._began
        if self._bar.disable and spent > self._said + 30:
            self._said = spent
            print(f"{self._done} of {self._total} tries, {spent / 60:.0f} min so far", flush=True)

    def note(self, text: str) -> None:
        """A line for whoever watches."""
        tqdm.write(text)

    @property
    def kills(self) -> int:
        """How many runs were killed."""
        return sum(counts[0] for fault, counts in self._counts.items() if fault[:5] == "kill ")

    def table(self) -> str:
        """For people, and for README."""
        self._bar.close()
        rows = [("fault", "tries", "identical", "lost")]
        rows += [(fault, *map(str, counts)) for fault, counts in sorted(self._counts.items())]
        width = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:{width}}  {row[1]:>5}  {row[2]:>9}  {row[3]:>4}" for row in rows)
