"""What the measures of many agents say: `verdict` -> a Row a game, settings and lambda.

`key_object`: which object attention is held against · `compared`, against the smallest lambda.
`words` in `verdict_words` makes sentences of the rows.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.interpret.believe.bootstrap import Interval, difference, holm, over_seeds
from attn_ppo.interpret.believe.verdict_measures import (
    BESIDE,
    MEASURES,
    MOVING,
    NAN,
    NOTHING,
    Agent,
    Chosen,
    between,
    control_of,
    value_of,
    with_methods,
)

OF_METHOD = (
    "agreement",
    "timeless",
    "polarity",
    "deletion",
    "insertion",
    "similarity",
    "sensitivity",
)


class Row(NamedTuple):
    """The agents of a game, settings and lambda."""

    game: str
    settings: str
    lambda_: float
    seeds: tuple[int, ...]
    key: str  # the object that attention is held against, "" where no cause is known
    cells: dict[str, Interval]  # by name of MEASURES
    each: dict[str, tuple[float, ...]]  # by name of MEASURES, of each seed's agent; nan if unknown
    objects: dict[str, dict[str, Interval]]  # importance, share, lift, even share, behind ...
    methods: dict[str, dict[str, Interval]]  # by name, each of OF_METHOD and "between"
    pairs: dict[tuple[str, str], Interval]  # of saliency methods, how alike their maps are
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
            value = value_of(row.get("importance")).mean
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
    """The saliency method whose maps agree best with cause, of those that pass the sanity check for
    all the row's agents; "" where there is none."""
    return _best(row.methods, row.passes)


def over(members: Sequence[Agent], read: Callable[[Agent], Interval]) -> Interval:
    """A number of each agent over seeds; of a single one the agent's own interval."""
    return _over(list(map(read, members)))


def _over(numbers: Sequence[Interval]) -> Interval:
    found = [each for each in numbers if not math.isnan(each.mean)]
    return found[0] if len(found) == 1 else over_seeds(each.mean for each in found)


def _row(members: Sequence[Agent], key: str) -> Row:
    first, methods, passes = members[0], _methods(members), _passes(members)
    chosen = Chosen(key, _best(methods, passes))
    read = {
        name: [measure.read(agent, chosen) for agent in members]
        for name, measure in MEASURES.items()
    }
    return Row(
        first.game,
        first.settings,
        first.lambda_,
        tuple(agent.seed for agent in members),
        key,
        {name: _over(numbers) for name, numbers in read.items()},
        {name: tuple(each.mean for each in numbers) for name, numbers in read.items()},
        _objects(members, key),
        methods,
        _pairs(members),
        passes,
    )


def _best(methods: Mapping[str, Mapping[str, Interval]], passes: Mapping[str, float]) -> str:
    agreement = {name: methods[name]["agreement"].mean for name in methods}
    known = [n for n in methods if passes.get(n) == 1 and not math.isnan(agreement[n])]
    return max(known, key=agreement.__getitem__, default="")


def _objects(members: Sequence[Agent], key: str) -> dict[str, dict[str, Interval]]:
    reads: dict[str, Callable[[Mapping[str, Any]], Interval]] = {
        "importance": lambda row: value_of(row.get("importance")),
        "share": lambda row: value_of(row.get("share")),
        "even share": lambda row: control_of(row, "share", "uniform"),
        "lift": lambda row: value_of(row.get("lift")),
        "even lift": lambda row: control_of(row, "lift", "uniform"),
        "information": lambda row: value_of(row.get("information")),
    }
    names = dict.fromkeys(name for agent in members for name in agent.objects)
    return {
        name: {
            what: over(members, lambda agent, n=name, r=read: r(agent.objects.get(n, {})))
            for what, read in reads.items()
        }
        | {"behind": over(members, lambda agent, n=name: _behind(agent, key, n))}
        for name in names
    }


def _behind(agent: Agent, key: str, name: str) -> Interval:
    """How much more the key object matters to the agent than another, without an interval."""
    one, other = (
        value_of(agent.objects.get(each, {}).get("importance")).mean for each in (key, name)
    )
    return value_of(one - other)


def _methods(members: Sequence[Agent]) -> dict[str, dict[str, Interval]]:
    names = dict.fromkeys(name for agent in members for name in agent.measures["methods"])
    return {
        name: {
            what: over(members, lambda a, n=name, w=what: value_of(a.measures["methods"][n].get(w)))
            for what in OF_METHOD
        }
        | {"between": over(members, lambda a, n=name: with_methods(a, n))}
        for name in names
    }


def _pairs(members: Sequence[Agent]) -> dict[tuple[str, str], Interval]:
    """Of each two saliency methods, once."""
    names = dict.fromkeys(name for agent in members for pair in between(agent) for name in pair)
    methods = [name for name in names if name not in BESIDE]
    return {
        pair: over(members, lambda agent, p=pair: value_of(between(agent).get(p)))
        for pair in combinations(methods, 2)
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
