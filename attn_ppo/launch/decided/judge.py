"""From the scores of all looks to where each comparison stands, and to what is run next."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.launch.decided import sequential
from attn_ppo.launch.decided.design import Design
from attn_ppo.launch.decided.sequential import Batch, Comparison, Spending, Verdict
from attn_ppo.lifecycle import decision

Look = Mapping[str, Any]  # as decision.json has it


class Judged(NamedTuple):
    """Where a sweep stands after some looks."""

    said: dict[str, Any]  # what decision.json is to have
    cells: list[str]  # those that get further runs, in order; none: it is over


def judge(
    design: Design,
    looks: Sequence[Look],
    given_up: Set[str] = frozenset(),
    *,
    most_paths: int = sequential.MOST_PATHS,
) -> Judged:
    """What follows from the looks, always the same from the same.

    Cells in `given_up` get no further runs on this start of the command.
    """
    comparisons = {name: _comparison(design, looks, name) for name in design.against}
    spending = Spending(design.looks)
    verdicts = sequential.decide(
        comparisons, kept=design.kept, spending=spending, most_paths=most_paths
    )
    used = spent(looks)
    cells, told = _next(design, given_up, verdicts, design.budget - used)
    compared = [_told(design, looks, name, verdicts[name], told[name]) for name in verdicts]
    said = {
        "until": "decided",
        "asked": design.asked(),
        "budget": design.budget,
        "spent": used,
        "state": _state(cells, compared, design.budget - used >= 2 * design.seeds),
        "looks": list(looks),
        "comparisons": compared,
    }
    return Judged(said, cells)


def spent(looks: Sequence[Look]) -> int:
    """The runs of these looks, with those that failed."""
    return sum(
        len(seeds)
        for look in looks
        for part in ("scores", "failed")
        for seeds in look[part].values()
    )


def _comparison(design: Design, looks: Sequence[Look], name: str) -> Comparison:
    zero = design.against[name]
    both = [look["scores"] for look in looks if {name, zero} <= look["scores"].keys()]
    batches = [Batch(_by_seed(scores[name]), _by_seed(scores[zero])) for scores in both]
    return Comparison(batches, design.random[name])


def _by_seed(scores: Mapping[str, float]) -> sequential.Floats:
    return np.array([scores[seed] for seed in sorted(scores, key=int)], dtype=float)


def _next(
    design: Design, given_up: Set[str], verdicts: Mapping[str, Verdict], left: int
) -> tuple[list[str], dict[str, str]]:
    """The cells to be run for the next look with `left` runs, and why an undecided one isn't.

    In the order of the sweep: what is undecided and has hope, as far as the runs go.
    """
    cells: list[str] = []
    told: dict[str, str] = {}
    for name, verdict in verdicts.items():
        pair = [design.against[name], name]
        new = [cell for cell in pair if cell not in cells]
        needed = design.seeds * (len(cells) + len(new))
        told[name] = decision.UNDECIDED
        if verdict.decision:
            told[name] = verdict.decision
        elif not given_up.isdisjoint(pair):
            told[name] = f"{decision.UNDECIDED}: {decision.RUNS_FAILED}"
        elif verdict.steps and _is_hopeless(design, verdict, left):
            told[name] = decision.HOPELESS
        elif needed <= left:
            cells += new
    if not cells:
        budget = f"{decision.UNDECIDED}: {decision.BUDGET_SPENT}"
        told = {n: budget if text == decision.UNDECIDED else text for n, text in told.items()}
    return cells, told


def _is_hopeless(design: Design, verdict: Verdict, left: int) -> bool:
    """Whether all runs that are left, or those of one look more, would hardly decide it."""
    last, more = verdict.steps[-1], max(1, left // (2 * design.seeds))
    most = last.n + more * design.seeds
    return sequential.is_hopeless(last, most, len(design.against))


def _told(
    design: Design, looks: Sequence[Look], name: str, verdict: Verdict, text: str
) -> dict[str, Any]:
    """An entry of `comparisons`."""
    zero, last = design.against[name], verdict.steps[-1] if verdict.steps else None
    both = [n for n, look in enumerate(looks, 1) if {name, zero} <= look["scores"].keys()]
    room = last.mean_at_zero - (design.random[name] or 0.0) if last else 0.0
    difference = last.mean - last.mean_at_zero if last else None
    steps = [
        {
            "n": step.n,
            "difference": step.mean - step.mean_at_zero,
            "statistic": step.statistic,
            "boundary": _finite(step.boundary),
            "margin_statistic": step.kept_statistic,
            "margin_boundary": _finite(step.kept_boundary),
        }
        for step in verdict.steps
    ]
    return {
        "cell": name,
        "against": zero,
        "n": last.n if last else 0,
        "score": last.mean if last else None,
        "score_at_zero": last.mean_at_zero if last else None,
        "difference": difference,
        "share": difference / room if difference is not None and room > 0 else None,
        "decision": text,
        "look": both[len(steps) - 1] if verdict.decision else None,
        "within_margin": verdict.within_margin,
        "looks": steps,
    }


def _state(cells: Sequence[str], comparisons: Sequence[Mapping[str, Any]], runs_left: bool) -> str:
    if cells:
        return decision.GOING_ON
    told = {c["decision"] for c in comparisons if c["look"] is None}
    if not told:
        return decision.DECIDED
    if f"{decision.UNDECIDED}: {decision.RUNS_FAILED}" in told:
        return decision.RUNS_FAILED
    hopeless = runs_left and told == {decision.HOPELESS}
    return decision.BUDGET_SMALL if hopeless else decision.BUDGET_SPENT


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
