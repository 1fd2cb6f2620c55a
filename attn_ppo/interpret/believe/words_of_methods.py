"""The verdict's sentences on saliency methods: which pass its checks, and by which numbers."""

import math
from collections.abc import Sequence

from attn_ppo.formats import fixed
from attn_ppo.interpret.believe.bootstrap import Interval, together
from attn_ppo.interpret.believe.phrases import number
from attn_ppo.interpret.believe.verdict import Row

ALIKE = 0.5  # of a rank correlation, below which two maps do not show the same
UNSTEADY = 0.5  # of a map's own size, by which a change that means nothing may change it


def of_methods(rows: Sequence[Row]) -> list[str]:
    """A sentence or two on each check that was made."""
    return [*_sanity(rows), *_between(rows), *_sensitivity(rows), *_polarity(rows)]


def _sanity(rows: Sequence[Row]) -> list[str]:
    """Counts agents: a row's share of them times how many it has."""
    passing: dict[str, float] = {}
    for row in rows:
        for name, share in row.passes.items():
            passing[name] = passing.get(name, 0) + share * len(row.seeds)
    if not passing:
        return []
    every = sum(len(row.seeds) for row in rows if row.passes)
    parts: dict[str, list[str]] = {"pass": [], "pass in part": [], "fail": []}
    for name, count in passing.items():
        some = f"{name} ({fixed(count, 0)} of {every} agents)"
        if round(count) == every:
            parts["pass"].append(name)
        else:
            parts["pass in part" if round(count) else "fail"].append(some if count else name)
    told = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
    return [
        "Sanity check: when the network's weights are drawn anew, a map that shows what was "
        f"learned must change. Over {every} agents: {told}. What fails shows the screen rather "
        "than the agent, however well it agrees with cause."
    ]


def _between(rows: Sequence[Row]) -> list[str]:
    """How alike the methods' maps are, and which pairs are most and least."""
    pairs = dict.fromkeys(pair for row in rows for pair in row.pairs)
    found = {p: together([r.pairs[p] for r in rows if p in r.pairs]) for p in pairs}
    known = {" and ".join(p): each for p, each in found.items() if not math.isnan(each.mean)}
    if not known:
        return []
    every = together([row.cells["between"] for row in rows])
    order = sorted(known, key=lambda pair: known[pair].mean)
    least, most = (f"{pair} ({number(known[pair])})" for pair in (order[0], order[-1]))
    attention = together([row.of_method("attention", "between") for row in rows])
    own = "" if math.isnan(attention.mean) else f" Attention's with them is {number(attention)}."
    apart = known[order[0]].high < ALIKE
    so = (
        "The least alike don't show the same: to read one map is to choose a method."
        if apart
        else "None is shown to be unlike another."
    )
    return [
        "Agreement between methods: the rank correlation of two saliency methods' maps of the same "
        f"moment, over patches of 6x6 pixels, is {number(every)} in the mean over all pairs "
        f"(n = {every.seeds}). Most alike: {most}; least: {least}.{own} {so}"
    ]


def _sensitivity(rows: Sequence[Row]) -> list[str]:
    found = _over_rows(rows, "sensitivity")
    if not found:
        return []
    noise = together([row.cells["noise"] for row in rows])
    told = ", ".join(f"{name} {number(each)}" for name, each in found.items())
    unsteady = [name for name, each in found.items() if each.low > UNSTEADY]
    so = (
        f"Shown to change by more than half: {', '.join(unsteady)}; their single pixels mean "
        "little."
        if unsteady
        else "None is shown to change by more than half."
    )
    return [
        "Irrelevant change: noise of one grey level of 255, which changes the policy by "
        f"{number(noise, 3)} nats (n = {noise.seeds}), changes maps by these parts of their own "
        f"size (medians over moments): {told}. {so}"
    ]


def _polarity(rows: Sequence[Row]) -> list[str]:
    found = _over_rows(rows, "polarity")
    if not found:
        return []
    n = max(each.seeds for each in found.values())
    told = ", ".join(f"{name} {number(each)}" for name, each in found.items())
    right = [name for name, each in found.items() if each.low > 0]
    wrong = [name for name, each in found.items() if each.high < 0]
    parts = [
        f"{what}: {', '.join(names)}"
        for what, names in (("shown to be right", right), ("shown to be wrong", wrong))
        if names
    ]
    so = "; ".join(parts).capitalize() if parts else "None is shown to be right"
    return [
        "Signs: a signed map says whether an object speaks for or against the action taken. Its "
        "rank correlation with what the action's log-probability really loses when the object is "
        f"removed (1: right, 0: chance; n = {n}): {told}. {so}."
    ]


def _over_rows(rows: Sequence[Row], what: str) -> dict[str, Interval]:
    """A measure of each method over all rows, where it is known, from the smallest."""
    names = dict.fromkeys(name for row in rows for name in row.methods)
    found = {name: together([row.of_method(name, what) for row in rows]) for name in names}
    known = {name: each for name, each in found.items() if not math.isnan(each.mean)}
    return dict(sorted(known.items(), key=lambda pair: pair[1].mean))
