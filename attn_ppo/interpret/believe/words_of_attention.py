"""The verdict's sentences on attention: is it on what matters, does it explain, is it needed?"""

import math
from collections.abc import Sequence

from attn_ppo.interpret.believe.phrases import having, key_of, measured, number, others
from attn_ppo.interpret.believe.verdict import Row, best_method

OTHER_MAPS = {  # in place of the agent's own
    "top_dropped": "a map without its strongest cell changes it",
    "own_mean": "its mean",
    "other_moment": "another moment's map",
}
RESTS = 0.5  # nats of entropy of its place, below which an object is as good as always there
FEW = 0.05  # share of the shifts in time that may score as high, if a map follows an object


def of_places(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in having(rows, "lift"):
        beside = others(
            row,
            lift_own_mean="its own mean map",
            lift_fixed="the best cell that never moves",
            lift_uniform="even attention",
            lift_untrained="an untrained agent",
        )
        information = number(row.cells["information"], 3)
        chance, more = (row.cells[f"information_{name}"] for name in ("untrained", "more"))
        less = f", {number(more, 3)} more than an untrained agent's"
        less = "" if math.isnan(chance.mean) or rests(row) else less
        told.append(
            f"{measured(row, 'lift')}: {follows(row)}. Its lift is {number(row.cells['lift'])} "
            f"({beside}); its strongest cell shares {information} nats of information with the "
            f"object's place{less}."
        )
    if not told:
        there = having(rows, "entropy")
        return [f"There is no {'object' if there else 'attention'} to measure."]
    return [
        f"Measured is the lift: attention on {key_of(rows[0])}, as a multiple of what a map even "
        "over the screen has there. A map that never moves can have a high one, where the "
        "object often is; it shares no information with the object's place.",
        *told,
    ]


def follows(row: Row) -> str:
    """Whether the maps follow the key object, in words."""
    lift, even, own, high, more = (
        row.cells[name]
        for name in ("lift", "lift_uniform", "lift_own_mean", "lift_as_high", "information_more")
    )
    if math.isnan(lift.low):
        return "too little data to say"
    if rests(row):
        where = "attention isn't shown to be there"
        if lift.low > even.mean:
            where = "attention is there"
        elif lift.high < even.mean:
            where = "attention lies elsewhere"
        return f"there is nothing to follow, the place of {key_of(row)} hardly changes; {where}"
    moves = more.low > 0 and high.mean <= FEW
    if lift.low > own.mean and moves:
        return "yes, it follows"
    if lift.high < even.mean:
        return (
            "no, it lies elsewhere, though it moves when the object does"
            if moves
            else "no, it lies elsewhere"
        )
    if lift.low > even.mean:
        return "not shown; it lies where the object often is, but a still map may do as well"
    return "not shown; it may have no more on it than even attention"


def rests(row: Row) -> bool:
    """Whether the key object is as good as always in one place, so that no map can follow it."""
    return row.cells["places"].mean < RESTS


def of_cause(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in having(rows, "agreement"):
        best = best_method(row)
        beside = others(
            row,
            timeless="the same maps shifted in time",
            screen="what is bright or moves",
            **({"best": f"{best}, the best method"} if best else {}),
        )
        told.append(
            f"{measured(row, 'agreement')}: {explains(row)}. Its correlation is "
            f"{number(row.cells['agreement'])} ({beside}). {_beside_best(row)}"
        )
    if not told:
        return []
    return [
        "Measured is the rank correlation of attention on an object with how much that object "
        "matters at that moment: 1 if they order objects and moments alike, 0 if they have "
        "nothing in common. Shifted in time, a map can know which objects matter, but not when; "
        "what is bright or moves knows nothing of the agent. The best method is the saliency "
        "method with the highest correlation, of those that pass the sanity check below.",
        *told,
    ]


def explains(row: Row) -> str:
    """Whether attention ranks objects like cause does, in words."""
    found, timeless, screen = (row.cells[n] for n in ("agreement", "timeless", "screen"))
    if math.isnan(found.low):
        return "too little data to say"
    if found.high < 0:
        return "no, the more an object matters, the less attention it gets"
    if found.low <= 0:
        return "not shown"
    if found.low <= timeless.mean:
        return "in part, it says which objects matter, but isn't shown to say when"
    if found.low <= screen.mean:
        return "in part, it isn't shown to say more than the screen alone"
    return "yes, it says what matters and when"


def _beside_best(row: Row) -> str:
    """Attention against the best saliency method, in words."""
    found, best = row.cells["agreement"], row.cells["best"]
    if math.isnan(best.mean):
        return "No saliency method passes the sanity check."
    if math.isnan(found.low):
        return ""
    if found.low > best.mean:
        return f"It explains better than {best_method(row)}."
    how = "explains worse" if found.high < best.mean else "is not shown to explain better"
    return f"It {how} than {best_method(row)}."


def of_need(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in having(rows, "uniform"):
        key, lost = row.cells["importance"], row.cells["uniform_score"]
        beside = "" if math.isnan(key.mean) else f" (editing {key_of(row)}: {number(key, 3)})"
        score = "" if math.isnan(lost.mean) else f"; {number(lost, 0)} % of the score is lost"
        told.append(
            f"{measured(row, 'uniform')}: {needs(row)}. The policy changes by "
            f"{number(row.cells['uniform'], 3)} nats{beside}{score}.{_other_maps(row)}"
        )
    if not told:
        return []
    return [
        "Attention is replaced by an even map. Measured is by how much this changes the policy "
        "(KL divergence in nats) and what it costs in whole games with the same random numbers. "
        "Of the other replacements a map frozen at its mean tells whether they need it to move, "
        "another moment's whether they need that of this moment.",
        *told,
    ]


def _other_maps(row: Row) -> str:
    """What the other replacements change, and what they cost, in a sentence."""
    parts = []
    for name, what in OTHER_MAPS.items():
        changed, lost = row.cells[name], row.cells[f"{name}_score"]
        if not math.isnan(changed.mean):
            score = "" if math.isnan(lost.mean) else f" ({number(lost, 0)} % of the score lost)"
            parts.append(f"{what} by {number(changed, 3)} nats{score}")
    return f" In its place {', '.join(parts)}." if parts else ""


def needs(row: Row) -> str:
    """Whether the agents are other ones without their attention, in words."""
    policy, lost = row.cells["uniform"], row.cells["uniform_score"]
    if policy.mean == 0:
        return "no, nothing changes"
    if not math.isnan(lost.low):
        return "yes" if lost.low > 0 else "not shown to cost score"
    if math.isnan(policy.low):
        return "too little data to say"
    return "their policies do change" if policy.low > 0 else "not shown"
