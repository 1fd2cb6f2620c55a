"""What the measures of many agents say: `verdict` -> a Row a game, settings and lambda.

`key_object`: which object attention is held against · MEASURES, `compared` against the smallest
lambda. `words` in `verdict_words` makes sentences of the rows.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.bootstrap import Interval, difference, holm, interval, over_seeds

SCREEN = ("brightness", "motion")  # methods that know the screen alone
MOVING = "moving"  # the object of games whose objects aren't known
BESIDE = ("attention", *SCREEN)  # what isn't a saliency method
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


class Measure(NamedTuple):
    """A column of the table."""

    title: str
    read: Callable[[Agent, str], Interval]  # of an agent and its game's key object
    digits: int = 2
    chance: float | str = NAN  # what attention that says nothing has; a name of MEASURES
    compared: bool = True  # between lambdas


class Row(NamedTuple):
    """The agents of a game, settings and lambda."""

    game: str
    settings: str
    lambda_: float
    seeds: tuple[int, ...]
    key: str  # the object that attention is held against, "" where no cause is known
    cells: dict[str, Interval]  # by name of MEASURES
    objects: dict[str, dict[str, Interval]]  # importance, share, lift, even share ...
    methods: dict[str, dict[str, Interval]]  # agreement, timeless, deletion, insertion, similarity
    passes: dict[str, float]  # by method, the share of the seeds' agents where it passes

    def of_object(self, name: str, what: str) -> Interval:
        return self.objects.get(name, {}).get(what, NOTHING)

    def of_method(self, name: str, what: str) -> Interval:
        return self.methods.get(name, {}).get(what, NOTHING)


class Comparison(NamedTuple):
    """A measure at a lambda less the same at the smallest one."""

    game: str
    settings: str
    measure: str
    lambda_: float
    apart: Interval
    p: float  # corrected for all comparisons of the verdict, by Holm; nan for single seeds


def verdict(agents: Sequence[Agent]) -> list[Row]:
    """The rows by game and settings, in the order in which these first come, lambdas ascending."""
    keys = {game: key_object([a for a in agents if a.game == game]) for game in _games(agents)}
    groups: dict[tuple[str, str, float], list[Agent]] = {}
    order = {game: at for at, game in enumerate(keys)}
    place = {agent.settings: at for at, agent in reversed(list(enumerate(agents)))}
    for agent in sorted(
        agents, key=lambda a: (order[a.game], place[a.settings], a.lambda_, a.seed)
    ):
        groups.setdefault((agent.game, agent.settings, agent.lambda_), []).append(agent)
    return [_row(members, keys[game]) for (game, _, _), members in groups.items()]


def key_object(agents: Iterable[Agent]) -> str:
    """The object of a game whose edits change the policy most, in the mean over all agents.

    A rule, so that nobody picks the object for which attention looks best. In a game without edits
    whatever moves, if that is what is known of it; "" where there is nothing.
    """
    agents = list(agents)
    found: dict[str, list[float]] = {}
    for agent in agents:
        for name, row in agent.objects.items():
            value = _of(row.get("importance")).mean
            if not math.isnan(value):
                found.setdefault(name, []).append(value)
    moving = MOVING if any(MOVING in agent.objects for agent in agents) else ""
    return max(found, key=lambda name: float(np.mean(found[name])), default=moving)


def compared(rows: Sequence[Row]) -> list[Comparison]:
    """Every lambda with the smallest of its game and settings, in each measure that says so."""
    found = []
    for row in rows:
        same = [r for r in rows if (r.game, r.settings) == (row.game, row.settings)]
        if row is same[0]:
            continue
        for name, measure in MEASURES.items():
            one, other = same[0].cells[name], row.cells[name]
            if measure.compared and not math.isnan(one.mean + other.mean):
                apart = difference(one, other)
                found.append(Comparison(row.game, row.settings, name, row.lambda_, apart, NAN))
    corrected = holm([each.apart.p if each.apart.seeds > 1 else NAN for each in found])
    return [each._replace(p=float(p)) for each, p in zip(found, corrected, strict=True)]


def best_method(row: Row) -> str:
    """The saliency method whose maps agree best with cause; "" where none is known."""
    known = {
        name: row.of_method(name, "agreement").mean
        for name in row.methods
        if name not in BESIDE and not math.isnan(row.of_method(name, "agreement").mean)
    }
    return max(known, key=known.__getitem__, default="")


def over(members: Sequence[Agent], read: Callable[[Agent], Interval]) -> Interval:
    """A number of each agent over seeds; of a single one the agent's own interval."""
    found = [each for each in map(read, members) if not math.isnan(each.mean)]
    return found[0] if len(found) == 1 else over_seeds(each.mean for each in found)


def _row(members: Sequence[Agent], key: str) -> Row:
    first = members[0]
    cells = {
        name: over(members, lambda agent, measure=measure: measure.read(agent, key))
        for name, measure in MEASURES.items()
    }
    return Row(
        first.game,
        first.settings,
        first.lambda_,
        tuple(agent.seed for agent in members),
        key,
        cells,
        _objects(members),
        _methods(members),
        _passes(members),
    )


