"""What has become of runs, for people: read from their folders, wherever the runs are."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_ppo import config, schema
from attn_ppo.config import RunConfig
from attn_ppo.run_dir import read_last_row, read_status


def table(configs: Sequence[RunConfig]) -> str:
    """Game, lambda, seed, score, attention entropy and state of each run, for people."""
    head = ("game", "lambda", "seed", "score", "attention entropy", "state")
    rows = [head, *((c.env, config.plain(c.lambda_), str(c.seed), *outcome(c)) for c in configs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    align = (str.ljust, str.rjust, str.rjust, str.rjust, str.rjust, str.ljust)
    lines = ("  ".join(map(lambda to, cell, n: to(cell, n), align, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def outcome(settings: RunConfig) -> tuple[str, str, str]:
    """Score, attention entropy (nats) and state; of the evaluation where it was made."""
    status, result = read_status(settings.folder), read_last_row(settings.folder)
    result |= _evaluation(settings.folder, result.get("env_steps"))
    score, entropy = (result.get(key) for key in ("episode_return", "attention_entropy"))
    state = str(status.get("state", "not started"))
    cause = f": {schema.shorten(status['cause'])}" if status.get("cause") else ""
    return _number(score, 1), _number(entropy, 2), state + cause


def _evaluation(folder: Path, env_steps: float | None) -> dict[str, Any]:
    """Score and attention entropy of evaluation.json, if it is of the agent as it now is."""
    try:
        result = json.loads((folder / "evaluation.json").read_text())
        if result["env_steps"] != env_steps:
            return {}
        return {
            "episode_return": result["score_mean"],
            "attention_entropy": result["attention_entropy"],
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"
