"""The measures of which the verdict is made: MEASURES, read off an Agent's numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.bootstrap import Interval, interval, mean

SCREEN = ("brightness", "motion")  # methods that know the screen alone
MOVING = "moving"  # the object of games whose objects aren't known
BESIDE = ("attention", *SCREEN)  # what isn't a saliency method
REPLACED = {  # what else is put in attention's place, beside a uniform map
    "top_dropped": "without its strongest cell",
    "own_mean": "if attention is frozen at its mean",
    "other_moment": "with another moment's map",
}
NAN = math.nan
NOTHING = Interval(NAN, NAN, NAN, NAN, 0, 0)


class Agent(NamedTuple):
    """One measured agent."""

    game: str
    lambda_: float
    settings: str  # that tell it from the others, "" where there are none
    seed: int
    scores: tuple[float, ...]  # of whole games, of the evaluation
    measures: Mapping[str, Any]  # as by measure.measure
    stress: tuple[float, ...] = ()  # drop of the score in each changed game, per cent

    @property
    def objects(self) -> dict[str, Mapping[str, Any]]:
        return {row["name"]: row for row in self.measures["objects"]}


class Chosen(NamedTuple):
    """What the agents of a row are measured by."""

    object: str  # the key object of their game
    method: str  # the best saliency method of the row


class Measure(NamedTuple):
    """A column of the table."""

    title: str
    read: Callable[[Agent, Chosen], Interval]
    digits: int = 2
    chance: float | str = NAN  # what attention that says nothing has; a name of MEASURES
    compared: bool = True  # between lambdas


def value_of(value: Any) -> Interval:
    """A told interval, or a number alone, of one agent."""
    if value is None:
        return NOTHING
    told = value if isinstance(value, Mapping) else {"value": value}
    numbers = [told.get(name) for name in ("value", "low", "high", "p")]
    mean, low, high, p = (NAN if number is None else float(number) for number in numbers)
    return Interval(mean, low, high, p, 1, 0)


def control_of(row: Mapping[str, Any], measure: str, control: str) -> Interval:
    return value_of((row.get(measure) or {}).get("controls", {}).get(control))


def _on_key(measure: str, control: str | None = None) -> Callable[[Agent, Chosen], Interval]:
    """A reader of a measure of attention on the key object, or of a control of it."""

    def read(agent: Agent, chosen: Chosen) -> Interval:
        row = agent.objects.get(chosen.object, {})
        return control_of(row, measure, control) if control else value_of(row.get(measure))

    return read


def _more_information(agent: Agent, chosen: Chosen) -> Interval:
    """Of the key object's place, what an untrained agent's map says of it in the same games less.

    A map that moves with the picture knows something of it without having learned anything.
    """
    row = agent.objects.get(chosen.object, {})
    known = control_of(row, "information", "untrained").mean
    by_chance = 0.0 if math.isnan(known) else max(known, 0.0)
    found = value_of(row.get("information"))
    ends = {end: getattr(found, end) - by_chance for end in ("mean", "low", "high")}
    return found._replace(**ends)


def _of_method(agent: Agent, name: str, what: str) -> Interval:
    return value_of(agent.measures["methods"].get(name, {}).get(what))


def _score(agent: Agent, _: Chosen) -> Interval:
    return interval([[[score] for score in agent.scores]])


def _screen(agent: Agent, _: Chosen) -> Interval:
    """Of the maps that know the screen alone, the one that agrees better with cause."""
    found = [_of_method(agent, name, "agreement") for name in SCREEN]
    known = [each for each in found if not math.isnan(each.mean)]
    return max(known, key=lambda each: each.mean, default=NOTHING)


def between(agent: Agent) -> dict[tuple[str, str], float]:
    """The rank correlation of the maps of each pair of methods, either way round; without nan."""
    told = agent.measures.get("between_methods") or {"names": [], "correlation": []}
    return {
        (one, other): value
        for one, row in zip(told["names"], told["correlation"], strict=True)
        for other, value in zip(told["names"], row, strict=True)
        if one != other and value is not None
    }


def with_methods(agent: Agent, name: str | None = None) -> Interval:
    """The mean correlation over the pairs of saliency methods; of `name` with each other method."""
    return value_of(
        mean(
            np.array(
                [
                    value
                    for (one, other), value in between(agent).items()
                    if other not in BESIDE and (one == name if name else one not in BESIDE)
                ]
            )
        )
    )


def _stays(agent: Agent, _: Chosen) -> Interval:
    """The mean over the agent's maps."""
    told = [row["value"] for row in agent.measures["maps"] if row["measure"] == "dwell"]
    return value_of(mean(np.array(told))) if told else NOTHING


