"""What figures say below their panels: over how many seeds and games, and what isn't whole."""

from collections.abc import Iterable, Sequence

from analysis.groups import averaged, group
from analysis.references import human_score, random_score
from analysis.runs import Run
from attn_ppo.formats import short_number
from attn_ppo.learning.bands import others, score


def seeds_text(runs: Sequence[Run]) -> str:
    """How many seeds the means are over: `5 seeds`, `2 to 5 seeds`."""
    counts = {len(averaged(members)) for members in group(runs).values()}
    return f"{count_text(counts)} seed{'s' * (max(counts) > 1)}"


def sd_text(ddof: int) -> str:
    """What a band or bar is: our SD, or the study's, which is a little smaller."""
    return "±1 SD" if ddof else "±1 SD as in the study, n in its denominator"


def count_text(counts: Iterable[int]) -> str:
    """`20`, or `4 to 20`."""
    few, many = min(counts := set(counts)), max(counts)
    return f"{few}" if few == many else f"{few} to {many}"


def random_text(runs: Sequence[Run]) -> str:
    """Over how many games random play's mean is; empty if it isn't known."""
    known = {(run.config.env, score) for run in runs if (score := random_score(run))}
    if not known:
        return ""
    several = len(known) > len({game for game, _ in known})
    each = ", a line for each protocol" if several else ""
    return f"Random play: mean of {count_text(each.n for _, each in known)} games{each}."


def human_text(above: Sequence[Run]) -> str:
    """`Human: 30.5 in Breakout: above this axis.`, of a run each game; empty without any."""
    told = [f"{score(human_score(run) or 0)} in {run.config.env}" for run in above]
    axes = "this axis" if len(told) == 1 else "these axes"
    return f"Human: {', '.join(told)}: above {axes}." if told else ""


def others_text(runs: Sequence[Run]) -> str:
    """What others scored at as many steps, and what was published, with its sources."""
    return " ".join(f"{line}." for line in others([(run.config, run.env_steps) for run in runs]))


def unfinished_text(runs: Sequence[Run], at_most: int = 3) -> str:
    """The unfinished runs in a line, the first few by name; empty if all are finished."""
    names = [f"{run.label}, {run.unfinished}" for run in runs if run.unfinished]
    if len(names) > at_most:
        names = [*names[: at_most - 1], f"and {len(names) - at_most + 1} more"]
    return f"Unfinished: {'; '.join(names)}." if names else ""


def inexact_text(runs: Sequence[Run], sign: str = "", at_most: int = 3) -> str:
    """The runs that weren't resumed exactly in a line, with the steps; empty if there are none."""
    named = [
        f"{run.label} at {', '.join(map(short_number, run.inexact_at))} agent steps"
        for run in runs
        if run.inexact_at
    ]
    if len(named) > at_most:
        named = [*named[: at_most - 1], f"and {len(named) - at_most + 1} more"]
    return f"Resumed inexactly{sign}: {'; '.join(named)}." if named else ""
