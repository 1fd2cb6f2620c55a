"""The numbers of each update, on their way to the run's tables and to whoever follows it."""

import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from attn_ppo.atari.step import Episode
from attn_ppo.config import FRAMES_PER_STEP, AttentionSettings, RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.learning.bands import derived
from attn_ppo.lifecycle.run_dir import OF_MAPS, RunDir
from attn_ppo.lifecycle.saved import RowsState

FINITE = ("policy_loss", "value_loss", "attention_entropy", "policy_entropy", "grad_norm")
RECENT_GAMES = 100  # whose means a row shows


class Sink(Protocol):
    """Where a row goes besides metrics.csv, with what is derived from it: the terminal, W&B."""

    def write(self, row: Mapping[str, float]) -> None:
        """Shows or sends a row of metrics.csv; raises nothing that could end the run."""
        ...


class Rows:
    """Keeps the last 100 whole games and the run's clock, over interruptions too."""

    def __init__(
        self,
        settings: RunConfig,
        run_dir: RunDir,
        sinks: Sequence[Sink],
        saved: RowsState | None = None,
        inexact_resumes: int = 0,
    ):
        self._inexact_resumes = inexact_resumes
        self._settings, self._ppo = settings, settings.ppo
        self._run_dir, self._sinks = run_dir, sinks
        recent = saved["recent"] if saved else []
        self._recent = deque(recent, maxlen=RECENT_GAMES)
        self._row_began = time.monotonic()
        self._began = self._row_began - (saved["elapsed_seconds"] if saved else 0.0)

    def write(
        self,
        number: int,
        episodes: Sequence[list[Episode]],
        metrics: Mapping[str, Tensor],
        learning_rate: float,
    ) -> dict[str, float]:
        """The row of the `number`-th update, counted from 1, once it has been written everywhere.

        Raises RunError where the disk doesn't take it, or where a loss isn't finite.
        `episodes` are the games that finished at each of its steps. Metrics come to the host in
        one copy and keep 9 digits, all that float32 holds. Without attention its entropy is nan, as
        is the overlap of a single map: the 0 of the loss would read as perfectly sharp.
        """
        games = self._episode_rows(number - 1, episodes)
        self._recent.extend((game["episode_return"], game["episode_length"]) for game in games)
        now = time.monotonic()
        values = dict(zip(metrics, torch.stack(list(metrics.values())).tolist(), strict=True))
        values |= self._recent_means() | {
            "learning_rate": learning_rate,
            "lambda": self._settings.lambda_at(number),
            "env_steps_per_second": self._ppo.batch_size / (now - self._row_began),
            "elapsed_seconds": now - self._began,
        }
        self._row_began = now
        env_steps = number * self._ppo.batch_size
        row = {"update": number, "env_steps": env_steps, "frames": env_steps * FRAMES_PER_STEP}
        row |= {key: float(f"{value:.9g}") for key, value in values.items()}
        row["inexact_resumes"] = self._inexact_resumes
        row |= dict.fromkeys(_undefined(self._settings.attention), math.nan)
        self._run_dir.append("episodes.csv", games)
        self._run_dir.append("metrics.csv", [row])
        shown = row | derived(row, self._settings)
        for sink in self._sinks:
            sink.write(shown)
        _check_finite(number, values)
        return row

    def state(self) -> RowsState:
        """What a checkpoint needs to go on."""
        return {
            "recent": list(self._recent),
            "elapsed_seconds": self._row_began - self._began,
            "sizes": self._run_dir.sizes(),
        }

    def _recent_means(self) -> dict[str, float]:
        scores, lengths = zip(*self._recent, strict=True) if self._recent else ([math.nan],) * 2
        return {
            "episode_return": float(np.mean(scores)),
            "episode_length": float(np.mean(lengths)),
        }

    def _episode_rows(
        self, updates_before: int, episodes: Sequence[list[Episode]]
    ) -> list[dict[str, Any]]:
        before = updates_before * self._ppo.batch_size
        return [
            {"env_steps": before + (t + 1) * self._ppo.num_envs, **game._asdict()}
            for t, games in enumerate(episodes)
            for game in games
        ]


def _undefined(attention: AttentionSettings) -> tuple[str, ...]:
    """The columns that have no value, nan, for agents with so many maps."""
    if attention.gate == "none":
        return OF_MAPS
    return ("map_overlap",) if attention.maps == 1 else ()


def _check_finite(number: int, values: Mapping[str, float]) -> None:
    for key in FINITE:
        if not math.isfinite(values[key]):
            reason = f"{key} is {values[key]} at update {number}"
            raise RunError(ExitCode.NOT_FINITE, reason)
