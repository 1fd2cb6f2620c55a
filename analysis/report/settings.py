"""What the runs of a report share and in what they differ: settings, versions, machines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from analysis.report.values import Value, pairs, section
from analysis.runs import Run
from attn_ppo import config
from attn_ppo.formats import spelled
from attn_ppo.variants import rank

MACHINE = ("device", "processor", "threads", "backend", "kernels")  # of status.json; no host's name
MOST_VALUES = 8  # of a key; more are counted


def settings_section(runs: Sequence[Run]) -> Value:
    """Settings that all have, those that differ, and by what they were trained."""
    every = [dict(config.identity(run.config)) for run in runs]
    keys = [key for key in dict.fromkeys(key for each in every for key in each) if key != "name"]
    values = {key: _counted(each.get(key) for each in every) for key in keys}
    shared = {key: found for key, found in values.items() if len(found) == 1}
    differing = {key: found for key, found in values.items() if len(found) > 1}
    blocks = [
        pairs(((key, _values(found)) for key, found in part.items()), caption)
        for part, caption in (
            (differing, "What differs"),
            (shared, "What all share"),
            (_versions(runs), "Versions and machines"),
        )
        if part
    ]
    return section("settings", "Settings and versions", blocks)


def _versions(runs: Sequence[Run]) -> dict[str, Counter[str]]:
    """What the runs' status says of code and machine, with how many runs say it."""
    versions: list[dict[str, Any]] = []
    for run in runs:
        known = run.status.get("versions")
        known = dict(known) if isinstance(known, dict) else {}
        versions.append(known | {key: run.status[key] for key in MACHINE if key in run.status})
        if "commit" in run.status:
            versions[-1]["commit"] = run.status["commit"]
    keys = dict.fromkeys(key for each in versions for key in each)
    found = {str(key): _counted(each.get(key, "unknown") for each in versions) for key in keys}
    resumed = sum(bool(run.inexact_at) for run in runs)
    return found | ({"resumed inexactly": Counter({"yes": resumed})} if resumed else {})


def _counted(values: Iterable[Any]) -> Counter[str]:
    return Counter(spelled(value) for value in values)


def _values(found: Counter[str]) -> str:
    """`softmax`, `0 (5 runs), 0.005 (4 runs)`."""
    if len(found) == 1:
        return next(iter(found))
    names = sorted(found, key=rank)
    told = [f"{name} ({found[name]} run{'s' * (found[name] > 1)})" for name in names[:MOST_VALUES]]
    return ", ".join([*told, *[f"and {len(names) - MOST_VALUES} more"][: len(names) > MOST_VALUES]])
