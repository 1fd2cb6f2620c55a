"""What others scored at as many steps, and how a score is told beside it."""

import csv
import math

import pytest

from analysis.references import STUDY_STEPS, read_study
from attn_ppo.atari.games import known
from attn_ppo.learning import bands
from attn_ppo.learning.bands import Band, at, beside, of_human, published_told

OWN = """env,protocol,total_steps,seed,env_steps,score
Breakout,baselines,500000,0,100000,4
Breakout,baselines,500000,0,200000,8
Breakout,baselines,500000,1,100000,2
Breakout,baselines,500000,1,150000,3
Breakout,machado,500000,0,100000,7
Breakout,machado,500000,0,200000,7
MsPacman,baselines,500000,0,100000,900
MsPacman,baselines,500000,0,200000,900
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A table of two seeds of Breakout, and one each of another protocol and another game."""
    path = tmp_path / "own_runs.csv"
    path.write_text(OWN)
    monkeypatch.setattr(bands, "OWN_FILE", path)
    bands._own.cache_clear()
    yield
    bands._own.cache_clear()


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("words", "env_steps", "expected"),
    [
        # Halfway from 100k to 200k: 4 and 8; at its end the other seed has 3.
        (["lambda=0.005"], 150_000, [Band("own", 3, 6, 2)]),
        (["lambda=0.005"], 125_000, [Band("own", 2.5, 5, 2)]),
        (["lambda=0.005"], 175_000, [Band("own", 7, 7, 1)]),  # the other has ended
        (["lambda=0.005"], 100_000, [Band("own", 2, 4, 2)]),
        (["lambda=0.005"], 99_999, []),
        (["lambda=0.005"], 200_001, []),
        (["seed=2"], 150_000, [Band("own", 3, 6, 2)]),
        (["seed=1"], 150_000, [Band("own", 6, 6, 1)]),  # not beside itself
        (["seed=1", "total_steps=400_000"], 150_000, [Band("own", 3, 6, 2)]),
        (["protocol=machado", "seed=5"], 150_000, [Band("own", 7, 7, 1)]),
        (["protocol.sticky_actions=0.1"], 150_000, []),
        (["env=Pong"], 150_000, []),
        # published: 131, 398, 406, 415 and 430 after 10M steps, within a tenth of them
        ([], 9_000_000, [Band("published", 131, 430, 5)]),
        ([], 8_999_999, []),
        (["protocol=machado"], 10_000_000, []),
    ],
)
def test_bands_at_so_many_steps(words, env_steps, expected, settings_of):
    settings = settings_of("env=Breakout", "lambda=0", "total_steps=500_000", *words)
    assert bands.bands(settings, env_steps) == expected


@pytest.mark.usefixtures("own")
def test_runs_that_are_shown_together_are_not_beside_themselves(settings_of):
    words = ("env=Breakout", "total_steps=500_000")
    sharper = settings_of(*words, "lambda=0.005")

    def beside(*others: str) -> list[Band]:
        return bands.bands(sharper, 150_000, [settings_of(*words, *others)])

    assert beside("lambda=0", "seed=2") == [Band("own", 3, 6, 2)]
    assert beside("lambda=0", "seed=1") == [Band("own", 6, 6, 1)]
    for other in ("env=MsPacman", "total_steps=400_000", "protocol=machado", "ppo.gamma=0.9"):
        assert beside("lambda=0", "seed=1", other) == [Band("own", 3, 6, 2)]
    assert beside("lambda=0.005", "seed=1") == [Band("own", 3, 6, 2)]
    both = [settings_of(*words, "lambda=0", f"seed={seed}") for seed in (0, 1)]
    assert bands.bands(sharper, 150_000, both) == []
    assert (bands.are_own(both), bands.are_own([sharper])) == (2, 0)


@pytest.mark.usefixtures("own")
def test_what_is_derived_from_a_row(settings_of):
    settings = settings_of("env=Breakout", "lambda=0.005", "total_steps=500_000")
    row = {"env_steps": 150_000.0, "episode_return": 15.933595, "value_loss": 1.0}
    assert bands.derived(row, settings) == {
        "learning/human_normalised": pytest.approx(0.5),  # halfway from 1.36719 to 30.5
        "learning/own_low": 3,
        "learning/own_high": 6,
    }
    before = {"env_steps": 1024.0, "episode_return": math.nan}
    assert bands.derived(before, settings) == {}
    late = bands.derived({"env_steps": 1e7}, settings)
    assert late == {"learning/published_low": 131, "learning/published_high": 430}


@pytest.mark.usefixtures("own")
def test_a_score_beside_a_human_s_and_others(settings_of):
    settings = settings_of("env=Breakout", "lambda=0.005", "total_steps=500_000")
    # (12.13 - 1.36719) / (30.5 - 1.36719) = 10.76281 / 29.13281 = 0.3694
    told = beside(12.13, settings, 150_000)
    assert told == "37% of human; at 150k steps own 3.00 to 6.00 (n = 2)"
    assert beside(12.13, settings, 175_000).endswith("own 7.00 (n = 1)")
    assert beside(12.13, settings, 300_000) == "37% of human"
    assert of_human(1.0, settings) == "-1% of human"
    assert of_human(1.3, settings) == "0% of human"  # -0.23%
    assert beside(math.nan, settings, 300_000) == ""
    assert beside(5.0, settings_of("env=Tetris"), 300_000) == ""


@pytest.mark.parametrize(
    ("points", "env_steps", "expected"),
    [
        ([(10, 1.0)], 10, None),  # a point is no range
        ([(10, 1.0), (20, 3.0), (40, 7.0)], 20, 3.0),
        ([(10, 1.0), (20, 3.0), (40, 7.0)], 35, 6.0),
        ([], 10, None),
    ],
)
def test_scores_between_points(points, env_steps, expected):
    assert at(points, env_steps) == expected


def test_published_scores_are_told_with_their_sources():
    told = "131 (the study) to 430 (CleanRL XLA) after 10M steps"
    assert published_told("Breakout") == told
    assert published_told("Pong") == ""


def test_the_published_table_holds_the_study_s():
    with open(bands.PUBLISHED_FILE) as file:
        rows = list(csv.DictReader(line for line in file if line[0] != "#"))
    ours = {row["env"]: row for row in rows if row["source"] == "the study"}
    study = {game: (mean, sd) for game, lambda_, mean, sd in read_study() if lambda_ == 0}
    found = {game: (float(r["score_mean"]), float(r["spread"])) for game, r in ours.items()}
    assert found == study
    assert {int(row["env_steps"]) for row in rows} == {STUDY_STEPS}
    assert len({(row["env"], row["source"]) for row in rows}) == len(rows)


def test_our_own_table_has_games_and_steps_in_order():
    with open(bands.OWN_FILE) as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["env"] for row in rows} <= known().keys()
    runs: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        key = tuple(row[c] for c in ("env", "protocol", "total_steps", "seed"))
        runs.setdefault(key, []).append(int(row["env_steps"]))
        assert math.isfinite(float(row["score"]))
    for (_, _, total, _), steps in runs.items():
        assert steps == sorted(set(steps))
        assert steps[-1] <= int(total)
