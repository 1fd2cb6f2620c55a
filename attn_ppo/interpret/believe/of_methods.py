"""What is measured of the saliency methods of one agent, each a part of `measure`.

maps · agreement with cause · deletion and insertion · sanity. Beside the methods stand attention,
brightness and motion.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_ppo.interpret.believe import bootstrap
from attn_ppo.interpret.believe.agreement import agreement as rank_agreement
from attn_ppo.interpret.believe.agreement import beside, masses, pooled
from attn_ppo.interpret.believe.deletion import areas, blurred, curves, orders_of, other_moments
from attn_ppo.interpret.believe.objects import stacked
from attn_ppo.interpret.believe.randomised import (
    follows_action,
    passes,
    randomised,
    similarity,
)
from attn_ppo.interpret.believe.subject import Subject, told
from attn_ppo.interpret.saliency.maps import maps_on_pixels
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import TARGETS

TARGET = "log_prob"


def maps(subject: Subject) -> dict[str, np.ndarray]:
    """(S, F, 84, 84) the maps of each method at the samples; what isn't a method comes last."""
    agent, recording, _, steps, _, options = subject
    found = maps_on_pixels(
        agent.model,
        recording,
        TARGETS[TARGET],
        tuple(METHODS),
        seed=options.seed,
        steps=steps.tolist(),
    )
    return found | beside(recording.observations(steps), recording.attention[steps])


def agreement(
    subject: Subject,
    every: dict[str, np.ndarray],
    names: Sequence[str],
    importance: np.ndarray,
) -> dict[str, dict[str, Any]]:
    """How each method's maps rank objects like cause does; {} of each in a game without edits."""
    methods: dict[str, dict[str, Any]] = {name: {} for name in every}
    if not names:
        return methods
    objects, recording, steps = subject.objects, subject.recording, subject.steps
    chosen = [objects.names.index(name) for name in names]
    masks = stacked(objects.coverage[:, chosen], recording.filled, steps)
    for name, maps in every.items():
        mass = masses(maps, masks)
        found = rank_agreement(mass, importance)
        drawn = bootstrap.redrawn(
            lambda rows, mass=mass: pooled(mass[rows], importance[rows]),
            steps,
            recording.games[steps],
            seed=subject.options.seed,
        )
        drawn = bootstrap.centred(drawn, found.pooled)
        games = len(np.unique(recording.games[steps]))
        methods[name] = {
            "agreement": told(bootstrap.of_draws(found.pooled, drawn, games=games)),
            "timeless": found.timeless,
            "within": subject.over_time(found.within),
            "over_time": dict(zip(names, found.over_time.tolist(), strict=True)),
        }
    return methods


def deletion(subject: Subject, every: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """For each order the areas between its curve and random's, with both fills."""
    agent, recording, _, steps, _, options = subject
    obs, actions = recording.observations(steps), recording.actions[steps]
    orders = orders_of(every, seed=options.seed)
    fills = {
        "": other_moments(recording, steps, seed=options.seed),
        " blurred": blurred(obs),
    }
    found: dict[str, dict[str, Any]] = {name: {} for name in every}
    for fill, shown in fills.items():
        for inserting, way in ((False, "deletion"), (True, "insertion")):
            of_orders = curves(agent.model, obs, shown, actions, orders, inserting=inserting)
            for name, area in areas(of_orders).items():
                of_order = found.setdefault(name, {})
                of_order[way + fill] = subject.over_time(area.kl)
                of_order[f"{way}{fill}, value"] = subject.over_time(area.value)
    return found


def sanity(subject: Subject) -> dict[str, dict[str, Any]]:
    """Whether each method's maps depend on what was learned, and on the action."""
    agent, recording, _, steps, _, options = subject
    some = steps[:: max(1, len(steps) // max(options.sanity, 1))][: options.sanity]
    found = randomised(
        agent.model,
        agent.settings.attention,
        recording.observations(some),
        recording.actions[some],
        TARGETS[TARGET],
        tuple(METHODS),
        seed=options.seed,
    )
    return {
        name: {
            "similarity": max(similarity(each)[:2]),  # by which it passes
            **similarity(each)._asdict(),
            "passes": bool(passes(each)),
            "follows_action": follows_action(each),
            "cascading": [bootstrap.mean(layer) for layer in each.cascading[0]],
            "layers": list(each.layers),
        }
        for name, each in found.items()
    }
