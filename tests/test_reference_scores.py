"""Scores on the scale between random play and a human."""

import dataclasses
import math

import pytest

from attn_ppo.atari import games, reference_scores
from attn_ppo.atari.reference_scores import (
    PROTOCOLS,
    by_published,
    normalized,
    published,
    random_play,
    scale,
)

BASELINES, MACHADO = PROTOCOLS["baselines"], PROTOCOLS["machado"]
OTHER = dataclasses.replace(BASELINES, sticky_actions=0.1)


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
def test_score_between_published_random_play_and_a_human(game, score, expected):
    assert by_published(score, game) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("game", "protocol", "score", "expected"),
    [
        ("Breakout", BASELINES, 1.36719, 0.0),
        ("Breakout", BASELINES, 30.5, 1.0),
        ("Breakout", BASELINES, 15.933595, 0.5),  # halfway: (1.36719 + 30.5) / 2
        ("Breakout", MACHADO, 1.21875, 0.0),  # of the same game another random play
        ("Breakout", OTHER, 1.7, 0.0),  # not measured under this one: the published
        ("Breakout", OTHER, 16.1, 0.5),
        ("MsPacman", MACHADO, 6951.6, 1.0),
        ("MsPacman", BASELINES, -2000, -2244.297 / 6707.303),  # 6951.6 - 244.297 below
        ("Enduro", BASELINES, 86.05, 0.1),  # of 860.5; random play never scores
        ("Tetris", BASELINES, 100.0, math.nan),  # nobody's score is known
    ],
)
def test_score_between_our_own_random_play_and_a_human(game, protocol, score, expected):
    assert normalized(score, game, protocol) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_a_score_that_is_nan_stays_so():
    assert math.isnan(normalized(math.nan, "Breakout", BASELINES))


def test_a_human_who_is_no_better_than_random_play_is_no_scale(monkeypatch):
    monkeypatch.setattr(reference_scores, "published", lambda: {"Breakout": (1.0, 1.36719)})
    assert math.isnan(normalized(5.0, "Breakout", BASELINES))
    assert normalized(1.36719, "Breakout", MACHADO) == pytest.approx(1)


@pytest.mark.parametrize(
    ("game", "protocol", "source"),
    [
        (
            "Breakout",
            MACHADO,
            "random: ours, 128 games, protocol=machado; human: Wang et al. 2016",
        ),
        ("Breakout", OTHER, "random and human: Wang et al. 2016"),
    ],
)
def test_the_source_of_a_scale_is_named(game, protocol, source):
    ends = scale(game, protocol)
    assert ends is not None
    assert ends.source == source


def test_a_game_that_nobody_played_has_no_scale():
    assert scale("Tetris", BASELINES) is None
    assert random_play("Tetris", BASELINES) is None


def test_all_57_games_can_be_played():
    assert len(published()) == 57
    assert published().keys() <= games.known().keys()
    assert all(random < human for random, human in published().values())


def test_a_game_without_a_human_score():
    assert "Tetris" in games.known()
    with pytest.raises(KeyError):
        by_published(1.0, "Tetris")