def _objects(members: Sequence[Agent]) -> dict[str, dict[str, Interval]]:
    reads: dict[str, Callable[[Mapping[str, Any]], Interval]] = {
        "importance": lambda row: _of(row.get("importance")),
        "share": lambda row: _of(row.get("share")),
        "even share": lambda row: _control(row, "share", "uniform"),
        "lift": lambda row: _of(row.get("lift")),
        "even lift": lambda row: _control(row, "lift", "uniform"),
        "information": lambda row: _of(row.get("information")),
    }
    names = dict.fromkeys(name for agent in members for name in agent.objects)
    return {
        name: {
            what: over(members, lambda agent, n=name, r=read: r(agent.objects.get(n, {})))
            for what, read in reads.items()
        }
        for name in names
    }


def _methods(members: Sequence[Agent]) -> dict[str, dict[str, Interval]]:
    names = dict.fromkeys(name for agent in members for name in agent.measures["methods"])
    whats = ("agreement", "timeless", "deletion", "insertion", "similarity")
    return {
        name: {
            what: over(members, lambda a, n=name, w=what: _of(a.measures["methods"][n].get(w)))
            for what in whats
        }
        for name in names
    }


def _passes(members: Sequence[Agent]) -> dict[str, float]:
    found: dict[str, list[bool]] = {}
    for agent in members:
        for name, method in agent.measures["methods"].items():
            if "passes" in method:
                found.setdefault(name, []).append(method["passes"])
    return {name: float(np.mean(each)) for name, each in found.items()}


def _games(agents: Iterable[Agent]) -> list[str]:
    return list(dict.fromkeys(agent.game for agent in agents))


def _of(value: Any) -> Interval:
    """A told interval, or a number alone, of one agent."""
    if value is None:
        return NOTHING
    told = value if isinstance(value, Mapping) else {"value": value}
    numbers = [told.get(name) for name in ("value", "low", "high", "p")]
    mean, low, high, p = (NAN if number is None else float(number) for number in numbers)
    return Interval(mean, low, high, p, 1, 0)


def _control(row: Mapping[str, Any], measure: str, control: str) -> Interval:
    return _of((row.get(measure) or {}).get("controls", {}).get(control))


def _on_key(measure: str, control: str | None = None) -> Callable[[Agent, str], Interval]:
    """A reader of a measure of attention on the key object, or of a control of it."""

    def read(agent: Agent, key: str) -> Interval:
        row = agent.objects.get(key, {})
        return _control(row, measure, control) if control else _of(row.get(measure))

    return read


def _of_method(name: str, what: str) -> Callable[[Agent, str], Interval]:
    return lambda agent, _: _of(agent.measures["methods"].get(name, {}).get(what))


def _score(agent: Agent, _: str) -> Interval:
    return interval([[[score] for score in agent.scores]])


def _screen(agent: Agent, _: str) -> Interval:
    """Of the maps that know the screen alone, the one that agrees better with cause."""
    found = [_of_method(name, "agreement")(agent, "") for name in SCREEN]
    known = [each for each in found if not math.isnan(each.mean)]
    return max(known, key=lambda each: each.mean, default=NOTHING)


def _best(agent: Agent, _: str) -> Interval:
    names = [name for name in agent.measures["methods"] if name not in BESIDE]
    found = [_of_method(name, "agreement")(agent, "") for name in names]
    known = [each for each in found if not math.isnan(each.mean)]
    return max(known, key=lambda each: each.mean, default=NOTHING)


def _uniform_score(agent: Agent, _: str) -> Interval:
    """Per cent of the unchanged score that uniform attention loses, on matched games."""
    played = agent.measures.get("scores") or {}
    if "uniform" not in played or not np.mean(played["unchanged"]):
        return NOTHING
    before, after = np.array(played["unchanged"]), np.array(played["uniform"])
    return interval([[[each] for each in 100 * (before - after) / before.mean()]])


def _stress(agent: Agent, _: str) -> Interval:
    return _of(float(np.mean(agent.stress))) if agent.stress else NOTHING


MEASURES: dict[str, Measure] = {
    "score": Measure("score", _score, 1),
    "entropy": Measure("attention entropy (nats)", lambda a, _: _of(a.measures["entropy"])),
    "policy_entropy": Measure(
        "policy entropy (nats)", lambda a, _: _of(a.measures["policy_entropy"])
    ),
    "lift": Measure("lift", _on_key("lift"), chance="lift_uniform"),
    "lift_uniform": Measure("lift, even attention", _on_key("lift", "uniform"), compared=False),
    "lift_fixed": Measure("lift, best fixed cell", _on_key("lift", "fixed"), compared=False),
    "lift_own_mean": Measure("lift, own mean map", _on_key("lift", "own_mean"), compared=False),
    "lift_as_high": Measure("shifts as high", _on_key("lift", "as_high"), compared=False),
    "seen": Measure("key object seen", _on_key("seen"), chance=0),
    "information": Measure("mutual information (nats)", _on_key("information"), 3, chance=0),
    "agreement": Measure("agreement with cause", _of_method("attention", "agreement"), chance=0),
    "timeless": Measure(
        "agreement, shifted in time", _of_method("attention", "timeless"), compared=False
    ),
    "screen": Measure("agreement, screen alone", _screen, compared=False),
    "best": Measure("agreement, best method", _best, compared=False),
    "uniform": Measure(
        "KL if attention is uniform (nats)",
        lambda a, _: _of((a.measures["interventions"].get("uniform") or {}).get("kl_forward")),
        3,
        chance=0,
    ),
    "importance": Measure(
        "KL of editing the key object (nats)", _on_key("importance"), 3, chance=0
    ),
    "uniform_score": Measure("score lost with uniform attention (%)", _uniform_score, 0, chance=0),
    "stress": Measure("score lost in changed games (%)", _stress, 0, chance=0),
}
