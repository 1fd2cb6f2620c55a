"""From runs to numbers: the seeds a mean is over, a group's curve, final score and entropy.

Every SD is nan for fewer than two seeds and has n - 1 in its denominator unless `ddof` is 0, as it
is in the study: there it is n.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from analysis.files import column
from analysis.runs import Run
from attn_ppo.variants import Variant

STUDY_GAMES = ("BeamRider", "Breakout", "MsPacman", "Frostbite", "Enduro", "Seaquest")
SCORE = "episode_return"  # in metrics: the mean raw score of the last 100 games
POINTS = 500  # of an interpolated curve, as in the study
CELLS = 49  # of the 7 x 7 attention map
LAST_GAMES = 100  # of training, whose mean is episode_return
LAST_UPDATES = 10  # whose mean entropy stands in for an evaluation's


class Group(NamedTuple):
    """What the runs of a mean have in common: all but the seed."""

    game: str
    lambda_: float
    variant: Variant

    @property
    def id(self) -> str:
        """`0.0005`, with several variants `0.0005 B`: what marks in a figure are called."""
        return f"{self.lambda_} {self.variant.letter}".rstrip()


@dataclass(frozen=True)
class Curve:
    """Seeds on one grid: `env_steps` (P,), `scores` (seeds, P), `mean` and `sd` (P,)."""

    env_steps: np.ndarray
    scores: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


def order_games(games: Iterable[str]) -> list[str]:
    """The study's games in its order, then the others by name, each once."""
    rank = {game: index for index, game in enumerate(STUDY_GAMES)}
    return sorted(set(games), key=lambda game: (rank.get(game, len(rank)), game))


def lambdas_of(runs: Iterable[Run]) -> list[float]:
    """Each lambda once, ascending."""
    return sorted({run.config.lambda_ for run in runs})


def variants_in(runs: Iterable[Run]) -> list[Variant]:
    """Each variant once, by number; a single one has no name."""
    return sorted({run.variant for run in runs})


def group_of(run: Run) -> Group:
    """The group that a run belongs to."""
    return Group(run.config.env, run.config.lambda_, run.variant)


def group(runs: Iterable[Run]) -> dict[Group, list[Run]]:
    """The runs of each group: games in their order, variants, lambdas ascending, then seeds."""
    groups: dict[Group, list[Run]] = {}
    runs = sorted(runs, key=lambda run: (run.variant, run.config.lambda_, run.config.seed))
    for game in order_games(run.config.env for run in runs):
        for run in runs:
            if run.config.env == game:
                groups.setdefault(group_of(run), []).append(run)
    return groups


def averaged(runs: Sequence[Run]) -> list[Run]:
    """The runs that a group's mean is over: its finished ones, or all while none is finished.

    A seed that stopped early is left out: its last score is not a final one, and its few steps
    would shorten the range that the seeds have in common.
    """
    return [run for run in runs if not run.unfinished] or list(runs)


def counted(runs: Sequence[Run]) -> int:
    """Of how many runs a group's mean is: those of `averaged` that have a score."""
    return sum(known_range(run) is not None for run in averaged(runs))


def mean_curve(
    runs: Sequence[Run], points: int = POINTS, *, of: str = SCORE, ddof: int = 1
) -> Curve | None:
    """A column of metrics over the range common to the runs; None without such a range.

    The SD has n - `ddof` in its denominator and is nan for a single run.
    """
    ranges = [known_range(run, of) for run in runs]
    common = [r for r in ranges if r is not None]
    first, last = max((r[0] for r in common), default=0.0), min((r[1] for r in common), default=0.0)
    if first >= last:
        return None
    env_steps = np.linspace(first, last, points)
    scored = [run for run, r in zip(runs, ranges, strict=True) if r is not None]
    scores = np.stack([interpolate(run, env_steps, of) for run in scored])
    sd = scores.std(axis=0, ddof=ddof) if len(scored) > 1 else np.full(points, np.nan)
    return Curve(env_steps, scores, scores.mean(axis=0), sd)


def known_range(run: Run, of: str = SCORE) -> tuple[float, float] | None:
    """Agent steps at the first and last update with a number, by default a score; None if none."""
    env_steps, _ = known_updates(run, of)
    return (env_steps[0], env_steps[-1]) if len(env_steps) else None


def interpolate(run: Run, env_steps: np.ndarray, of: str = SCORE) -> np.ndarray:
    """The column at each of `env_steps` (P,), linear between updates."""
    return np.interp(env_steps, *known_updates(run, of))


def known_updates(run: Run, of: str = SCORE) -> tuple[np.ndarray, np.ndarray]:
    """Agent steps and the column's value of the updates that have one, (U,) each."""
    values = column(run.metrics, of)
    known = ~np.isnan(values)
    return column(run.metrics, "env_steps")[known], values[known]


def training_score(run: Run) -> float:
    """Mean raw score of the last 100 training games, nan before one has finished."""
    scores = known_updates(run)[1]
    return float(scores[-1]) if len(scores) else float("nan")


def evaluation_score(run: Run) -> float:
    """Mean raw score of the finished agent on fresh games, nan without an evaluation."""
    return float(run.evaluation["score_mean"]) if run.evaluation else float("nan")


def evaluation_games(run: Run) -> np.ndarray:
    """(n,) raw scores of the evaluation's games, none where there's no evaluation."""
    return np.array((run.evaluation or {}).get("scores", []), dtype=float)


def last_games(run: Run) -> np.ndarray:
    """(up to 100,) raw scores of the last training games, whose mean is `training_score`."""
    before = column(run.episodes, "env_steps") <= run.env_steps
    return column(run.episodes, "episode_return")[before][-LAST_GAMES:]


def attention_entropy(run: Run) -> float:
    """Nats, summed over maps: the evaluation's, else of the last updates; nan without attention."""
    if run.config.attention.gate == "none":
        return float("nan")
    if is_evaluated(run) and run.evaluation:
        return float(run.evaluation["attention_entropy"])
    entropies = column(run.metrics, "attention_entropy")
    return mean_sd(entropies[~np.isnan(entropies)][-LAST_UPDATES:])[0]


def uniform_entropies(runs: Iterable[Run]) -> set[float]:
    """The entropy of uniform attention, nats, for each number of maps that these runs have."""
    return {run.config.attention.maps * math.log(CELLS) for run in runs}


def is_evaluated(run: Run) -> bool:
    """Whether the evaluation has a score and, where there is attention, its entropy."""
    if run.evaluation is None or run.config.attention.gate == "none":
        return run.evaluation is not None
    return run.evaluation.get("attention_entropy") is not None


def mean_sd(values: Iterable[float], ddof: int = 1) -> tuple[float, float, int]:
    """Mean and SD of the values that are not nan, and how many they are."""
    numbers = np.array([value for value in values if not np.isnan(value)])
    mean = float(numbers.mean()) if len(numbers) else float("nan")
    sd = float(numbers.std(ddof=ddof)) if len(numbers) > 1 else float("nan")
    return mean, sd, len(numbers)
