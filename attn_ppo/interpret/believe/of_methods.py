"""What is measured of the saliency methods of one agent, each a part of `measure`.

maps · agreement with cause and polarity · deletion and insertion · sanity · sensitivity. Beside the
methods stand attention, brightness and motion.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_ppo.interpret.believe import bootstrap
from attn_ppo.interpret.believe.agreement import (
    NOTHING,
    beside,
    contrast_of,
    masses,
    pooled,
    signed_masses,
)
from attn_ppo.interpret.believe.agreement import agreement as rank_agreement
from attn_ppo.interpret.believe.deletion import areas, blurred, curves, orders_of, other_moments
from attn_ppo.interpret.believe.objects import stacked
from attn_ppo.interpret.believe.randomised import (
    follows_action,
    passes,
    randomised,
    similarity,
)
from attn_ppo.interpret.believe.sensitivity import sensitivity
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
    masks = _masks(subject, names)
    for name, maps in every.items():
        mass = masses(maps, masks)
        found = rank_agreement(mass, importance)
        methods[name] = {
            "agreement": _correlation(subject, mass, importance),
            "timeless": found.timeless,
            "within": subject.over_time(found.within),
            "over_time": dict(zip(names, found.over_time.tolist(), strict=True)),
        }
    return methods


def polarity(
    subject: Subject, every: dict[str, np.ndarray], names: Sequence[str], lost: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Whether signed maps have the right sign: how what they say that objects add ranks like what
    is `lost` (S, O) without them. Of methods with a sign, in games where objects can be removed."""
    if np.isnan(lost).all():
        return {}
    masks, recording = _masks(subject, names), subject.recording
    contrast = contrast_of(recording.observations(subject.steps), recording.frames)
    lost = np.where(np.abs(lost) < NOTHING, 0, lost)
    return {
        name: {"polarity": _correlation(subject, signed_masses(name, maps, masks, contrast), lost)}
        for name, maps in every.items()
        if name in METHODS and METHODS[name].signed
    }


def _masks(subject: Subject, names: Sequence[str]) -> np.ndarray:
    """(S, O, 4, 84, 84) where these objects are at the samples."""
    objects = subject.objects
    chosen = [objects.names.index(name) for name in names]
    return stacked(objects.coverage[:, chosen], subject.recording.filled, subject.steps)


def _correlation(subject: Subject, one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """The rank correlation of all pairs of a step and an object, (S, O) each."""
    value, games = pooled(one, other), subject.recording.games[subject.steps]
    drawn = bootstrap.redrawn(
        lambda rows: pooled(one[rows], other[rows]),
        subject.steps,
        games,
        seed=subject.options.seed,
    )
    drawn = bootstrap.centred(drawn, value)
    return told(bootstrap.of_draws(value, drawn, games=len(np.unique(games))))


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
    some = steps[_few(subject)]
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


def steadiness(subject: Subject) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """How much noise of one grey level changes each method's maps, and the policy (KL, nats).

    Medians over steps: a map's change is in units of its own size, which at some steps is next to
    nothing. Attention's is that of its maps' sum.
    """
    agent, recording, _, steps, _, options = subject
    few = _few(subject)
    found = sensitivity(
        agent.model,
        recording.observations(steps[few]),
        recording.actions[steps[few]],
        TARGETS[TARGET],
        tuple(METHODS),
        seed=options.seed,
    )

    games = recording.games[steps[few]]

    def typical(values: np.ndarray) -> dict[str, Any]:
        drawn = bootstrap.redrawn(
            lambda rows: median(values[rows]), steps[few], games, seed=options.seed
        )
        return told(bootstrap.of_draws(median(values), drawn, games=len(np.unique(games))))

    maps = {name: {"sensitivity": typical(values)} for name, values in found.maps.items()}
    return maps, typical(found.kl)


def median(values: np.ndarray) -> float:
    """Of what is not nan; nan without any."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _few(subject: Subject) -> np.ndarray:
    """The numbers of those samples at which what costs most is measured, evenly spread."""
    every, few = len(subject.steps), subject.options.sanity
    return np.arange(0, every, max(1, every // max(few, 1)))[:few]
