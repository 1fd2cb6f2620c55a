"""Sweeps that nobody trained: reproducible, and consistent as a run's own files are."""

from typing import Any

import numpy as np
import pytest
from synthetic import kept, write_sweep

from analysis.files import column
from analysis.groups import last_games, training_score
from analysis.runs import read_runs


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    small: Any = {"games": 1, "lambdas": 2, "seeds": 2, "updates": 40}
    folders = [write_sweep(tmp_path / str(seed) / "x", **small, seed=seed // 2) for seed in (0, 1)]
    other = write_sweep(tmp_path / "2/x", **small, seed=1)
    for first, again, third in zip(*folders, other, strict=True):
        texts = [(folder / "metrics.csv").read_bytes() for folder in (first, again, third)]
        assert texts[0] == texts[1] != texts[2]


def test_a_score_is_the_mean_of_the_last_hundred_games(tmp_path):
    write_sweep(tmp_path / "x", games=2, lambdas=1, seeds=1, updates=1_000, failed=1)
    for run in read_runs(tmp_path)[0]:
        assert len(last_games(run)) == 100
        assert training_score(run) == pytest.approx(last_games(run).mean(), abs=1e-9)
        assert (np.diff(column(run.metrics, "env_steps")) == 1_024).all()


def test_what_is_kept_of_a_score():
    # Breakout's half is lost at 0.004: 1 / (1 + 1), at half of that 1 / (1 + 1/4)
    assert [kept("Breakout", lambda_) for lambda_ in (0, 0.004, 0.002)] == [1, 0.5, 0.8]
