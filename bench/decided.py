"""`python -m bench.decided`: how often sweeps with `until=decided` err and find, by simulation.

Whole sweeps of two games and two lambdas beside 0, with scores that are drawn, and as many with a
fixed number of seeds, all of the budget, tested once by Welch's t with Holm's correction.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from tqdm import tqdm

from attn_ppo.arguments import Parser, whole
from attn_ppo.errors import ConfigError, ExitCode, report
from attn_ppo.formats import fixed
from attn_ppo.launch import command_line
from attn_ppo.launch.decided import design as designs
from attn_ppo.launch.decided.design import Design
from attn_ppo.launch.decided.judge import Look, judge
from attn_ppo.launch.decided.sequential import ERROR, HIGHER, LOWER, NO_DROP, Floats
from attn_ppo.schema import Range

SWEEPS, BUDGET, SEEDS = Range(1, 100_000), Range(18, 10_000), Range(2, 100)
MEAN, SD = 10.0, 3.0  # of a score above random play at lambda 0
PATHS = 1_000  # instead of sequential.MOST_PATHS: coarser boundaries, in a tenth of the time
ABOUT = """Simulates sweeps with until=decided over 2 games and 3 lambdas: how often any decision is
wrong, how often what is so is found, and the runs it takes, beside a fixed number of seeds."""

Draw = Callable[[np.random.Generator, int], Floats]
SHAPES: Mapping[str, Draw] = {  # mean 10, SD 3
    "normal": lambda rng, n: rng.normal(MEAN, SD, n),
    "skewed": lambda rng, n: MEAN - SD + rng.exponential(SD, n),
    "two peaks": lambda rng, n: (  # one of five fails to learn
        MEAN + SD * (rng.choice([-1.8, 0.45], n, p=[0.2, 0.8]) + rng.normal(0, 0.436, n))
    ),
}


class Truth(NamedTuple):
    """What is left above random play of the score at lambda 0, at the lambdas of both games."""

    what: str
    left: Sequence[float]  # Breakout at 0.1 and 0.2, Pong at 0.1 and 0.2
    spread: float = 1.0  # the SD of these, in those of lambda 0


TRUTHS = (
    Truth("nothing differs", (1, 1, 1, 1)),
    Truth("nothing differs, SD twice as large", (1, 1, 1, 1), 2),
    Truth("nothing differs, SD half as large", (1, 1, 1, 1), 0.5),
    Truth("all lose the margin", (0.9, 0.9, 0.9, 0.9)),
    Truth("one loses 30%", (1, 0.7, 1, 1)),
    Truth("one loses 60%", (1, 0.4, 1, 1)),
    Truth("one loses 90%", (1, 0.1, 1, 1)),
    Truth("all lose 60%", (0.4, 0.4, 0.4, 0.4)),
)


class Ended(NamedTuple):
    """The decisions of one sweep, in the order of Truth.left, and its runs."""

    decisions: Sequence[str]
    runs: int


def main(argv: Sequence[str]) -> int:
    """Prints a table, a line a truth and shape of scores; returns the exit code."""
    parser = Parser("bench.decided", ABOUT, "--sweeps 1000 --budget 90")
    parser.add_argument("--sweeps", default="1000", help=f"of each kind, {SWEEPS}; default: 1000")
    parser.add_argument("--budget", default="90", help=f"runs at most, {BUDGET}; default: 90")
    parser.add_argument("--seeds", default="3", help=f"seeds a look, {SEEDS}; default: 3")
    asked = parser.parse_args(argv)
    try:
        sweeps = whole("--sweeps", asked.sweeps, SWEEPS)
        budget = whole("--budget", asked.budget, BUDGET)
        design = design_of(budget, whole("--seeds", asked.seeds, SEEDS))
    except ConfigError as error:
        return report(error)
    kinds = [(truth, shape) for truth in TRUTHS for shape in SHAPES]
    print(
        f"{sweeps} sweeps a line, {len(design.cells)} cells, at most {budget} runs, "
        f"{design.seeds} seeds a look; scores above random play {MEAN:g} +- {SD:g} at lambda 0\n"
        "| truth | scores | any wrong | found lower | found no drop | runs | fixed: any wrong | "
        "found lower | runs |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    with tqdm(total=len(kinds) * sweeps, unit=" sweeps", file=sys.stderr, disable=None) as bar:
        for truth, shape in kinds:
            rng = np.random.default_rng(0)
            ended = [
                simulated(design, truth, SHAPES[shape], rng, bar.update) for _ in range(sweeps)
            ]
            apart = [at_once(budget, truth, SHAPES[shape], rng) for _ in range(sweeps)]
            bar.write(_line(truth, shape, ended, apart), file=sys.stdout)
            sys.stdout.flush()
    return ExitCode.DONE


def design_of(budget: int, seeds: int) -> Design:
    """A sweep's; random play scores 0. Raises ConfigError."""
    options = ["-m", "until=decided", "env=Breakout,Pong", "lambda=0,0.1,0.2"]
    asked = command_line.parse([*options, f"budget={budget}", f"decided.seeds={seeds}"])
    designs.check(asked)
    design = designs.of(asked)
    return design._replace(random=dict.fromkeys(design.random, 0.0))


