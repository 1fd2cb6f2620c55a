"""Comparisons in words: up to which lambda sharpening attention costs nothing.

Sentences are made from the numbers, whichever way they point.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from analysis.comparisons import (
    ALONE,
    AT_RANDOM,
    COSTS,
    COSTS_NOTHING,
    FEW,
    NO_CLAIM,
    NO_RANDOM,
    NONE_AT_ZERO,
    NONE_HERE,
    ONE_SEED,
    SMALLER,
    UNDECIDED,
    Comparison,
    OverGames,
)
from analysis.stats import Interval
from attn_ppo.formats import fixed, plain, short_number
from attn_ppo.variants import Variant

ONE_SEED_SAYS = "with a single seed, a difference between agents is no difference between λ"


class Answer(NamedTuple):
    """Of a variant: one sentence, and what there is to add."""

    variant: Variant
    headline: str
    more: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it as a paragraph."""
        named = f"Settings {self.variant.letter}, {self.variant.name}: " * bool(self.variant.name)
        return named + " ".join((self.headline, *self.more))


def answer(
    variant: Variant, rows: Sequence[Comparison], over: Sequence[OverGames], margin: float
) -> Answer:
    """Of the comparisons of one variant."""
    if not rows:
        return Answer(variant, "Only λ = 0 was run: there is nothing to hold against it.", ())
    if not any(row.base.n for row in rows):
        missing = (
            "λ = 0 has no finished run" if any(r.score.n for r in rows) else "no run has finished"
        )
        return Answer(variant, f"Undecided: {missing}, so nothing can be compared yet.", ())
    return Answer(
        variant,
        _headline(rows, over, margin),
        tuple(
            filter(
                None,
                (
                    _by_game(rows),
                    _costs(rows),
                    *_undecided(rows, margin),
                    _without_claim(rows),
                    _entropy(rows, over),
                    _over_games(over),
                    _measured(rows),
                ),
            )
        ),
    )


def percent(share: float, digits: int = 0) -> str:
    """`93`, of a share."""
    return fixed(100 * share, digits)


def kept(row: Comparison) -> str:
    """`93 % [80, 107]`: how much of the score above random play is left."""
    of = row.kept
    ends = [end for end in (of.low, of.high) if math.isfinite(end)]
    return f"{percent(of.value)} %" + (
        f" [{percent(of.low)}, {percent(of.high)}]" if len(ends) == 2 else ""
    )


