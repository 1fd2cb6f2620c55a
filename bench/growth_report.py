"""What was measured of growth, as text."""

from collections.abc import Mapping
from typing import Any

from bench.growth_sweep import share

RUNS, LENGTHS = 180, (500_000, 10_000_000)  # a sweep as the study's, and agent steps of its runs


def text(results: Mapping[str, Any]) -> str:
    """Every part that there is, to be read on a terminal: medians (smallest..largest, n)."""
    machine = results.get("machine", {})
    lines = [
        f"{results.get('game')} on {machine.get('cpu')}, {machine.get('cores')} cores; "
        "median (least..most, how many)"
    ]
    for threads, rates in results.get("environments", {}).get("threads", {}).items():
        lines += [f"one run, {threads} thread{'s' * (threads != '1')}, agent steps/s"]
        lines += [f"  {size:>4} environments  {number(of)}" for size, of in rates.items()]
    if "at_once" in results:
        lines += ["one-thread runs at once, agent steps/s of all together"]
        lines += [f"  {n:>4} runs  {number(of)}" for n, of in results["at_once"]["runs"].items()]
    for cache, of in results.get("start", {}).get("caches", {}).items():
        lines += [f"seconds up to the first row, kernels {cache}: {number(of['seconds'], 2)}"]
        lines += ["  " + ", ".join(f"{part} {s:.2f}" for part, s in of["parts"].items())]
    if "memory" in results:
        lines += ["memory of a run, MB"]
        for size, of in results["memory"]["environments"].items():
            resident = f"resident {of['resident']:,.0f}, " if "resident" in of else ""
            lines += [f"  {size:>4} environments  {resident}peak {of['peak']:,.0f}"]
    if "launching" in results:
        of = results["launching"]
        lines += [
            f"a sweep, {of['jobs']} runs at once, outside of training: {number(of['a_run'], 2)} s "
            f"a run, {number(of['fixed'], 2)} s besides"
        ]
    for what, name in (
        ("status", "status table, s"),
        ("again", "a finished sweep once more, s"),
        ("look", "a look at runs every two seconds, s of a processor"),
    ):
        for runs, of in results.get("telling", {}).get(what, {}).items():
            lines += [f"{name}: {runs} runs  {number(of, 3 if what == 'look' else 2)}"]
    for steps, part in shares(results).items():
        lines += [f"of a sweep of {RUNS} runs of {steps:,} steps, {100 * part:.3f} % is overhead"]
    return "\n".join(lines)


def shares(results: Mapping[str, Any]) -> dict[int, float]:
    """Agent steps a run -> the part of a sweep's time that isn't training; {} if not measured."""
    if not all(part in results for part in ("launching", "telling", "at_once")):
        return {}
    launch, runs = results["launching"], results["at_once"]["runs"]
    jobs = str(launch["jobs"])
    if jobs not in runs:
        return {}
    look = results["telling"]["look"][str(RUNS)]["median"]
    sweep = {key: launch[key]["median"] for key in ("a_run", "fixed")}
    sweep |= {"jobs": launch["jobs"], "look": look}
    return {steps: share(sweep, runs[jobs]["median"], RUNS, steps) for steps in LENGTHS}


def number(of: Mapping[str, float], digits: int = 0) -> str:
    """`232 (230..235, 4)`."""
    median, low, high = (f"{of[key]:,.{digits}f}" for key in ("median", "low", "high"))
    return f"{median} ({low}..{high}, {of['n']})"
