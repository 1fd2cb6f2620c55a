"""Which milestones of a sweep's runs to compare: those at which score or policy entropy is alike.

Lambda changes both, and both change what attention does: an agent that plays better looks better.
"""

from collections.abc import Callable, Sequence
from math import isnan, nan
from typing import NamedTuple

import numpy as np

from analysis.believe_agents import Wanted
from analysis.believe_moments import end_of, env_steps_of, milestones_of
from analysis.files import column
from analysis.groups import group, known_updates
from analysis.runs import Run
from attn_ppo.formats import fixed, plain, short_number

FEW = 3  # milestones: of fewer none is near


class Course(NamedTuple):
    """A quantity over a run's training."""

    env_steps: np.ndarray
    values: np.ndarray


class Equal(NamedTuple):
    """What is to be alike."""

    title: str
    course: Callable[[Run], Course]
    target: Callable[[Sequence[float]], float]  # of the lambdas' last values: all come by it
    digits: int


def alike(runs: Sequence[Run], how: str) -> tuple[list[Wanted], list[str]]:
    """The agents to measure, and lines that say what was chosen or why nothing.

    Of each run its end or the milestone that is nearest to a target: of the score the least at
    which any lambda ends, of the policy's entropy the greatest. Only the runs of that lambda may be
    without milestones. A lambda of which a run stopped sets no target.
    """
    about, chosen, told = EQUAL[how], [], []
    groups: dict[tuple[str, str], list[list[Run]]] = {}
    for key, members in group(runs).items():
        groups.setdefault((key.game, key.variant.short), []).append(members)
    for (game, settings), lambdas in groups.items():
        head = f"{about.title}, {game} {settings}".strip()
        if len(lambdas) < 2:
            continue
        ends = [_end(members, about) for members in lambdas]
        target = about.target([end for end in ends if end is not None] or [nan])
        if isnan(target):
            told.append(f"{head}: not compared, of no lambda all runs are finished")
            continue
        others = [m for m, end in zip(lambdas, ends, strict=True) if end != target]
        if any(len(milestones_of(run)) < FEW for members in others for run in members):
            told.append(f"{head}: not compared, runs have no milestones (checkpoint.milestones=10)")
            continue
        told.append(f"{head}: {fixed(target, about.digits)}")
        for run in [run for members in lambdas for run in members]:
            subject, steps, value = nearest(run, about.course(run), target)
            chosen.append(subject)
            at = f"{short_number(steps)} agent steps: {fixed(value, about.digits)}"
            told.append(f"  lambda={plain(run.config.lambda_)} seed={run.config.seed} at {at}")
    return chosen, told


def _end(members: Sequence[Run], about: Equal) -> float | None:
    """At which a lambda ends; None if one of its runs stopped."""
    if any(run.unfinished for run in members):
        return None
    return float(np.mean([about.course(run).values[-1] for run in members]))


def nearest(run: Run, course: Course, target: float) -> tuple[Wanted, int, float]:
    """The end or the milestone with the value nearest to a target; its agent steps and value."""
    found = [*end_of(run), *milestones_of(run)]
    steps = np.array([env_steps_of(each) for each in found])
    values = np.interp(steps, *course)
    values[steps < course.env_steps[0]] = np.inf  # no game has finished
    best = int(np.abs(values - target).argmin())
    return found[best], int(steps[best]), float(values[best])


def _score(run: Run) -> Course:
    """The mean raw score of the last 100 training games."""
    return Course(*known_updates(run))


def _policy_entropy(run: Run) -> Course:
    values = column(run.metrics, "policy_entropy")
    known = ~np.isnan(values)
    return Course(column(run.metrics, "env_steps")[known], values[known])


EQUAL = {
    "score": Equal("At equal score", _score, min, 1),
    "policy_entropy": Equal("At equal policy entropy", _policy_entropy, max, 2),
}
