"""What scores are held against: the study's Table 1, and random play.

The study: Nikulin, Kosch, Steuer, Cunningham 2019, 'Regularization and visualization of attention
in reinforcement learning agents', Table 1: mean and SD over 5 seeds of the score of the last 100
training games after 10M agent steps (40M frames). study_results.csv is that table;
random play is that of attn_ppo/atari/reference_scores.py.
"""

import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.runs import Run
from attn_ppo.atari.reference_scores import PROTOCOLS, published, random_play
from attn_ppo.learning.study import has_the_study_s_settings

STUDY_FILE = Path(__file__).with_name("study_results.csv")
STUDY_STEPS, STUDY_SEEDS = 10_000_000, 5


class Score(NamedTuple):
    """Mean and SD (n - 1) of raw scores, and of how many: seeds in the study, games at random."""

    mean: float
    sd: float
    n: int


def read_study() -> list[tuple[str, float, float, float]]:
    """Table 1: game, lambda, mean and SD of the final score. Its SDs are those of numpy, over n."""
    return list(pd.read_csv(STUDY_FILE).itertuples(index=False, name=None))


def study_score(game: str, lambda_: float) -> Score | None:
    """The study's score with the SD that ours have, 1.118 times the published one."""
    for study_game, study_lambda, mean, sd in read_study():
        if (study_game, study_lambda) == (game, lambda_):
            return Score(mean, sd * math.sqrt(STUDY_SEEDS / (STUDY_SEEDS - 1)), STUDY_SEEDS)
    return None


def is_like_the_study(run: Run) -> bool:
    """Whether the run has the study's settings and, within a hundredth, its steps.

    Settings that this code didn't always have count too: the study was run without them.
    """
    like = has_the_study_s_settings(run.config) and run.config.protocol == PROTOCOLS["baselines"]
    steps = (run.env_steps, run.config.total_steps)
    return like and all(abs(each - STUDY_STEPS) <= STUDY_STEPS / 100 for each in steps)


def random_score(run: Run) -> Score | None:
    """Random play of the run's game under its protocol, None where it hasn't been measured."""
    played = random_play(run.config.env, run.config.protocol)
    return Score(*played) if played else None


def human_score(run: Run) -> float | None:
    """A human tester's score of the run's game, None where it isn't known."""
    ends = published().get(run.config.env)
    return ends[1] if ends else None
