"""The verdict in words: sentences made from the numbers, whichever way they point.

What is said depends on intervals: a measure is above another number where all of its 95 % interval
is, and where the interval holds that number, the words say that it can't be told.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from attn_ppo.formats import fixed, plain
from attn_ppo.interpret.believe.bootstrap import Interval
from attn_ppo.interpret.believe.verdict import MEASURES, MOVING, Comparison, Row, best_method

LEVEL = 0.05  # of p, corrected
FEW = 0.05  # share of the shifts in time that may score as high, if a map follows an object
ALIKE = 0.1  # relative difference of scores that still counts as the same score


def words(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    """For each game and settings a heading and a list of sentences, in Markdown."""
    places = list(dict.fromkeys((row.game, row.settings) for row in rows))
    return "\n\n".join(
        _of_game(
            [row for row in rows if (row.game, row.settings) == place],
            [each for each in comparisons if (each.game, each.settings) == place],
        )
        for place in places
    )


def number(of: Interval, digits: int = 2) -> str:
    """`1.80 [1.52, 2.11]`, `1.80` without an interval, `-` where unknown."""
    if math.isnan(of.mean):
        return "-"
    ends = "" if math.isnan(of.low) else f" [{fixed(of.low, digits)}, {fixed(of.high, digits)}]"
    return f"{fixed(of.mean, digits)}{ends}"


def of_lambda(row: Row) -> str:
    """`λ = 0.0005`."""
    return f"λ = {plain(row.lambda_)}"


def _of_game(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    head = f"{rows[0].game} {rows[0].settings}".strip()
    sentences = [
        _seeds(rows),
        *_what_matters(rows),
        *_attention(rows),
        *_explanation(rows),
        *_use(rows),
        *_lambda(rows, comparisons),
        *_fairness(rows),
        *_methods(rows),
    ]
    return "\n".join([f"**{head}**", "", *(f"- {each}" for each in filter(None, sentences))])


def _seeds(rows: Sequence[Row]) -> str:
    counts = sorted({len(row.seeds) for row in rows})
    told = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    lambdas = f"{len(rows)} λ" if len(rows) > 1 else of_lambda(rows[0])
    if counts == [1]:
        each = " each" if len(rows) > 1 else ""
        return (
            f"{lambdas}, one seed{each}: the intervals are over each agent's games, and nothing "
            "here says what another seed would give."
        )
    return f"{lambdas}, {told} seeds each; intervals are over seeds."


def _what_matters(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row.objects)
    means = {name: _mean(row.of_object(name, "importance") for row in rows) for name in names}
    known = sorted((n for n in means if not math.isnan(means[n])), key=lambda n: -means[n])
    if not known:
        against = ": attention is held against what moves" if rows[0].key else ""
        return [f"No edits of this game's memory are known, so no cause was measured{against}."]
    told = ", ".join(f"{name} {fixed(means[name], 3)}" for name in known)
    return [
        f"Moved or removed in the real game, objects change the policy by (KL, nats) {told}: "
        f"attention is held against the {rows[0].key}."
    ]


def _attention(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in rows:
        lift = row.cells["lift"]
        if math.isnan(lift.mean):
            continue
        others = [
            f"{fixed(row.cells[name].mean, 2)} for {what}"
            for name, what in (
                ("lift_uniform", "even attention"),
                ("lift_own_mean", "its own mean map"),
                ("lift_fixed", "the best fixed cell"),
            )
        ]
        told.append(f"{of_lambda(row)}: {follows(row)}, {number(lift)} ({', '.join(others)})")
    if not told:
        return ["There is no attention to measure."]
    what = "what moves" if rows[0].key == MOVING else f"the {rows[0].key}"
    return [f"Attention, by its lift on {what}. {'; '.join(told)}."]


def follows(row: Row) -> str:
    """Whether the maps follow the key object, in words."""
    lift, even, own, high, information = (
        row.cells[name]
        for name in ("lift", "lift_uniform", "lift_own_mean", "lift_as_high", "information")
    )
    if math.isnan(lift.low):
        return "too little data to say"
    moves = information.low > 0 and high.mean <= FEW
    if lift.low > own.mean and moves:
        return "it follows the object"
    if lift.high < even.mean:
        return (
            "it lies elsewhere, though it moves with the object" if moves else "it lies elsewhere"
        )
    if lift.low > even.mean:
        return "it lies where the object often is, but isn't shown to follow it"
    return "no more than even attention is shown to have"


def _explanation(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in rows:
        found = row.cells["agreement"]
        if math.isnan(found.mean):
            continue
        best, screen = best_method(row), row.cells["screen"]
        others = [
            f"{fixed(row.cells['timeless'].mean, 2)} shifted in time",
            f"{fixed(screen.mean, 2)} for what is bright or moves",
        ]
        if best:
            others.append(f"{fixed(row.cells['best'].mean, 2)} for {best}, the best method")
        told.append(f"{of_lambda(row)}: {explains(row)}, {number(found)} ({', '.join(others)})")
    if not told:
        return []
    return [f"Attention as an explanation, by its rank correlation with cause. {'; '.join(told)}."]


def explains(row: Row) -> str:
    """Whether attention ranks objects like cause does, in words."""
    found, timeless, screen = (row.cells[n] for n in ("agreement", "timeless", "screen"))
    if math.isnan(found.low):
        return "too little data to say"
    if found.high < 0:
        return "the more an object matters, the less attention it gets"
    if found.low <= 0:
        return "attention is not shown to say what matters"
    if found.low <= timeless.mean:
        return "it says which objects matter, not when"
    if found.mean <= screen.mean:
        return "it says what matters, but the screen alone says as much"
    return "it says what matters and when"


def _use(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in rows:
        uniform, key = row.cells["uniform"], row.cells["importance"]
        if math.isnan(uniform.mean):
            continue
        beside = "" if math.isnan(key.mean) else f" (the {row.key} edited: {fixed(key.mean, 3)})"
        lost = row.cells["uniform_score"]
        score = ""
        if not math.isnan(lost.mean):
            score = f", and costs {number(lost, 0)} % of the score"
        told.append(f"at {of_lambda(row)} by {number(uniform, 3)} nats{beside}{score}")
    if not told:
        return []
    return [f"Uniform attention in its place changes the policy {'; '.join(told)}."]


def _lambda(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    if len(rows) == 1:
        return []
    tested = [each for each in comparisons if not math.isnan(each.p)]
    if not tested:
        return ["With one seed for a λ, differences between agents aren't differences between λ."]
    clear = [each for each in tested if each.p < LEVEL]
    base = of_lambda(rows[0])
    if not clear:
        return [f"No measure differs from {base} after Holm's correction ({len(tested)} tests)."]
    told = [
        f"{MEASURES[each.measure].title} at λ = {plain(each.lambda_)} by "
        f"{number(each.apart, MEASURES[each.measure].digits)} (p = {fixed(each.p, 3)})"
        for each in clear
    ]
    return [f"Different from {base} after Holm's correction: {'; '.join(told)}."]


def _fairness(rows: Sequence[Row]) -> list[str]:
    """How far scores and policy entropies are apart, which change other measures too."""
    if len(rows) == 1:
        return []
    told, differ = [], False
    for name, what, unit in (
        ("score", "scores", ""),
        ("policy_entropy", "policy entropies", " nats"),
    ):
        means = [row.cells[name].mean for row in rows if not math.isnan(row.cells[name].mean)]
        if len(means) < 2:
            continue
        low, high = min(means), max(means)
        digits = MEASURES[name].digits
        apart = (high - low) / abs(high) if high else 0.0
        differ = differ or apart > ALIKE
        alike = "alike" if apart <= ALIKE else f"{fixed(100 * apart, 0)} % apart"
        told.append(f"{what} from {fixed(low, digits)} to {fixed(high, digits)}{unit}, {alike}")
    if not told:
        return []
    so = "what differs may be due to that" if differ else "what differs isn't due to that"
    return [f"The agents compared have {' and '.join(told)}: {so}."]


def _methods(rows: Sequence[Row]) -> list[str]:
    shares: dict[str, list[float]] = {}
    for row in rows:
        for name, share in row.passes.items():
            shares.setdefault(name, []).append(share)
    if not shares:
        return []
    passing = [name for name, each in shares.items() if min(each) == 1]
    failing = [name for name, each in shares.items() if max(each) == 0]
    mixed = [name for name in shares if name not in passing and name not in failing]
    parts = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("pass for all agents:", passing),
            ("pass for some:", mixed),
            ("fail for all:", failing),
        )
        if names
    ]
    return [f"When the network's weights are drawn anew, maps must change; {'; '.join(parts)}."]


def _mean(of: Iterable[Interval]) -> float:
    means = [each.mean for each in of if not math.isnan(each.mean)]
    return float(np.mean(means)) if means else math.nan
