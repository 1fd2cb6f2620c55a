"""Where the attention of one agent lies, as plain values: on_objects, attention_entropy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator

from attn_ppo.interpret.believe.looking import looking, worths_of
from attn_ppo.interpret.believe.objects import present
from attn_ppo.interpret.believe.subject import Subject
from attn_ppo.interpret.network import opened, see_all
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.model import ActorCritic

CONTROLS = ("uniform", "best", "fixed", "own_mean", "shifted", "as_high", "untrained", "random")
OF_OBJECT = {
    "share": "share",
    "lift": "lift",
    "normalised seen": "seen",
    "mutual information": "information",
}
NONE = np.empty((0, 0))


def on_objects(
    subject: Subject, names: Sequence[str] = (), importance: np.ndarray = NONE
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is measured of each object, and of each map without one.

    `importance` (S, O) is that of the objects `names`, where it is known.
    """
    _, recording, _, _, objects, options = subject
    there, area = present(objects), objects.coverage.mean((0, 2, 3)) / 255
    rows = {
        name: {"name": name, "present": there[:, at].mean(), "area": float(area[at])}
        for at, name in enumerate(objects.names)
    }
    for at, name in enumerate(names):
        rows[name]["importance"] = subject.over_time(importance[:, at])
    maps = recording.attention
    if not maps.shape[1]:
        return list(rows.values()), []
    untrained = _untrained(subject)
    rng, worths = np.random.default_rng(options.seed), worths_of(objects, OF_OBJECT)
    both = ((maps, untrained), (maps.mean(1, keepdims=True), untrained.mean(1, keepdims=True)))
    single, summed = (
        looking(each, objects, recording.games, untrained=other, worths=worths, rng=rng)
        for each, other in both
    )
    for row in summed:
        if row.measure in OF_OBJECT and row.object:
            controls = {name: getattr(row.controls, name) for name in CONTROLS}
            found = subject.over_time(row.each) | {"controls": controls}
            rows[row.object][OF_OBJECT[row.measure]] = found
    told_maps = [
        {"map": row.map, "object": row.object, "measure": row.measure, "value": row.value}
        for row in single
    ]
    return list(rows.values()), told_maps


def _untrained(subject: Subject) -> np.ndarray:
    """(T, K, 7, 7) the maps of a new agent that sees what this one saw."""
    model, attention = subject.agent.model, subject.agent.settings.attention
    rng = Generator().manual_seed(subject.options.seed)
    new = opened(ActorCritic(model.policy_head.out_features, attention, rng))
    parts = np.array_split(np.arange(len(subject.recording)), 8)
    seen = [see_all(new, torch.from_numpy(subject.recording.observations(p))) for p in parts]
    return torch.cat([each.attention for each in seen]).numpy()


def attention_entropy(recording: Recording) -> np.ndarray:
    """(T,) nats, summed over maps; nan without attention."""
    if not recording.entropy.shape[1]:
        return np.full(len(recording), np.nan)
    return recording.entropy.sum(1)
