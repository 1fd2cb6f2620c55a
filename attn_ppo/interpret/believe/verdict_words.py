"""The verdict in words: sentences made from the numbers, whichever way they point.

What is said depends on intervals: a measure is above another number where all of its 95 % interval
is, and where the interval holds that number, the words say that it isn't shown.
"""

import math
from collections.abc import Sequence

from attn_ppo.formats import fixed, plain
from attn_ppo.interpret.believe.bootstrap import together
from attn_ppo.interpret.believe.phrases import having, key_of, measured, number, of_lambda
from attn_ppo.interpret.believe.verdict import Comparison, Row
from attn_ppo.interpret.believe.verdict_measures import MEASURES
from attn_ppo.interpret.believe.words_of_attention import of_cause, of_need, of_places
from attn_ppo.interpret.believe.words_of_methods import of_methods

LEVEL = 0.05  # of p, corrected
ALIKE = 0.1  # relative difference of scores that still counts as the same score


def words(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    """For each game and settings headings, each with a list of sentences, in Markdown."""
    places = list(dict.fromkeys((row.game, row.settings) for row in rows))
    return "\n\n".join(
        _of_game(
            [row for row in rows if (row.game, row.settings) == place],
            [each for each in comparisons if (each.game, each.settings) == place],
        )
        for place in places
    )


def _of_game(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> str:
    head = f"{rows[0].game} {rows[0].settings}".strip()
    parts = {
        head: _agents(rows),
        f"{head}: what do the agents act on?": _what_matters(rows),
        f"{head}: does attention follow {key_of(rows[0])}?": of_places(rows),
        f"{head}: does attention say what the agents act on?": of_cause(rows),
        f"{head}: do the agents need their attention?": of_need(rows),
        f"{head}: do changed games break the agents?": _stress(rows),
        f"{head}: does λ change any of this?": _lambda(rows, comparisons),
        f"{head}: which saliency methods can be believed?": of_methods(rows),
    }
    blocks = [
        "\n".join([f"**{name}**", "", *(f"- {each}" for each in sentences)])
        for name, sentences in parts.items()
        if sentences
    ]
    return "\n\n".join(blocks)


def _agents(rows: Sequence[Row]) -> list[str]:
    counts = sorted({len(row.seeds) for row in rows})
    told = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    lambdas = f"{len(rows)} values of λ" if len(rows) > 1 else of_lambda(rows[0])
    each = " each" if len(rows) > 1 else ""
    of_penalty = "λ is the weight of the penalty that sharpens attention."
    if counts == [1]:
        return [
            f"{lambdas}, one agent{each} (n = 1). {of_penalty} Numbers in brackets are its 95 % "
            "interval over this agent's games; nothing here says what another seed would give."
        ]
    return [
        f"{lambdas}, {told} agents{each}, trained with different seeds. {of_penalty} A number is "
        "the mean over n agents, in brackets its 95 % interval (Student's t, so that it may reach "
        "beyond what is possible, such as a correlation of 1). Something is shown where all of "
        "the interval says so."
    ]


def _what_matters(rows: Sequence[Row]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row.objects)
    found = {name: together([row.of_object(name, "importance") for row in rows]) for name in names}
    known = sorted((n for n in found if not math.isnan(found[n].mean)), key=lambda n: found[n].mean)
    if not known:
        against = " Attention is held against whatever moves." if rows[0].key else ""
        return [f"No edits of this game's memory are known, so no cause was measured.{against}"]
    told = ", ".join(f"{name} {number(found[name], 3)}" for name in reversed(known))
    pooled = ", the mean over λ, its interval that of their seeds" if len(rows) > 1 else ""
    return [
        "Objects were moved, frozen or removed in the real game. This changes the policy by (KL "
        f"divergence in nats, 0: not at all; n = {found[known[-1]].seeds}{pooled}): {told}.",
        "Attention is held against what matters most in the mean over all the game's agents: "
        f"{key_of(rows[0])}.{_ahead(rows, known)}",
    ]


def _ahead(rows: Sequence[Row], known: Sequence[str]) -> str:
    """How much more the key object matters than the next; `known` ascend."""
    if len(known) < 2:
        return ""
    behind = together([row.of_object(known[-2], "behind") for row in rows])
    if math.isnan(behind.low):
        return ""
    shown = "is shown" if behind.low > 0 else "isn't shown"
    return (
        f" That it matters more than the next, {known[-2]}, {shown}: by {number(behind, 3)} nats "
        f"(n = {behind.seeds})."
    )


def _stress(rows: Sequence[Row]) -> list[str]:
    told = []
    for row in having(rows, "stress"):
        lost = row.cells["stress"]
        says = "too little data to say" if math.isnan(lost.low) else "not shown"
        if lost.low > 0:
            says = "they score less"
        told.append(f"{measured(row, 'stress')}: {says}. {number(lost, 0)} % of the score is lost.")
    if not told:
        return []
    return [
        "Games are changed in ways that would cost a person nothing, such as other colours, "
        "actions that stick, or another start. Measured is the score lost in the mean over the "
        "changes, with the same random numbers.",
        *told,
    ]


def _lambda(rows: Sequence[Row], comparisons: Sequence[Comparison]) -> list[str]:
    if len(rows) == 1:
        return []
    tested = [each for each in comparisons if not math.isnan(each.p)]
    if not tested:
        one = "With one seed for a λ, differences between agents aren't differences between λ."
        return [one, *_fairness(rows)]
    base = of_lambda(rows[0])
    how = f"{len(tested)} differences from {base} were tested (Welch's t, corrected by Holm)"
    clear = [each for each in tested if each.p < LEVEL]
    if clear:
        told = f"{how}. Shown: {'; '.join(map(_compared, clear))}."
    else:
        least = min(tested, key=lambda each: each.apart.p)
        told = (
            f"{how}; none is shown. The clearest is {_compared(least)}; p is corrected for all "
            "tests, the interval isn't. That doesn't say that λ changes nothing: the intervals of "
            "the differences say how much it may."
        )
    return [told, *_fairness(rows)]


def _compared(each: Comparison) -> str:
    measure, n = MEASURES[each.measure], each.apart.seeds
    at = f"{measure.title} at λ = {plain(each.lambda_)}"
    return f"{at} by {number(each.apart, measure.digits)} (n = {n}, p = {fixed(each.p, 3)})"


def _fairness(rows: Sequence[Row]) -> list[str]:
    """How far scores and policy entropies are apart, which change other measures too."""
    told, differ = [], False
    for name, what, unit in (
        ("score", "scores", ""),
        ("policy_entropy", "policy entropies", " nats"),
    ):
        means = [row.cells[name].mean for row in having(rows, name)]
        if len(means) < 2:
            continue
        low, high = min(means), max(means)
        apart, digits = (high - low) / abs(high) if high else 0.0, MEASURES[name].digits
        differ = differ or apart > ALIKE
        between = f"{fixed(low, digits)} to {fixed(high, digits)}{unit}"
        told.append(f"mean {what} from {between} ({fixed(100 * apart, 0)} % apart)")
    if not told:
        return []
    so = (
        "An agent that plays better, or more at random, may look at other things for that reason: "
        "a difference between λ needn't come from attention being sharper."
        if differ
        else "They are alike, so differences in other measures hardly come from these."
    )
    return [f"The λ have {' and '.join(told)}. {so}"]
