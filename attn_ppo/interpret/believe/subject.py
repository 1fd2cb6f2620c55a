"""An agent and what it is measured on: Options, Subject; how numbers are told: told, plain."""

from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.bootstrap import Interval, by_game, interval
from attn_ppo.interpret.believe.objects import Objects
from attn_ppo.interpret.believe.replay import Replay
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording


class Options(NamedTuple):
    """How much is measured; a part of what identifies a result."""

    steps: int = 1500  # recorded
    samples: int = 100  # of them, for cause and maps
    sanity: int = 10  # of these, for randomised layers
    games: int = 10  # whole ones with each intervention; 0: none
    seed: int = 0


class Subject(NamedTuple):
    """An agent and what it is measured on."""

    agent: OpenAgent
    recording: Recording
    replay: Replay
    steps: np.ndarray  # (S,) the samples
    objects: Objects
    options: Options

    def over_time(self, values: np.ndarray) -> dict[str, Any]:
        """Of a value a step (T,), or a sample (S,), nan where undefined."""
        games = self.recording.games
        if len(values) != len(games):
            every = np.full(len(games), np.nan)
            every[self.steps] = values
            values = every
        return told(interval([by_game(values, games)], seed=self.options.seed))


def told(found: Interval) -> dict[str, Any]:
    """An interval of one agent as plain values."""
    return {"value": found.mean, "low": found.low, "high": found.high, "p": found.p}


def plain(value: Any) -> Any:
    """The same with numbers that JSON has: six significant digits, None in place of nan."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
