"""Scores on one scale for all games: 0 is random play, 1 a human tester (human_scores.csv)."""

import csv
from functools import cache
from pathlib import Path


@cache
def table() -> dict[str, tuple[float, float]]:
    """ALE's name of each of the 57 games -> the scores of random play and of a human."""
    with open(Path(__file__).with_suffix(".csv"), encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["game"]: (float(row["random"]), float(row["human"])) for row in rows}


def human_normalised(game: str, score: float) -> float:
    """(score - random) / (human - random). Raises KeyError for a game without a human score."""
    random, human = table()[game]
    return (score - random) / (human - random)
