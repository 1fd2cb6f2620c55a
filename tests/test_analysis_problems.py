"""What is told of runs that are amiss: each, or how many there are of a kind."""

from pathlib import Path

from analysis.problems import told
from analysis.runs import Problem


def test_a_dozen_problems_are_told_each():
    problems = [Problem("skipped", Path(f"run{n}"), "no metrics.csv") for n in range(12)]
    assert told(problems) == [f"skipped run{n}: no metrics.csv" for n in range(12)]


def test_of_more_those_alike_are_counted():
    root = Path("runs/x")
    problems = [Problem("skipped", root / f"{n}", "no metrics.csv") for n in range(9)]
    for n, steps in enumerate(("345k", "1.2M", "17")):
        what = f"failed (policy_loss is nan at update {n}) at {steps} of 10M agent steps"
        problems.append(Problem("unfinished", root / f"f{n}", what))
    problems.append(Problem("unfinished", root / "r", "running at 3 of 10M agent steps"))
    for n in range(2):
        same = f"same settings and seed as runs/y/seed={n}"
        problems.append(Problem("skipped", root / f"s{n}", same))
    assert told(problems) == [
        "skipped 9 runs: no metrics.csv; the first is runs/x/0",
        "unfinished 3 runs: failed (policy_loss is nan at update …) at … of 10M agent steps; "
        "the first is runs/x/f0",
        "skipped 2 runs: same settings and seed as …; the first is runs/x/s0",
        "unfinished runs/x/r: running at 3 of 10M agent steps",
        "each of these 15: python -m analysis.figures --problems",
    ]
    last = "each of these 15: python -m analysis.figures 'runs/my x' --problems"
    assert told(problems, Path("runs/my x"))[-1] == last
    assert told(problems, in_full=True) == [str(problem) for problem in problems]


def test_of_many_reasons_the_most_frequent_are_told():
    reasons = [chr(ord("a") + n) * 3 for n in range(20)]
    problems = [Problem("note", Path("x"), why) for why in [*reasons, "ttt"]]
    lines = told(problems)
    assert len(lines) == 13
    assert lines[0] == "note 2 runs: ttt; the first is x"
    assert lines[1] == "note x: aaa"
    assert lines[-2:] == [
        "9 more, of 9 other reasons",  # 21 less the 2 and 10 others that are told
        "each of these 21: python -m analysis.figures --problems",
    ]


def test_a_note_is_not_counted_among_the_skipped():
    problems = [Problem(kind, Path(kind), "why") for kind in ["note"] * 7 + ["skipped"] * 6]
    assert told(problems)[:2] == [
        "note 7 runs: why; the first is note",
        "skipped 6 runs: why; the first is skipped",
    ]


def test_runs_that_are_not_finished_yet_are_always_counted():
    problems = [
        Problem("unfinished", Path(f"run{n}"), f"running at {n} of 10M agent steps")
        for n in range(3)
    ]
    problems.insert(1, Problem("skipped", Path("torn"), "no metrics.csv"))
    problems.append(Problem("skipped", Path("torn2"), "no metrics.csv"))
    assert told(problems) == [
        "unfinished 3 runs: running at … of 10M agent steps; the first is run0",
        "skipped torn: no metrics.csv",
        "skipped torn2: no metrics.csv",
        "each of these 5: python -m analysis.figures --problems",
    ]
