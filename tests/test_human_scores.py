"""Scores on the scale between random play and a human."""

import pytest

from attn_ppo.atari import games
from attn_ppo.atari.human_scores import human_normalised, table


@pytest.mark.parametrize(
    ("game", "score", "expected"),
    [
        ("Breakout", 1.7, 0.0),
        ("Breakout", 30.5, 1.0),
        ("Breakout", 16.1, 0.5),  # (16.1 - 1.7) / (30.5 - 1.7) = 14.4 / 28.8
        ("Pong", 21.0, 41.7 / 35.3),  # (21 + 20.7) / (14.6 + 20.7)
        ("Skiing", -29859.3, -1.0),  # as far below random as the human, 12761.2, is above it
    ],
)
def test_score_between_random_play_and_a_human(game, score, expected):
    assert human_normalised(game, score) == pytest.approx(expected, abs=1e-12)


def test_all_57_games_can_be_played():
    assert len(table()) == 57
    assert table().keys() <= games.known().keys()
    assert all(random < human for random, human in table().values())


def test_a_game_without_a_human_score():
    assert "Tetris" in games.known()
    with pytest.raises(KeyError):
        human_normalised("Tetris", 1.0)