def listed(texts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def p_text(p: float) -> str:
    """`= 0.012`, `< 0.001`."""
    return f"= {fixed(p, 3)}" if p >= 0.001 else "< 0.001"


def seeds_text(row: Comparison) -> str:
    """`5 seeds`, of lambda 0 and of lambda; `5 and 3 seeds`."""
    one, other = row.base.n, row.score.n
    return f"{one} seeds" if one == other else f"{one} and {other} seeds"


def _headline(rows: Sequence[Comparison], over: Sequence[OverGames], margin: float) -> str:
    claimed = [row for row in rows if row.verdict != NO_CLAIM]
    if not claimed:
        return f"No claim: {AT_RANDOM} in {listed(_games(rows))}, so it has nothing to lose."
    games = _games(claimed)
    where = f"in {listed(games)}" if len(games) < 3 else f"in all of {len(games)} games"
    passed = [each.lambda_ for each in over if each.everywhere == COSTS_NOTHING]
    if passed:
        largest = "the largest that was run, " * (max(passed) == max(o.lambda_ for o in over))
        return (
            f"Up to {largest}λ = {plain(max(passed))}, sharpening attention costs nothing {where}: "
            f"a loss of {percent(margin)} % of what λ = 0 scores above random play is ruled out."
        )
    first = min(over, key=lambda each: each.lambda_)
    if first.everywhere == COSTS:
        worse = [r.game for r in rows if r.lambda_ == first.lambda_ and r.verdict == COSTS]
        return (
            f"At no λ does sharpening attention cost nothing {where}: already the smallest, "
            f"λ = {plain(first.lambda_)}, lowers the score in {listed(worse)}."
        )
    return (
        f"Undecided: a loss of {percent(margin)} % of what λ = 0 scores above random play "
        f"is ruled out for no λ {where}."
    )


def _by_game(rows: Sequence[Comparison]) -> str:
    """Up to which lambda in each game, where games differ."""
    last = {game: 0.0 for game in _games(row for row in rows if row.verdict != NO_CLAIM)}
    for row in rows:
        if row.verdict == COSTS_NOTHING:
            last[row.game] = max(last[row.game], row.lambda_)
    ends = sorted(set(last.values()), reverse=True)
    if len(ends) < 2:
        return ""
    told = []
    for end in ends:
        games = listed(game for game, each in last.items() if each == end)
        told.append(f"in {games} {f'up to λ = {plain(end)}' if end else 'at none'}")
    return f"Game by game it is shown to cost nothing {'; '.join(told)}."


def _costs(rows: Sequence[Comparison]) -> str:
    told = []
    for game in _games(row for row in rows if row.verdict == COSTS):
        mine = [row for row in rows if row.game == game and row.verdict == COSTS]
        left = listed(kept(row) for row in mine)
        told.append(f"{_places(mine)} ({left})")
    much = "with so much left of what λ = 0 has above random play"
    return f"It costs, {much}: {'; '.join(told)}." if told else ""


def _undecided(rows: Sequence[Comparison], margin: float) -> list[str]:
    """A sentence for each reason."""
    by_why: dict[str, list[Comparison]] = {}
    for row in rows:
        if row.verdict == UNDECIDED:
            by_why.setdefault(row.why, []).append(row)
    sentences = [_few(by_why[FEW], margin)] if FEW in by_why else []
    for why, what in (
        (ALONE, "Lower by itself, but not after correction for all comparisons"),
        (SMALLER, "Shown to cost nothing by itself, but not at a smaller λ"),
        (ONE_SEED, f"{ONE_SEED_SAYS[0].upper()}{ONE_SEED_SAYS[1:]}"),
        (NONE_HERE, "No finished run"),
        (NONE_AT_ZERO, "No finished run of λ = 0 to compare with"),
        (NO_RANDOM, f"{NO_RANDOM[0].upper()}{NO_RANDOM[1:]}"),
    ):
        if why in by_why:
            sentences.append(f"{what}: {_places(by_why[why])}.")
    return sentences


def _few(rows: Sequence[Comparison], margin: float) -> str:
    """What so many seeds can tell, at the first undecided lambda of each game."""
    first = list({row.game: row for row in reversed(rows)}.values())[::-1]
    losses = [row.detectable / (row.base.value - row.random) for row in first]
    needed = [row.seeds_needed for row in first if math.isfinite(row.seeds_needed)]
    seeds = _range(n for row in first for n in (row.base.n, row.score.n))
    told = f"Undecided for want of seeds: {_places(first)}"
    rest = [row for row in rows if row not in first]
    told += f" (and, of larger λ, {_places(rest)})" if rest else ""
    told += (
        f". There, {seeds} seeds show a true loss of {_range(losses, percent)} % in four of five "
    )
    told += "sweeps, a smaller one less often"
    if needed:
        told += (
            f"; to rule out one of {percent(margin)} % as often takes about {_range(needed)} seeds"
        )
    known = [row for row in first if row.kept.low > 0]
    out = [f"{math.ceil(100 - 100 * row.kept.low)} % in {row.game}" for row in known]
    if out:
        told += (
            f". Ruled out there, by a one-sided test at 5 %, is a loss of at least {listed(out)}"
        )
    return f"{told}."


def _without_claim(rows: Sequence[Comparison]) -> str:
    games = _games(row for row in rows if row.verdict == NO_CLAIM)
    if not games or len(games) == len(_games(rows)):
        return ""
    return f"No claim on {listed(games)}, where {AT_RANDOM}."


def _entropy(rows: Sequence[Comparison], over: Sequence[OverGames]) -> str:
    """At the largest lambda that costs nothing in any game, else at the largest."""
    known = [row for row in rows if not math.isnan(row.entropy + row.base_entropy)]
    passed = [each.lambda_ for each in over if each.everywhere == COSTS_NOTHING]
    at = max(passed or [row.lambda_ for row in known], default=math.nan)
    known = [row for row in known if row.lambda_ == at]
    if not known:
        return ""
    before, after = ([row.base_entropy for row in known], [row.entropy for row in known])
    of_games = "from game to game " * (len(known) > 1)
    return (
        f"Attention's entropy, a mean over seeds, is {of_games}{_range(before, _nats)} nats at "
        f"λ = 0 and {_range(after, _nats)} at λ = {plain(at)}."
    )


def _over_games(over: Sequence[OverGames]) -> str:
    """The interquartile mean at the smallest and at the largest lambda, of several games."""
    known = [each for each in over if len(each.games) > 1]
    if not known:
        return ""
    told = [
        f"{fixed(each.difference.value, 3)}{_ends(each.difference)} at λ = {plain(each.lambda_)}"
        for each in dict.fromkeys((known[0], known[-1]))
    ]
    return (
        f"Over {len(known[0].games)} games, the interquartile mean of human-normalised scores, "
        f"{fixed(known[0].base_iqm.value, 3)} at λ = 0, changes by {listed(told)} (95 % intervals)."
    )


def _measured(rows: Sequence[Comparison]) -> str:
    kinds = {row.scored for row in rows if row.base.n or row.score.n}
    what = {
        "evaluation": "fresh games of the finished agents",
        "training": "the last 100 training games",
    }
    steps = _range((row.steps for row in rows), short_number)
    by_game = ""
    if len(kinds) > 1:
        trained = _games(row for row in rows if row.scored == "training")
        by_game = f" ({listed(trained)}: {what['training']})"
        kinds = {"evaluation"}
    told = listed(what[kind] for kind in sorted(kinds))
    return f"Scores are of {told}{by_game}, after {steps} agent steps."


def _ends(of: Interval) -> str:
    return "" if math.isnan(of.low) else f" [{fixed(of.low, 3)}, {fixed(of.high, 3)}]"


def _nats(entropy: float) -> str:
    return fixed(entropy, 2)


def _range(numbers: Iterable[float], spell: Callable[[float], str] = plain) -> str:
    """`3`, or `3 to 5`."""
    ordered = sorted(numbers)
    return " to ".join(dict.fromkeys(spell(each) for each in (ordered[0], ordered[-1])))


def _places(rows: Iterable[Comparison]) -> str:
    """`Breakout at λ = 0.001 and 0.005, MsPacman at λ = 0.005`."""
    by_game: dict[str, list[str]] = {}
    for row in rows:
        by_game.setdefault(row.game, []).append(plain(row.lambda_))
    return "; ".join(f"{game} at λ = {listed(each)}" for game, each in by_game.items())


def _games(rows: Iterable[Comparison]) -> list[str]:
    return list(dict.fromkeys(row.game for row in rows))
