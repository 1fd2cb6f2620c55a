"""Random play: what is counted, the table it goes into, the one that is published."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import random_play
from analysis.groups import STUDY_GAMES
from attn_ppo.atari.reference_scores import RANDOM_FILE
from attn_ppo.atari.step import Episode

# Step by step, the games that end: the first environment's second game comes before the other's.
ENDINGS = [[], [Episode(0, 5, 2)], [Episode(0, 100, 1)], [Episode(1, 7, 4)]]


class Emulator:
    """Games that end as in ENDINGS, in place of real ones; remembers the actions."""

    num_actions = 4

    def __init__(self, game, *, num_envs, seed, protocol, stream):
        self.given, self.played = (game, num_envs, seed, protocol, stream), []

    def reset(self):
        self.endings = iter(ENDINGS)

    def step(self, actions):
        self.played.append(actions)
        return SimpleNamespace(episodes=next(self.endings))

    def close(self):
        pass


@pytest.fixture
def emulators(monkeypatch) -> list[Emulator]:
    """The emulators that are made."""
    made: list[Emulator] = []

    def make(*given, **options):
        made.append(Emulator(*given, **options))
        return made[-1]

    monkeypatch.setattr(random_play, "AtariEnvs", make)
    return made


def test_each_environment_s_first_game_counts(emulators):
    row = random_play.measure("Breakout", "machado", episodes=2, seed=3)
    # 5 and 7: mean 6, SD 2 / sqrt 2 = 1.41421, SE 1.41421 / sqrt 2 = 1
    assert row | {"score_sd": 0} == {
        "env": "Breakout",
        "protocol": "machado",
        "games": 2,
        "seed": 3,
        "score_mean": 6,
        "score_sd": 0,
        "score_se": pytest.approx(1),
    }
    assert row["score_sd"] == pytest.approx(1.41421, abs=1e-5)
    game, number, seed, protocol, stream = emulators[0].given
    assert (game, number, seed, protocol.sticky_actions) == ("Breakout", 2, 3, 0.25)
    assert stream == 2**32 - 2  # neither training's nor evaluation's, which count up from 0


def test_actions_are_uniform_and_the_seed_s(emulators, monkeypatch):
    monkeypatch.setitem(globals(), "ENDINGS", [[]] * 999 + [[Episode(0, 1, 1), Episode(1, 1, 1)]])
    for seed in (0, 0, 1):
        random_play.measure("Breakout", "baselines", episodes=2, seed=seed)
    first, again, other = (np.array(each.played) for each in emulators)
    counts = np.bincount(first.ravel(), minlength=4)  # of 2,000 in 4: 500, SD sqrt(375) = 19.4
    assert (abs(counts - 500) < 5 * 19.4).all()
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.usefixtures("emulators")
def test_rows_go_into_a_table_in_place_of_older_ones(tmp_path, capsys):
    out = tmp_path / "table.csv"
    out.write_text(
        "env,protocol,games,seed,score_mean,score_sd,score_se\n"
        "Breakout,baselines,9,9,9,9,9\nBreakout,machado,8,8,8,8,8\n"
    )
    options = ["--episodes", "2", "--protocol", "baselines", "--out", str(out)]
    assert random_play.main(["Pong", "Breakout", *options]) == 0
    assert out.read_text().splitlines()[1:] == [
        "Breakout,baselines,2,0,6,1.41421,1",
        "Breakout,machado,8,8,8,8,8",
        "Pong,baselines,2,0,6,1.41421,1",
    ]
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["Breakot"], "nearest: Breakout"),
        (["--episodes", "1"], "--episodes=1"),
        (["--protocol", "baseline"], "nearest: baselines"),
        (["--seed", "-1"], "--seed=-1"),
        (["--out", "README.md"], "--out="),
    ],
)
def test_bad_input_is_told_and_nothing_is_played(emulators, capsys, asked, told):
    assert random_play.main(asked) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) <= 3
    assert not emulators


def test_the_published_table_is_whole():
    table = pd.read_csv(RANDOM_FILE).to_dict("records")
    found = {(row["env"], row["protocol"]) for row in table}
    assert found == {(game, name) for game in STUDY_GAMES for name in ("baselines", "machado")}
    assert min(row["games"] for row in table) >= 100
    for row in table:
        assert row["score_se"] == pytest.approx(row["score_sd"] / math.sqrt(row["games"]), rel=1e-4)
