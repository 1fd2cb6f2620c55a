"""What others scored at as many agent steps: `bands`, to hold a run's score against.

own_runs.csv has our own runs at lambda 0 with the study's settings, the protocol aside, a row a
seed and step, as `python -m analysis.own_runs` made it; published.csv what others wrote after 10M
steps. A band is the range of their scores, no interval: it has too few members for one.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from attn_ppo.atari.reference_scores import normalized, protocol_name
from attn_ppo.config import RunConfig
from attn_ppo.formats import fixed, short_number
from attn_ppo.learning.study import has_the_study_s_settings

OWN_FILE = Path(__file__).with_name("own_runs.csv")
PUBLISHED_FILE = Path(__file__).with_name("published.csv")
NEAR = 0.1  # share by which steps may differ from those of a published score

HUMAN, LOW, HIGH = "learning/human_normalised", "learning/{}_low", "learning/{}_high"

Points = list[tuple[int, float]]
Key = tuple[str, str, int, int]  # game, protocol, total steps and seed


class Band(NamedTuple):
    """The lowest and the highest score, and of how many runs, or tables if they are published."""

    whose: str  # own, published
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """`own 9.7 to 12.1 (n = 2)`, `own 12.1 (n = 1)`."""
        low, high = score(self.low), score(self.high)
        return f"{self.whose} {low}{f' to {high}' * (self.n > 1)} (n = {self.n})"


def bands(settings: RunConfig, env_steps: float, at_hand: Iterable[RunConfig] = ()) -> list[Band]:
    """What is known of the run's game under its protocol at so many agent steps.

    Neither the run itself nor those `at_hand`, which are shown beside it, are among them: the same
    seed with the same settings and steps is taken for the same run.
    """
    protocol = protocol_name(settings.protocol)
    left_out = {_key(run) for run in (settings, *at_hand) if run.env == settings.env}
    own = [
        found
        for key, points in _own().items()
        if key[:2] == (settings.env, protocol)
        and key not in left_out
        and (found := at(points, env_steps)) is not None
    ]
    theirs = [
        mean
        for steps, mean in _published().get(settings.env, [])
        if protocol == "baselines" and abs(env_steps - steps) <= NEAR * steps
    ]
    both = (("own", own), ("published", theirs))
    return [Band(whose, min(s), max(s), len(s)) for whose, s in both if s]


def are_own(runs: Iterable[RunConfig]) -> int:
    """Of how many runs there are scores among our own, which `bands` leaves out beside them."""
    return len({_key(run) for run in runs} & _own().keys())


def others(runs: Sequence[tuple[RunConfig, float]]) -> Iterator[str]:
    """Lines on what runs with so many steps are held against, of each game and protocol."""
    furthest: dict[tuple[str, Any], tuple[RunConfig, float]] = {}
    for settings, steps in runs:
        key = settings.env, settings.protocol
        if steps > furthest.get(key, (settings, 0))[1]:
            furthest[key] = settings, steps
    for (game, _), (settings, steps) in furthest.items():
        for band in bands(settings, steps, [settings for settings, _ in runs]):
            if band.whose == "own":
                yield f"{game} at {short_number(steps)} steps, lambda 0: {band}"
        if published := published_told(game):
            yield f"{game}, published: {published}"


def beside(found: float, settings: RunConfig, env_steps: float) -> str:
    """A score's place in words: `37% of human; at 500k steps own 9.7 to 12.1 (n = 2)`."""
    known = ", ".join(map(str, bands(settings, env_steps)))
    at_steps = f"at {short_number(env_steps)} steps {known}" if known else ""
    return "; ".join(filter(None, [of_human(found, settings), at_steps]))


def derived(row: Mapping[str, float], settings: RunConfig) -> dict[str, float]:
    """What follows from a row of metrics.csv, by W&B's name; without what isn't known."""
    steps = row.get("env_steps", math.nan)
    human = normalized(row.get("episode_return", math.nan), settings.env, settings.protocol)
    found = {} if math.isnan(human) else {HUMAN: human}
    for band in bands(settings, steps):
        found |= {LOW.format(band.whose): band.low, HIGH.format(band.whose): band.high}
    return found


def of_human(found: float, settings: RunConfig) -> str:
    """`37% of human`: how far it is from random play to a human; empty where that isn't known."""
    share = normalized(found, settings.env, settings.protocol)
    return "" if math.isnan(share) else human(share)


def human(share: float) -> str:
    """A human-normalised score in words: 0.369 -> `37% of human`."""
    percent = fixed(100 * share, 0)
    return f"{'0' if percent == '-0' else percent}% of human"


def published_told(game: str) -> str:
    """`131 (the study) to 430 (CleanRL XLA) after 10M steps`; empty for a game without any."""
    rows = sorted((float(r["score_mean"]), r["source"]) for r in _rows(PUBLISHED_FILE, game))
    if not rows:
        return ""
    (low, lowest), (high, highest) = rows[0], rows[-1]
    steps = short_number(max(steps for steps, _ in _published()[game]))
    return f"{score(low)} ({lowest}) to {score(high)} ({highest}) after {steps} steps"


def at(points: Sequence[tuple[int, float]], env_steps: float) -> float | None:
    """The score at so many steps, linear between points by steps; None outside of them."""
    for (before, low), (after, high) in pairwise(points):
        if before <= env_steps <= after:
            return low + (high - low) * (env_steps - before) / (after - before)
    return None


def score(number: float) -> str:
    """A score in three digits or more: 1.37, 12.1, 785."""
    return fixed(number, 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2)


def _key(run: RunConfig) -> Key | None:
    """Where the table would have it; None for a run that it has no place for."""
    protocol = protocol_name(run.protocol)
    if run.lambda_ != 0 or protocol is None or not has_the_study_s_settings(run):
        return None
    return run.env, protocol, run.total_steps, run.seed


@cache
def _own() -> dict[Key, Points]:
    """The points of each run, by steps."""
    found: dict[Key, Points] = {}
    for row in sorted(_rows(OWN_FILE), key=lambda row: int(row["env_steps"])):
        key = row["env"], row["protocol"], int(row["total_steps"]), int(row["seed"])
        found.setdefault(key, []).append((int(row["env_steps"]), float(row["score"])))
    return found


@cache
def _published() -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for row in _rows(PUBLISHED_FILE):
        found.setdefault(row["env"], []).append((int(row["env_steps"]), float(row["score_mean"])))
    return found


def _rows(path: Path, game: str | None = None) -> Iterator[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if game in (None, row["env"]):
                yield row