def _kl(name: str) -> Callable[[Agent, Chosen], Interval]:
    """A reader of how much the policy changes if attention is replaced like that."""
    return lambda agent, _: value_of(
        (agent.measures["interventions"].get(name) or {}).get("kl_forward")
    )


def _score_lost(name: str) -> Callable[[Agent, Chosen], Interval]:
    """A reader of the per cent of the unchanged score that it costs, on matched games."""

    def read(agent: Agent, _: Chosen) -> Interval:
        played = agent.measures.get("scores") or {}
        if name not in played or not np.mean(played["unchanged"]):
            return NOTHING
        before, after = np.array(played["unchanged"]), np.array(played[name])
        return interval([[[each] for each in 100 * (before - after) / before.mean()]])

    return read


def _stress(agent: Agent, _: Chosen) -> Interval:
    return value_of(float(np.mean(agent.stress))) if agent.stress else NOTHING


MEASURES: dict[str, Measure] = {
    "score": Measure("score", _score, 1),
    "entropy": Measure("attention entropy (nats)", lambda a, _: value_of(a.measures["entropy"])),
    "policy_entropy": Measure(
        "policy entropy (nats)", lambda a, _: value_of(a.measures["policy_entropy"])
    ),
    "stays": Measure("strongest cell stays (steps)", _stays, 1, compared=False),
    "places": Measure(
        "entropy of place, key object (nats)", _on_key("information", "best"), compared=False
    ),
    "lift": Measure("lift", _on_key("lift"), chance="lift_uniform"),
    "lift_uniform": Measure("lift, even attention", _on_key("lift", "uniform"), compared=False),
    "lift_fixed": Measure("lift, best fixed cell", _on_key("lift", "fixed"), compared=False),
    "lift_own_mean": Measure("lift, own mean map", _on_key("lift", "own_mean"), compared=False),
    "lift_untrained": Measure(
        "lift, an untrained agent", _on_key("lift", "untrained"), compared=False
    ),
    "lift_as_high": Measure("shifts as high", _on_key("lift", "as_high"), compared=False),
    "seen": Measure("key object seen", _on_key("seen"), chance=0),
    "information": Measure("mutual information (nats)", _on_key("information"), 3, chance=0),
    "information_untrained": Measure(
        "mutual information, an untrained agent (nats)",
        _on_key("information", "untrained"),
        3,
        compared=False,
    ),
    "information_more": Measure(
        "mutual information, less that", _more_information, 3, chance=0, compared=False
    ),
    "agreement": Measure(
        "agreement with cause", lambda a, _: _of_method(a, "attention", "agreement"), chance=0
    ),
    "timeless": Measure(
        "agreement, shifted in time",
        lambda a, _: _of_method(a, "attention", "timeless"),
        compared=False,
    ),
    "screen": Measure("agreement, screen alone", _screen, compared=False),
    "best": Measure(
        "agreement, best method that passes",
        lambda a, chosen: _of_method(a, chosen.method, "agreement"),
        compared=False,
    ),
    "between": Measure("agreement between methods", lambda a, _: with_methods(a), compared=False),
    "noise": Measure(
        "KL of one grey level of noise (nats)",
        lambda a, _: value_of(a.measures["noise"]),
        3,
        compared=False,
    ),
    "uniform": Measure("KL if attention is uniform (nats)", _kl("uniform"), 3, chance=0),
    **{
        name: Measure(f"KL {how} (nats)", _kl(name), 3, compared=False)
        for name, how in REPLACED.items()
    },
    "importance": Measure(
        "KL of editing the key object (nats)", _on_key("importance"), 3, chance=0
    ),
    "uniform_score": Measure(
        "score lost with uniform attention (%)", _score_lost("uniform"), 0, chance=0
    ),
    **{
        f"{name}_score": Measure(f"score lost {how} (%)", _score_lost(name), 0, compared=False)
        for name, how in REPLACED.items()
    },
    "stress": Measure("score lost in changed games (%)", _stress, 0, chance=0),
}
