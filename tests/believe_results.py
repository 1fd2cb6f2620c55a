"""Measures of agents made up for tests of the verdict: what `measure` gives, with known numbers."""

from typing import Any

from attn_ppo.interpret.believe.verdict import compared, verdict
from attn_ppo.interpret.believe.verdict_measures import Agent
from attn_ppo.interpret.believe.verdict_words import words

METHODS = ("gradient", "guided_backprop", "attention", "brightness", "motion")


def told(value: float | None, half: float | None = 0.1) -> dict[str, Any]:
    """A mean and an interval of `half` on either side; without one where that is None."""
    if value is None or half is None:
        return {"value": value, "low": None, "high": None, "p": None}
    return {"value": value, "low": value - half, "high": value + half, "p": 0.01}


def on_object(
    name: str,
    importance: float | None,
    *,
    lift: float = 2.0,
    half: float = 0.1,
    own_mean: float = 1.0,
    fixed: float = 1.5,
    as_high: float = 0.0,
    information: float = 0.3,
    untrained: float | None = None,
    places: float | None = 2.0,
) -> dict[str, Any]:
    controls = {"uniform": 1.1, "fixed": fixed, "own_mean": own_mean, "as_high": as_high}
    share = {"uniform": 0.02, "fixed": 0.03, "own_mean": 0.02, "as_high": as_high}
    found = {
        "name": name,
        "present": 1.0,
        "area": 0.02,
        "lift": told(lift, half) | {"controls": controls},
        "share": told(0.02 * lift, 0.01) | {"controls": share},
        "seen": told(0.4) | {"controls": {}},
        "information": told(information) | {"controls": {"untrained": untrained, "best": places}},
    }
    return found if importance is None else found | {"importance": told(importance)}


def method(
    agreement: float | None,
    *,
    half: float | None = 0.1,
    timeless: float = 0.1,
    polarity: float | None = None,
    sensitivity: float | None = None,
    similarity: float | None,
) -> dict[str, Any]:
    found = {
        "agreement": told(agreement, half),
        "timeless": timeless,
        "deletion": told(0.05, 0.02),
        "insertion": told(0.04, 0.02),
    }
    if polarity is not None:
        found["polarity"] = told(polarity)
    if sensitivity is not None:
        found["sensitivity"] = told(sensitivity)
    if similarity is None:
        return found
    return found | {"similarity": similarity, "passes": similarity <= 0.5}


def measures(
    *,
    attention: dict[str, Any] | None = None,
    objects: list[dict[str, Any]] | None = None,
    uniform: float | None = 0.2,
    replaced: dict[str, float] | None = None,
    between: dict[str, list[float | None]] | None = None,
    played: dict[str, list[float]] | None = None,
    stays: tuple[float, ...] = (2.0, 4.0),
) -> dict[str, Any]:
    """Of an agent that acts on the ball, follows it, and whose attention says so."""
    methods = {
        "gradient": method(0.6, polarity=0.05, sensitivity=1.2, similarity=0.1),
        "guided_backprop": method(0.3, polarity=0.4, sensitivity=0.3, similarity=0.8),
        "attention": attention or method(0.5, sensitivity=0.2, similarity=None),
        "brightness": method(0.2, similarity=None),
        "motion": method(0.3, similarity=None),
    }
    kl = {**({} if uniform is None else {"uniform": uniform}), **(replaced or {})}
    alike = between or {}
    return {
        "env_steps": 4096,
        "entropy": told(1.5),
        "policy_entropy": told(0.7),
        "noise": told(0.01, 0.005),
        "objects": objects
        or [on_object("ball", 0.4), on_object("paddle", 0.1, lift=0.7), on_object("score", None)],
        "methods": methods,
        "between_methods": {"names": [*alike], "correlation": [*alike.values()]},
        "interventions": {name: {"kl_forward": told(value)} for name, value in kl.items()},
        "scores": played or {},
        "maps": [{"measure": "dwell", "value": value} for value in stays],
    }


def agent(
    lambda_: float = 0,
    seed: int = 0,
    *,
    game: str = "Breakout",
    settings: str = "",
    scores: tuple[float, ...] = (10, 14),
    **more: Any,
) -> Agent:
    return Agent(game, lambda_, settings, seed, scores, measures(**more))


def row(**more):
    return verdict([agent(**more)])[0]


def attention(value, half: float | None = 0.1, **more):
    return method(value, half=half, similarity=None, **more)


def with_lift(lift, **more):
    return row(objects=[on_object("ball", 0.4, lift=lift, **more)])


def verdict_on(*agents):
    """The verdict in words."""
    rows = verdict(agents)
    return words(rows, compared(rows))


def seeds(lambda_, *lifts):
    return [
        agent(lambda_, s, objects=[on_object("ball", 0.4, lift=lift)])
        for s, lift in enumerate(lifts)
    ]
