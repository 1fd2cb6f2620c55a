"""What is told of runs that are amiss: each one while they are few, else how many of each kind."""

import re
import shlex
from collections.abc import Sequence

from analysis.runs import Problem

MOST = 12  # lines
UNFINISHED = "unfinished"  # of which there may be many in a sweep that goes on
# What differs between two runs that have the same problem: paths, then numbers with their unit.
_OWN = re.compile(r"\S*/\S*|[-+]?\d[\d.,]*(?:e[-+]?\d+)?[kMG]?\b")


def told(problems: Sequence[Problem], source: object = "", *, in_full: bool = False) -> list[str]:
    """A line a problem, but one for unfinished runs of one reason; with more than a dozen one for
    all of one kind and reason.

    Such a line has their number, the words that they share, and the first one's folder. The last
    line has the command that tells each of those of `source`.
    """
    if in_full:
        return [str(problem) for problem in problems]
    few = len(problems) <= MOST
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        own = str(problem.folder) if few and problem.kind != UNFINISHED else ""
        alike.setdefault((problem.kind + own, _OWN.sub("…", problem.what)), []).append(problem)
    if len(alike) == len(problems) and few:
        return [str(problem) for problem in problems]
    order = list(alike.values()) if few else sorted(alike.values(), key=len, reverse=True)
    shown = MOST if few else MOST - 1
    lines = [_line(each) for each in order[:shown]]
    rest = sum(map(len, order[shown:]))
    lines += [f"{rest} more, of {len(order) - shown} other reasons"] if rest else []
    command = shlex.join(["python", "-m", "analysis.figures", *filter(None, [str(source)])])
    return [*lines, f"each of these {len(problems)}: {command} --problems"]


def _line(alike: Sequence[Problem]) -> str:
    """`skipped 12 runs: no metrics.csv; the first is runs/paper/Breakout/lambda=0/seed=0`."""
    if len(alike) == 1:
        return str(alike[0])
    kind, words = alike[0].kind, [" ".join(each.what.split()).split(" ") for each in alike]
    shared = [
        word if all(other[at] == word for other in words) else _OWN.sub("…", word)
        for at, word in enumerate(words[0])
    ]
    what = re.sub(r"…( …)+", "…", " ".join(shared))
    return f"{kind} {len(alike)} runs: {what}; the first is {alike[0].folder}"
