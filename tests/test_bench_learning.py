"""The comparison of what two trainers learn: curves of games, and the peer's table."""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import learning
from bench.contenders import NUM_ENVS, NUM_STEPS


def games(*rows: tuple[int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["env_steps", "episode_return"])


def test_a_curve_is_the_mean_of_the_last_100_games_finished_by_then():
    table = games((10, 4.0), (20, 8.0), *((30 + n, 1.0) for n in range(99)))
    at = np.array([5, 10, 20, 128])
    # by 128 there are 101 games, and the first is out: (8 + 99 x 1) / 100
    np.testing.assert_allclose(learning.curve(table, at), [np.nan, 4, 6, 1.07])


def test_the_end_of_both_is_told_with_interval_and_test():
    ends = {learning.OURS: (2.0, 4.0, 3.0), learning.PEER: (3.0, 4.0, 5.0)}
    tables = {
        who: [games((50_001, 1.0), (100_000, 2 * score - 1)) for score in each]
        for who, each in ends.items()
    }
    options = argparse.Namespace(game="Breakout", steps=100_000)
    text = "\n".join(learning.told(tables, options))
    # SD 1 in both: 1 / sqrt(3) x t(2) = 0.57735 x 4.30265 = 2.484 about 4
    assert f"| {learning.PEER} | last 100 games | 3 | 4 [1.516, 6.484] | 3, 4, 5 |" in text
    # 1 +- sqrt(2/3) x t(4) = 0.81650 x 2.77645 = 2.267; t = 1.2247 of 4: p = 0.288
    assert (
        "Stable-Baselines3, less ours without, last 100 games: 1 [-1.27, 3.27], p = 0.29 (Welch)."
        in text
    )
    # of the points from 51,000 to 100,000, 49 have one game, of 1 point; at the last there are two
    assert (
        "| Stable-Baselines3 | mean over the run | 3 | 1.06 [1.01, 1.11] | 1.04, 1.06, 1.08 |"
        in text
    )


def test_what_the_maps_add_is_told_beside_attention_s_controls():
    ends = {learning.OURS: 1.0, "attn_ppo, attention": 7.0, "attn_ppo, uniform maps": 4.0}
    tables = {who: [games((100_000, end + n)) for n in (0, 1, 2)] for who, end in ends.items()}
    options = argparse.Namespace(game="Breakout", steps=100_000)
    text = "\n".join(learning.told(tables, options))
    # 7 - 4, 4 - 1 and 7 - 1, each +- sqrt(2/3) x t(4) = 2.267
    attention, uniform = "attn_ppo, attention", "attn_ppo, uniform maps"
    assert f"{attention}, less with uniform maps, last 100 games: 3 [0.733, 5.27]" in text
    assert f"{uniform}, less ours without, last 100 games: 3 [0.733, 5.27]" in text
    assert f"{attention}, less ours without, last 100 games: 6 [3.73, 8.27]" in text


@pytest.mark.parametrize(
    "arguments",
    [["--steps", "x"], ["--seeds", "-1"], ["--game", "Brekout"], ["--contenders", "softmx"]],
)
def test_wrong_arguments_are_told(arguments):
    command = [sys.executable, "-m", "bench.learning", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) <= 3
    assert arguments[1] in done.stderr


@pytest.mark.slow
def test_the_peer_s_games_become_a_table(tmp_path):
    path = tmp_path / "games.csv"
    steps = NUM_ENVS * NUM_STEPS
    command = [sys.executable, "-m", "bench.learning_sb3", "Breakout", "0", str(2 * steps), path]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(int(row["env_steps"]) <= 2 * steps for row in rows)
    # of whole games: random play makes some 1.4, a life alone would make a fifth of it
    assert all(float(row["episode_return"]) == int(float(row["episode_return"])) for row in rows)
    assert not list(tmp_path.glob("*.part"))


PEER = Path(__file__).parent.parent / "results/peer"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "contenders", "seeds"),
    [(PEER, [*learning.CONTENDERS], "012"), (PEER / "fresh", ["softmax", "uniform"], "345")],
)
def test_the_comparison_that_is_kept_is_redrawn_byte_for_byte(folder, contenders, seeds, tmp_path):
    for path in folder.glob("*.csv"):
        shutil.copy(path, tmp_path)
    asked = ["--contenders", *contenders, "--seeds", *seeds, "--out", str(tmp_path)]
    assert learning.main(["--steps", "200000", *asked]) == 0
    for name in ("Breakout.md", "Breakout.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
