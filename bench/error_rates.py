"""How often intervals hold the truth and tests err, with few seeds: `python -m bench.error_rates`.

Simulates studies whose truth is known and counts. A study has six games, whose scores differ
30-fold, and a lambda 0 and five others, which score as lambda 0 does, or 90 % of it, the margin.
Prints Markdown: percent of the studies.
"""

from attn_ppo.lifecycle import process

if __name__ == "__main__":
    process.begin()

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from tqdm import tqdm

from analysis.equivalence import ALPHA, difference, equivalence, fixed_sequence, holm, p_apart
from analysis.stats import (
    Interval,
    bootstrap,
    iqm,
    mean,
    mean_interval,
    probability_of_improvement,
)
from attn_ppo.arguments import Parser, whole
from attn_ppo.errors import ConfigError, report
from attn_ppo.schema import Range

GAMES = (0.1, 0.3, 0.5, 0.9, 1.5, 3.0)  # mean scores, as human-normalised ones
LAMBDAS = 5
MARGIN = 0.1
REPEATS = 500  # of each bootstrap
SEEDS = (3, 5, 10)
STUDIES = Range(10, 1_000_000)
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Kind = Callable[[Draw, int, np.random.Generator], dict[str, bool]]


def normal(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Mean 1, SD 0.25."""
    return 1 + 0.25 * rng.normal(size=size)


def skewed(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Mean 1, SD 0.42, a long tail to the right: lognormal."""
    return np.exp(0.4 * rng.normal(size=size) - 0.08)


def two_humps(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Mean 1, SD 0.36: a third of the seeds are stuck at half of what the others have."""
    stuck = rng.random(size) < 1 / 3
    return np.where(stuck, 0.5, 1.25) + 0.05 * rng.normal(size=size)


POPULATIONS: dict[str, Draw] = {"normal": normal, "skewed": skewed, "two humps": two_humps}
HOLD = {  # 95 % is right
    "mean, t": "mean of a game, Student's t",
    "mean, percentile": "the same, percentile bootstrap",
    "difference": "difference to λ = 0, Welch's t",
    "iqm, t": "interquartile mean of six games, t by bootstrap",
    "iqm, percentile": "the same, percentile bootstrap as rliable's",
    "improvement": "probability of improvement over six games, Newcombe",
    "improvement, percentile": "the same, percentile bootstrap as rliable's",
}
ERR = {  # at most 5 % is right
    "drop": "p < 0.05 where nothing differs",
    "any drop, Welch": "any p < 0.05 of 30, by Welch and Holm, where nothing differs",
    "any drop": "the same with our p",
    "costs nothing": "'costs nothing' where the margin is lost",
    "up to": "'up to' a λ that loses the margin: two don't, three do",
    "all games": "'in all games' where each of six loses the margin",
    "equivalent": "'equivalent' where the margin is lost",
}
POWER = {  # the more, the better
    "costs nothing, nothing lost": "'costs nothing' where nothing is lost",
    "half lost": "p < 0.05 where half is lost",
    "half lost, of 30": "the same, by Holm among 29 others without a difference",
}


def main(arguments: Sequence[str]) -> int:
    """Prints the tables; returns the exit code."""
    parser = Parser("bench.error_rates", __doc__, "--studies 200")
    parser.add_argument("--studies", default="400", help=f"of each kind, {STUDIES}; %(default)s")
    options = parser.parse_args(arguments)
    try:
        studies = whole("--studies", options.studies, STUDIES)
    except ConfigError as error:
        return report(error)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for name, seeds in tqdm([(name, seeds) for name in POPULATIONS for seeds in SEEDS]):
        found[name, seeds] = rates(POPULATIONS[name], seeds, studies)
    for told, title in ((HOLD, "holds the truth, %"), (ERR, "errs, %"), (POWER, "finds it, %")):
        print(table(found, told, title), end="\n\n")
    return 0


def rates(
    draw: Draw, seeds: int, studies: int, kinds: Sequence[Kind] | None = None, seed: int = 0
) -> dict[str, float]:
    """Share of the studies by what is counted, of all kinds: HOLD, ERR and POWER."""
    rng = np.random.default_rng(seed)
    counted: dict[str, list[bool]] = {}
    for kind in kinds or (held, in_a_game, in_a_table):
        for _ in range(studies):
            for name, yes in kind(draw, seeds, rng).items():
                counted.setdefault(name, []).append(bool(yes))
    return {name: float(np.mean(each)) for name, each in counted.items()}


def table(found: dict[tuple[str, int], dict[str, float]], told: dict[str, str], title: str) -> str:
    """In Markdown: a row each of `told`, a column each population and number of seeds."""
    heads = [title, *(f"{name}, {seeds}" for name, seeds in found)]
    rows = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * len(found)]
    for name, text in told.items():
        cells = [f"{100 * each[name]:.1f}" for each in found.values()]
        rows.append(f"| {' | '.join([text, *cells])} |")
    return "\n".join(rows)


def held(draw: Draw, seeds: int, rng: np.random.Generator) -> dict[str, bool]:
    """Which intervals of a study hold the truth."""
    base, same = (_games(draw, seeds, rng) for _ in range(2))

    def drawn(scores: np.ndarray, statistic: Callable, percentile: bool) -> Interval:
        return bootstrap(scores, statistic, rng=rng, repeats=REPEATS, percentile=percentile)

    def improvement(games: Sequence[np.ndarray]) -> np.ndarray:
        one, other = games[: len(GAMES)], games[len(GAMES) :]
        apart = [
            np.sign(b[..., :, None] - a[..., None, :]) for a, b in zip(one, other, strict=True)
        ]
        return np.mean([(1 + each).mean(axis=(-1, -2)) / 2 for each in apart], axis=0)

    apart = difference(base[0], same[0])
    both = np.concatenate([base, same])
    return {
        "mean, t": _holds(mean_interval(base[0]), GAMES[0]),
        "mean, percentile": _holds(drawn(base[0], mean, True), GAMES[0]),
        "difference": apart.low <= 0 <= apart.high,
        "iqm, t": _holds(drawn(base, iqm, False), middle(draw)),
        "iqm, percentile": _holds(drawn(base, iqm, True), middle(draw)),
        "improvement": _holds(probability_of_improvement(base, same), 0.5),
        "improvement, percentile": _holds(drawn(both, improvement, True), 0.5),
    }


def in_a_game(draw: Draw, seeds: int, rng: np.random.Generator) -> dict[str, bool]:
    """Tests of the first game, and of all six."""
    base, same = (_games(draw, seeds, rng) for _ in range(2))
    lower = (1 - MARGIN) * _games(draw, seeds, rng)
    lost = [
        equivalence(one, other, MARGIN, floor=0) for one, other in zip(base, lower, strict=True)
    ]
    return {
        "drop": difference(base[0], same[0]).p < ALPHA,
        "costs nothing": lost[0].costs_nothing,
        "equivalent": lost[0].verdict == "equivalent",
        "all games": all(each.costs_nothing for each in lost),
        "costs nothing, nothing lost": equivalence(base[0], same[0], MARGIN, floor=0).costs_nothing,
        "half lost": difference(base[0], same[0] / 2).p < ALPHA,
    }


def in_a_table(draw: Draw, seeds: int, rng: np.random.Generator) -> dict[str, bool]:
    """Tests of a table of five lambdas, all of them alike, or of one that loses half."""
    base, *each = (_games(draw, seeds, rng) for _ in range(1 + LAMBDAS))
    others = np.array(each)
    games = range(len(GAMES))
    pairs = [(base[game], other[game]) for other in others for game in games]
    families = [[base[game], *others[:, game]] for game in games] * LAMBDAS
    p = [p_apart(*pair, family) for pair, family in zip(pairs, families, strict=True)]
    half = others[0, 0] / 2
    one = p_apart(base[0], half, [base[0], half, *others[1:, 0]])
    keeps = (1, 1, 1 - MARGIN, 1 - MARGIN, 1 - MARGIN)
    passed = fixed_sequence(
        [
            equivalence(base[0], keep * other[0], MARGIN, floor=0).p_drop
            for keep, other in zip(keeps, others, strict=True)
        ]
    )
    return {
        "any drop, Welch": bool((holm([difference(*pair).p for pair in pairs]) < ALPHA).any()),
        "any drop": bool((holm(p) < ALPHA).any()),
        "half lost, of 30": bool(holm([one, *p[1:]])[0] < ALPHA),
        "up to": any(passed[2:]),
    }


@cache
def middle(draw: Draw) -> float:
    """The true interquartile mean."""
    return float(iqm(_games(draw, 200_000, np.random.default_rng(0))))


def _games(draw: Draw, seeds: int, rng: np.random.Generator) -> np.ndarray:
    """(games, seeds) scores."""
    return np.array(GAMES)[:, None] * draw(rng, (len(GAMES), seeds))


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


if __name__ == "__main__":
    process.finish(main)