def simulated(
    design: Design,
    truth: Truth,
    draw: Draw,
    rng: np.random.Generator,
    done: Callable[[], object] = str,
) -> Ended:
    """A sweep with scores that are drawn as it goes."""
    left, looks = dict(zip(design.against, truth.left, strict=True)), list[Look]()
    while (judged := judge(design, looks, most_paths=PATHS)).cells:
        scores = {
            cell: dict(enumerate(_scores(truth, left.get(cell), draw, rng, design.seeds)))
            for cell in judged.cells
        }
        looks.append({"scores": scores, "failed": {}})
    done()
    compared = judged.said["comparisons"]
    return Ended([c["decision"] for c in compared], judged.said["spent"])


def at_once(budget: int, truth: Truth, draw: Draw, rng: np.random.Generator) -> Ended:
    """A sweep with all runs of the budget, evenly, and one test of each lambda."""
    n = budget // 6
    zeros = [_scores(truth, None, draw, rng, n) for _ in range(2)]
    ours = [_scores(truth, left, draw, rng, n) for left in truth.left]
    pairs = [(one, zeros[number // 2]) for number, one in enumerate(ours)]
    tests: list[Any] = [stats.ttest_ind(*pair, equal_var=False) for pair in pairs]
    p_values = [float(test.pvalue) for test in tests]
    told = [""] * 4
    for rank, number in enumerate(np.argsort(p_values)):
        if p_values[number] > ERROR / (4 - rank):
            break
        told[number] = HIGHER if np.mean(pairs[number][0]) > np.mean(pairs[number][1]) else LOWER
    return Ended(told, 6 * n)


def is_wrong(decision: str, left: float) -> bool:
    """Whether a decision isn't so, of a lambda that leaves a share of the score."""
    if decision == NO_DROP:
        return left <= 0.9
    return (decision == LOWER and left >= 1) or (decision == HIGHER and left <= 1)


def _scores(
    truth: Truth, left: float | None, draw: Draw, rng: np.random.Generator, n: int
) -> Floats:
    """`left` is None at lambda 0."""
    scores = draw(rng, n)
    return scores if left is None else left * (MEAN + truth.spread * (scores - MEAN))


def _line(truth: Truth, shape: str, ended: Sequence[Ended], apart: Sequence[Ended]) -> str:
    cells = [truth.what, shape, _wrong(truth, ended), _found(truth, ended, LOWER)]
    cells += [_found(truth, ended, NO_DROP), fixed(float(np.mean([e.runs for e in ended])), 0)]
    cells += [_wrong(truth, apart), _found(truth, apart, LOWER), str(apart[0].runs)]
    return f"| {' | '.join(cells)} |"


def _wrong(truth: Truth, ended: Sequence[Ended]) -> str:
    wrong = [any(map(is_wrong, e.decisions, truth.left)) for e in ended]
    return f"{fixed(100 * float(np.mean(wrong)), 1)}%"


def _found(truth: Truth, ended: Sequence[Ended], decision: str) -> str:
    """Of the lambdas of which it is so, the share of which it was decided."""
    so = [left < 1 if decision == LOWER else left >= 1 for left in truth.left]
    told = [d == decision for e in ended for d, is_so in zip(e.decisions, so, strict=True) if is_so]
    return f"{fixed(100 * float(np.mean(told)), 0)}%" if told else "-"


if __name__ == "__main__":
    process.finish(main)
