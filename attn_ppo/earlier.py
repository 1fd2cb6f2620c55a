"""Settings that earlier versions did not have, with the values that their runs had in effect."""

from typing import Any

EARLIER = {
    "root": "runs",
    "axes": [],
    "diversity": 0.0,
    "lambda_schedule": "constant",
    "lambda_start": 0,
    "lambda_warmup": 0,
    "regularizer": {"name": "entropy", "target": None},
    "init_from": None,
    "init_sha256": None,
    "compute": {"backend": "torch", "precision": "fp32", "threads": "auto"},
    "checkpoint": {"anchor_steps": 10_000, "resume": "exact", "milestones": 0},
    "videos": {"every_updates": 0},
    "search": {"entropy_weight": 0.0, "zero_below": 0.0},
    "until": None,
    "budget": None,
    "decided": {"margin": 0.1, "seeds": 3},
}


def completed(values: dict[str, Any]) -> dict[str, Any]:
    """The values of an earlier version's run, with those of EARLIER that it lacks."""
    for key, since in EARLIER.items():
        given = values.setdefault(key, since)
        if isinstance(given, dict) and isinstance(since, dict):
            values[key] = since | given
    return values
