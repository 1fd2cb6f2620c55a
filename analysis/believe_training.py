"""Where attention lies over training: moments -> what to measure, courses -> a Course a measure.

Milestones of a run, those before its end, and the end; of a run that stopped, its milestones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.believe_agents import Wanted
from analysis.believe_moments import end_of, env_steps_of, milestones_of
from analysis.groups import uniform_entropies
from analysis.runs import Run
from attn_ppo.interpret.believe.bootstrap import Interval, over_seeds
from attn_ppo.interpret.believe.verdict_measures import control_of, value_of

OF_AGENT = ("entropy", "policy_entropy")
ON_OBJECT = ("lift", "share", "seen", "information")


class Point(NamedTuple):
    """The agents of a game, settings and lambda after so many agent steps."""

    env_steps: int
    value: Interval
    even: float  # what even attention has; nan where it has nothing to do with it
    untrained: float  # what an untrained agent has that sees the same


class Course(NamedTuple):
    """A measure over training."""

    game: str
    settings: str
    lambda_: float
    object: str  # "" of a measure of the agent alone
    measure: str
    points: list[Point]


Measures = Mapping[str, Any]
Moment = tuple[Wanted, Measures]


def moments(runs: Iterable[Run]) -> list[Wanted]:
    """What to measure: of each run with milestones all before its end, and the end if it came."""
    chosen = []
    for run in runs:
        end = end_of(run, looking=True)
        before = [
            each
            for each in milestones_of(run, looking=True)
            if not end or env_steps_of(each) < run.env_steps
        ]
        chosen += [*before, *end] if before else []
    return chosen


def courses(found: Iterable[Moment]) -> list[Course]:
    """All measures of what was measured: by game, settings and lambda, objects as they come."""
    groups: dict[tuple[str, str, float], dict[int, list[Moment]]] = {}
    for wanted, measures in sorted(found, key=lambda moment: moment[0].run.config.lambda_):
        run = wanted.run
        place = (run.config.env, run.variant.short, run.config.lambda_)
        at_steps = groups.setdefault(place, {}).setdefault(measures["env_steps"], [])
        at_steps.append((wanted, measures))
    every = []
    for place, at_steps in groups.items():
        names = dict.fromkeys(
            row["name"] for ms in at_steps.values() for _, m in ms for row in m["objects"]
        )
        whats = [("", name) for name in OF_AGENT]
        whats += [(name, measure) for name in names for measure in ON_OBJECT]
        for name, measure in whats:
            points = [_point(at_steps[steps], name, measure) for steps in sorted(at_steps)]
            every.append(Course(*place, name, measure, points))
    return [course for course in every if any(p.value.seeds for p in course.points)]


def _point(members: Sequence[Moment], name: str, measure: str) -> Point:
    """Over seeds; of a single one its own interval."""
    rows = [_row(measures, name) for _, measures in members]
    values = [value_of(row.get(measure)) for row in rows]
    known = [value for value in values if value.seeds]
    value = known[0] if len(known) == 1 else over_seeds(each.mean for each in known)
    even, untrained = (
        over_seeds(control_of(row, measure, control).mean for row in rows if name).mean
        for control in ("uniform", "untrained")
    )
    if measure == "entropy":
        even = max(uniform_entropies(wanted.run for wanted, _ in members))
    return Point(members[0][1]["env_steps"], value, even, untrained)


def _row(measures: Measures, name: str) -> Measures:
    """What is measured of an object, or of the agent alone."""
    return (
        next((row for row in measures["objects"] if row["name"] == name), {}) if name else measures
    )


def to_frame(found: Iterable[Course]) -> pd.DataFrame:
    """A row a course and moment; nan where unknown."""
    return pd.DataFrame(
        {
            "env": course.game,
            "settings": course.settings,
            "lambda": course.lambda_,
            "object": course.object,
            "measure": course.measure,
            "env_steps": point.env_steps,
            "seeds": point.value.seeds,
            "mean": point.value.mean,
            "low": point.value.low,
            "high": point.value.high,
            "even_attention": point.even,
            "untrained": point.untrained,
        }
        for course in found
        for point in course.points
    )
