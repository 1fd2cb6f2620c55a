"""What a run's summary on W&B holds at its end, beside the last row: all that a figure needs.

of_end · of_evaluation · last_games. So that a run can be read back from W&B alone.
"""

import csv
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attn_ppo.atari.reference_scores import normalized
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode
from attn_ppo.lifecycle.run_dir import EPISODES, read_status

GAMES = 100  # as many as episode_return is the mean of
EVALUATION, BELIEVE, STATUS, LAST_GAMES = "evaluation/", "believe/", "status/", "last_games/"
HUMAN = "evaluation/human_normalised"
_BYTES_PER_GAME = 64  # at most, a line of episodes.csv


def of_end(
    folder: Path,
    code: ExitCode,
    cause: str = "",
    evaluation: Mapping[str, Any] | None = None,
    *,
    settings: RunConfig | None = None,
) -> dict[str, Any]:
    """How the run in `folder` ended, where it was resumed inexactly, its last games, evaluation.

    With `settings` also how far its evaluation is from random play, 0, to a human, 1.
    """
    state = {ExitCode.DONE: "done", ExitCode.PREEMPTED: "preempted"}.get(code, "failed")
    resumes = read_status(folder).get("inexact_resumes") or []
    status = {"state": state, "cause": cause, "inexact_resumes": resumes}
    games = last_games(folder / "episodes.csv")
    found = _prefixed(STATUS, status) | _prefixed(LAST_GAMES, games)
    if evaluation and settings:
        share = normalized(evaluation["score_mean"], settings.env, settings.protocol)
        found |= {} if math.isnan(share) else {HUMAN: share}
    return found | of_evaluation(evaluation or {})


def of_evaluation(result: Mapping[str, Any]) -> dict[str, Any]:
    """evaluation.json, under believe/ what `make believe` measured, which is a part of it."""
    own = {key: value for key, value in result.items() if key != BELIEVE.rstrip("/")}
    believe = result.get(BELIEVE.rstrip("/")) or {}
    return _prefixed(EVALUATION, own) | _prefixed(BELIEVE, believe)


def last_games(table: Path) -> dict[str, list[float]]:
    """The last 100 rows of an episodes.csv, by column; {} without one. Reads its end alone."""
    try:
        with open(table, "rb") as file:
            header = file.readline()
            start = max(len(header), file.seek(0, os.SEEK_END) - GAMES * _BYTES_PER_GAME)
            file.seek(start)
            names, lines = header.decode().strip(), file.read().decode().split("\n")
    except (OSError, ValueError):
        return {}
    whole = lines[start > len(header) : -1]  # the first may be cut, what follows the last \n is
    rows = list(csv.DictReader(io.StringIO("\n".join([names, *whole[-GAMES:]]))))
    try:
        return {key: [float(row[key]) for row in rows] for key in EPISODES}
    except (KeyError, TypeError, ValueError):
        return {}


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in values.items() if value is not None}
