"""Scores on one scale for all games: 0 is random play, 1 a human tester.

Random play is our own under the run's protocol where it was measured, by `python -m
analysis.random_play`: random_play.csv, beside this file. Elsewhere it is the published one of
human_scores.csv, where the human's always is from.
"""

import csv
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from attn_ppo.config import ProtocolSettings

RANDOM_FILE = Path(__file__).with_name("random_play.csv")
HUMAN_FILE = Path(__file__).with_name("human_scores.csv")
PUBLISHED = "Wang et al. 2016"
PROTOCOLS = {  # as in conf/protocol/
    "baselines": ProtocolSettings(0.0, 30, True, True),
    "machado": ProtocolSettings(0.25, 0, False, False),
}


class RandomPlay(NamedTuple):
    """Raw scores of whole games with uniform actions; `sd` over games, n - 1."""

    mean: float
    sd: float
    games: int


class Scale(NamedTuple):
    """The scores that are 0 and 1; `human` is nan for a game without a human score."""

    random: float
    human: float
    source: str
    """Where both are from, in words."""


@cache
def published() -> dict[str, tuple[float, float]]:
    """ALE's name of each of the 57 games -> the scores of random play and of a human."""
    return {row["game"]: (float(row["random"]), float(row["human"])) for row in _rows(HUMAN_FILE)}


@cache
def _measured() -> dict[tuple[str, str], RandomPlay]:
    return {
        (row["env"], row["protocol"]): RandomPlay(
            float(row["score_mean"]), float(row["score_sd"]), int(row["games"])
        )
        for row in _rows(RANDOM_FILE)
    }


def protocol_name(protocol: ProtocolSettings) -> str | None:
    """The name of these settings in conf/protocol/, None for others."""
    return next((name for name, known in PROTOCOLS.items() if known == protocol), None)


def random_play(game: str, protocol: ProtocolSettings) -> RandomPlay | None:
    """Our own random play of a game under a protocol, None where it hasn't been measured."""
    return _measured().get((game, protocol_name(protocol) or ""))


def scale(game: str, protocol: ProtocolSettings) -> Scale | None:
    """What a game's scores are normalised by; None where its random play isn't known."""
    ours, theirs = random_play(game, protocol), published().get(game)
    human = theirs[1] if theirs else math.nan
    by_human = f"human: {PUBLISHED}" if theirs else "no human score is known"
    if ours:
        measured = f"random: ours, {ours.games} games, protocol={protocol_name(protocol)}"
        return Scale(ours.mean, human, f"{measured}; {by_human}")
    if theirs:
        return Scale(theirs[0], human, f"random and human: {PUBLISHED}")
    return None


def normalized(score: float, game: str, protocol: ProtocolSettings) -> float:
    """(score - random) / (human - random); nan where either isn't known.

    Nan, too, where random play is no worse than the human: then it's no scale.
    """
    ends = scale(game, protocol)
    if ends is None or not ends.random < ends.human:
        return math.nan
    return (score - ends.random) / (ends.human - ends.random)


def by_published(score: float, game: str) -> float:
    """The same by the published random play alone: DeepMind's scale, and a search's objective.

    Raises KeyError for a game without a human score.
    """
    random, human = published()[game]
    return (score - random) / (human - random)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))
