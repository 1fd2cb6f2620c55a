"""The actions that emulators, which can't be saved, have executed, so that they can be replayed.

An emulator's future follows from the seed of its last seeded reset and the actions since. Such a
reset costs a tenth of a second, so there is one only every so many steps, at the end of a game:
an anchor.
"""

from typing import Any

import numpy as np


class ActionLog:
    """The actions of N environments since the anchor of each."""

    def __init__(self, num_envs: int, anchor_steps: int):
        self.anchors = np.zeros(num_envs, np.int64)  # how many each environment has had
        self._since = np.zeros(num_envs, np.int64)  # steps since the last of them
        self._num_envs, self._anchor_steps = num_envs, anchor_steps
        self._actions = bytearray()  # (L, N) uint8, the newest row last

    def add(self, actions: np.ndarray) -> None:
        """One step's actions, (N,) integers below 256, as they were executed."""
        self._actions += actions.astype(np.uint8).tobytes()
        self._since += 1

    def due(self) -> np.ndarray:
        """(N,) bool: the environments whose next reset is to be an anchor."""
        return self._since >= self._anchor_steps

    def anchor(self, which: np.ndarray) -> None:
        """Notes that the environments marked in `which` (N,) were just reset from a seed."""
        self.anchors[which] += 1
        self._since[which] = 0
        needed = int(self._since.max()) * self._num_envs
        del self._actions[: len(self._actions) - needed]

    def state(self) -> dict[str, Any]:
        """For a checkpoint: `actions` (L, N) uint8 and, each (N,), `anchors` and `since`."""
        rows = np.frombuffer(bytes(self._actions), np.uint8).reshape(-1, self._num_envs)
        return {
            "actions": rows.copy(),
            "anchors": self.anchors.tolist(),
            "since": self._since.tolist(),
        }

    def load(self, state: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Restores a `state`. Returns the actions, (L, N) int64, and for each environment (N,) the
        row before which it had its anchor; its actions in earlier rows are padding."""
        actions = np.asarray(state["actions"])
        self.anchors = np.array(state["anchors"], np.int64)
        self._since = np.array(state["since"], np.int64)
        self._actions = bytearray(actions.tobytes())
        return actions.astype(np.int64), len(actions) - self._since
