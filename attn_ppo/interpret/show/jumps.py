"""Bookmarks: the steps of a recording that are worth a look."""

from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.play.recording import Recording

APART = 5  # steps between two bookmarks of one kind
LEAST_VALUE, LEAST_ENTROPY = 0.05, 0.1  # changes worth a bookmark: clipped rewards, nats


class Jump(NamedTuple):
    """A bookmarked step, and why."""

    step: int
    why: str


def jumps(recording: Recording, *, most: int = 16) -> list[Jump]:
    """At most `most`, in order: lost lives and new games first, then the greatest rewards, then
    the greatest changes of value and of attention entropy from one step to the next. What comes
    together is one bookmark."""
    within = np.diff(recording.games) == 0
    lives = np.flatnonzero((np.diff(recording.lives.astype(int)) < 0) & within) + 1
    found = [Jump(int(step), "life lost") for step in lives]
    found += [Jump(int(step) + 1, "new game") for step in np.flatnonzero(~within)]
    for step in _greatest(np.abs(recording.rewards), 4):
        found.append(Jump(step, f"reward {recording.rewards[step]:+g}"))
    entropy = recording.entropy.sum(-1)
    for what, line, least in (
        ("value", recording.value, LEAST_VALUE),
        ("attention entropy", entropy, LEAST_ENTROPY),
    ):
        change = np.concatenate([[0.0], np.diff(line) * within])
        for step in _greatest(np.abs(change) * (np.abs(change) >= least), 4):
            found.append(Jump(step, f"{what} {change[step]:+.2f}"))
    whys: dict[int, list[str]] = {}
    for step, why in found:  # the kinds are in order of importance
        whys.setdefault(step, []).append(why)
    return sorted(Jump(step, ", ".join(each)) for step, each in list(whys.items())[:most])


def _greatest(sizes: np.ndarray, most: int) -> list[int]:
    """The steps of the greatest sizes above zero, APART from each other."""
    chosen: list[int] = []
    for step in np.argsort(-sizes, kind="stable"):
        if len(chosen) == most or not sizes[step] > 0:
            break
        if all(abs(int(step) - other) >= APART for other in chosen):
            chosen.append(int(step))
    return chosen
