"""Follows the runs of a sweep, wherever they are, by what is in their folders."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attn_ppo import status
from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.run_dir import FINAL, read_last_row, read_status
from attn_ppo.lifecycle.standing import look, saved_steps
from attn_ppo.lifecycle.terminal import Terminal


class Watch:
    """A line as each run ends, and the progress of the sweep."""

    def __init__(self, configs: Sequence[RunConfig], *, interval: float = 2.0):
        self._count, self._interval = len(configs), interval
        self._left = {c.folder: c for c in configs}  # but for those that were seen to become done
        self._steps_done = 0  # of these
        self._before = {folder: read_status(folder) for folder in self._left}
        self._ends = {folder: _ended(said) for folder, said in self._before.items()}
        self._ended = set[Path]()  # one that a scheduler preempted ends again
        total = sum(c.trained_steps for c in configs)
        saved = sum(standing(c, self._before[f], None)[0] for f, c in self._left.items())
        self._terminal = Terminal(f"{len(configs)} run{'s' * (len(configs) != 1)}", total, saved)

    def follow(self) -> AbstractContextManager[None]:
        """Follows them until the context is left."""
        return following(self._look, self._terminal, self._interval)

    def _look(self) -> None:
        steps, doing = 0, Counter[str]()
        for folder, settings in list(self._left.items()):
            said = read_status(folder)
            if (end := _ended(said)) and end != self._ends[folder]:
                self._ends[folder] = end
                self._tell_end(settings)
            if said.get("state") == "done" and folder in self._ended:  # it won't begin again
                self._steps_done += self._left.pop(folder).trained_steps
                continue
            saved, what = standing(settings, said, self._before[folder])
            steps += saved
            doing[what] += 1
        state = ", ".join(f"{doing[w]} {w}" for w in ("running", "evaluating") if doing[w])
        self._terminal.write({"env_steps": self._steps_done + steps}, state)

    def _tell_end(self, settings: RunConfig) -> None:
        self._ended.add(settings.folder)
        found = look([(settings.folder, settings)])[0]
        score, entropy, human = status.result(found)
        cause = f": {found.note}" if found.note else ""
        self._terminal.message(
            f"[{len(self._ended)}/{self._count}] {settings.label}: {found.state}"
            f"{cause}, score {score}{f' ({human})' * bool(human)}, attention entropy {entropy}"
        )
        for flag in found.flags:
            self._terminal.message(f"{settings.label}: {flag}")


@contextmanager
def following(look: Callable[[], object], terminal: Terminal, interval: float) -> Iterator[None]:
    """Calls `look` every so many seconds, in a thread, and once more at the end."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(interval):
            look()
        look()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        terminal.close()


def standing(
    settings: RunConfig, said: dict[str, Any], before: dict[str, Any] | None
) -> tuple[int, str]:
    """The agent steps of a run that count, and whether it is "running" or "evaluating", or "".

    `said` is its status.json, `before` what that was when the sweep began, None if that is now.
    Steps that were never saved count while they are being made, not once their process is gone.
    """
    state, total = said.get("state"), settings.trained_steps
    if state == "done":
        return total, ""
    if state != "running" or before is None or said == before:
        return min(saved_steps(said), total), ""
    steps = int(read_last_row(settings.folder).get("env_steps", 0))
    return min(steps, total), "evaluating" if steps >= total else "running"


def _ended(said: dict[str, Any]) -> str | None:
    """When a run ended; None while it hasn't."""
    return said.get("heartbeat") if said.get("state") in FINAL else None
