"""A recording: the games that an agent played, with its inputs and outputs, and their file.

About, Recording · save, load. docs/run-folder.md lists the fields of the file.
"""

import dataclasses
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle.disk import disk_error, write_atomically

FORMAT = 1


@dataclass(frozen=True)
class About:
    """Which agent played, and how: plain values, stored as JSON."""

    game: str
    name: str  # of the sweep
    lambda_: str  # without exponent, as in the run's folder
    seed: int  # of the training
    env_steps: int  # how long the agent had been trained
    weights: str  # SHA-256 of its weights, see network.weights_digest
    gate: str
    policy: str  # stochastic or greedy
    recording_seed: int  # of the games and of the sampling from the policy
    action_names: tuple[str, ...]
    settings: str = ""  # that tell it from those shown with it, `gate=none clip_range=0.1`

    @property
    def label(self) -> str:
        """The agent in a few words."""
        words = [self.game, self.settings, f"lambda={self.lambda_} seed={self.seed}"]
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Recording:
    """T steps of games one after the other; row t is the state before action t is executed."""

    about: About
    palette: np.ndarray  # (256, 3) uint8, RGB of a screen's numbers
    screens: np.ndarray  # (T, H, W) uint8, of each pixel the brighter of the last two frames
    frames: np.ndarray  # (T, 84, 84) uint8, the newest of the input's four
    games: np.ndarray  # (T,) int32, which of the games
    actions: np.ndarray  # (T,) uint8, as the agent chose
    executed: np.ndarray  # (T,) uint8, as played: FIRE after a lost life where the protocol says
    rewards: np.ndarray  # (T,) float32, raw, of action t
    lives: np.ndarray  # (T,) uint8
    log_probs: np.ndarray  # (T, A) float32
    value: np.ndarray  # (T,) float32
    attention: np.ndarray  # (T, K, 7, 7) float32
    entropy: np.ndarray  # (T, K) float32, nats

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def filled(self) -> np.ndarray:
        """(T,) how many of the input's four frames are of the present game, from 1 to 4."""
        steps = np.arange(len(self))
        first = np.searchsorted(self.games, self.games)
        return np.minimum(steps - first + 1, 4).astype(np.uint8)

    def observations(self, steps: np.ndarray | None = None) -> np.ndarray:
        """(S, 4, 84, 84) uint8: the network's input at these steps, by default at all."""
        steps = np.arange(len(self)) if steps is None else np.asarray(steps)
        age = 3 - np.arange(4)  # the newest frame is the last
        stacks = self.frames[np.maximum(steps[:, None] - age, 0)]
        stacks[age >= self.filled[steps, None]] = 0
        return stacks

    def colours(self, step: int) -> np.ndarray:
        """(H, W, 3) uint8, the screen at a step."""
        return self.palette[self.screens[step]]

    @property
    def returns(self) -> np.ndarray:
        """(T,) raw score of the present game before action t."""
        before = np.concatenate([[0.0], np.cumsum(self.rewards, dtype=np.float64)[:-1]])
        return before - before[np.searchsorted(self.games, self.games)]


ARRAYS = tuple(field.name for field in dataclasses.fields(Recording) if field.name != "about")


def save(path: Path, recording: Recording) -> None:
    """Writes a recording as an .npz, atomically. Raises RunError if it can't be written."""
    about = json.dumps({"format": FORMAT, **dataclasses.asdict(recording.about)})
    arrays: dict[str, Any] = {name: getattr(recording, name) for name in ARRAYS}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=np.array(about), **arrays)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise disk_error(path, error, buffer.tell()) from None


def load(path: Path) -> Recording:
    """The recording in a file. Raises ConfigError where it is not a readable recording."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about.pop("format") != FORMAT:
                raise ValueError("another version's format")
            about["action_names"] = tuple(about["action_names"])
            return Recording(About(**about), **{name: file[name] for name in ARRAYS})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        wrong = f"can't be read ({reason})"
        raise ConfigError("", path, "a recording of this version", wrong=wrong) from None
