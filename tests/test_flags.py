"""Flags of runs that don't learn: when each is raised, and what it says."""

import math

import pytest

from attn_ppo.learning import flags as module
from attn_ppo.learning.flags import ATTENTION, POLICY, RANDOM, Follower, flags

GOOD = {
    "env_steps": 250_000,
    "episode_return": 8.0,
    "policy_entropy": 0.7,
    "attention_entropy": 1.2,  # of 2 ln 49 = 7.78
    "map_movement": 0.7,
}


def rows(*changes: dict[str, float], count: int = 10) -> list[dict[str, float]]:
    """`count` good rows of a run, all with these changes."""
    row = dict(GOOD)
    for change in changes:
        row |= change
    return [dict(row) for _ in range(count)]


def kinds(found: list[dict[str, float]], settings) -> list[str]:
    return [flag.kind for flag in flags(found, settings)]


@pytest.fixture
def settings(settings_of):
    return settings_of("env=Breakout", "lambda=0", "total_steps=500_000")


def test_a_run_that_learns_has_none(settings):
    assert flags(rows(), settings) == []


@pytest.mark.parametrize(
    ("env_steps", "score", "expected"),
    [
        # 1.36719 + 2 * 1.53115 * sqrt(1/100 + 1/128) = 1.36719 + 3.0623 * 0.133463 = 1.77589
        (250_000, 1.7758, [RANDOM]),
        (250_000, 1.7760, []),
        (250_000, 0.0, [RANDOM]),
        # a fifth of its steps, of the 499,712 that it makes: 99,942.4
        (99_943, 1.0, [RANDOM]),
        (99_942, 1.0, []),
        (250_000, math.nan, []),
    ],
)
def test_no_better_than_random_play(env_steps, score, expected, settings):
    found = rows({"env_steps": env_steps, "episode_return": score})
    assert kinds(found, settings) == expected


def test_a_short_run_has_50_000_steps_to_show_a_score(settings_of):
    short = settings_of("env=Breakout", "total_steps=100_000")
    assert kinds(rows({"env_steps": 50_000, "episode_return": 1.0}), short) == [RANDOM]
    assert kinds(rows({"env_steps": 49_999, "episode_return": 1.0}), short) == []


def test_a_game_whose_random_play_was_published_or_is_unknown(settings_of):
    pong = settings_of("env=Pong", "total_steps=500_000", "protocol.sticky_actions=0.1")
    assert kinds(rows({"episode_return": -20.7}), pong) == [RANDOM]
    assert kinds(rows({"episode_return": -20.6}), pong) == []
    tetris = settings_of("env=Tetris", "total_steps=500_000")
    assert kinds(rows({"episode_return": 0.0}), tetris) == []


@pytest.mark.parametrize(("entropy", "expected"), [(0.0099, [POLICY]), (0.0101, [])])
def test_a_policy_without_a_choice_is_told_from_the_first_updates_on(entropy, expected, settings):
    assert kinds(rows({"policy_entropy": entropy, "env_steps": 10_240}), settings) == expected


@pytest.mark.parametrize(
    ("movement", "entropy", "env_steps", "expected"),
    [
        (0.029, 0.04, 250_000, [ATTENTION]),
        (0.031, 0.04, 250_000, []),
        (0.029, 0.04, 10_240, [ATTENTION]),  # collapsed: at any time
        (0.029, 3.89, 10_240, [ATTENTION]),  # half of 2 ln 49 = 7.784 is 3.892
        (0.029, 3.90, 10_240, []),  # as it begins
        (0.008, 7.78, 99_942, []),
        (0.008, 7.78, 99_943, [ATTENTION]),
        (math.nan, math.nan, 250_000, []),  # without attention
    ],
)
def test_attention_that_stands_still(movement, entropy, env_steps, expected, settings):
    change = {"map_movement": movement, "attention_entropy": entropy, "env_steps": env_steps}
    assert kinds(rows(change), settings) == expected


def test_maps_that_are_meant_to_choose_nothing_are_no_fault(settings_of):
    control = settings_of("env=Breakout", "attention.gate=uniform", "total_steps=500_000")
    assert kinds(rows({"map_movement": 0.0, "attention_entropy": 7.78}), control) == []


@pytest.mark.parametrize("kind", module.SEEN)
def test_each_has_to_hold_in_ten_updates_in_a_row(kind, settings):
    bad = {
        RANDOM: {"episode_return": 0.0},
        POLICY: {"policy_entropy": 0.0},
        ATTENTION: {"map_movement": 0.0},
    }[kind]
    assert kinds(rows(bad, count=9), settings) == []
    assert kinds([*rows(count=50), *rows(bad, count=10)], settings) == [kind]
    assert kinds([*rows(bad, count=10), *rows(count=1)], settings) == []
    assert kinds([*rows(bad, count=5), *rows(count=1), *rows(bad, count=9)], settings) == []


def test_rows_of_old_runs_lack_a_column_and_have_the_other_flags(settings):
    old = [
        {key: value for key, value in row.items() if key != "map_movement"}
        for row in rows({"attention_entropy": 0.0, "episode_return": 0.0, "policy_entropy": 0.0})
    ]
    assert kinds(old, settings) == [RANDOM, POLICY]
    assert flags([{"update": float(number)} for number in range(20)], settings) == []


@pytest.mark.parametrize(
    ("words", "change", "told"),
    [
        (
            [],
            {"episode_return": 1.3},
            "no better than random play: score 1.30 after 250k steps, random play 1.37; compare it "
            "with another seed; its settings are the usual ones, or near them",
        ),
        (
            ["ppo.learning_rate=0.02"],
            {"episode_return": 1.3},
            "no better than random play: score 1.30 after 250k steps, random play 1.37; "
            "ppo.learning_rate=0.02 is large: 0.00025 is usual",
        ),
        (
            ["lambda=0.005"],
            {"episode_return": 1.3},
            "no better than random play: score 1.30 after 250k steps, random play 1.37; "
            "lambda=0.005 narrows attention before it has learned: a smaller one, or "
            "lambda_schedule=linear with a lambda_start",
        ),
        (
            ["lambda=0.005"],
            {"episode_return": 1.3, "attention_entropy": 7.0},  # it isn't narrow yet
            "no better than random play: score 1.30 after 250k steps, random play 1.37; compare it "
            "with another seed; its settings are the usual ones, or near them",
        ),
        (
            ["env=Enduro"],
            {"episode_return": 0.0},
            "no better than random play: score 0.00 after 250k steps, random play 0.00; random "
            "play never scores here, so rewards are rare: it needs more steps",
        ),
        (
            ["ppo.ent_coef=0"],
            {"policy_entropy": 0.0012},
            "policy fixed: policy entropy 0.0012 nats, it tries nothing any more; ppo.ent_coef=0 "
            "rewards no trying: 0.01 is usual",
        ),
        (
            [],
            {"policy_entropy": 0.0},
            "policy fixed: policy entropy 0 nats, it tries nothing any more; a step was too large: "
            "try ppo=annealed_clip, or a smaller ppo.learning_rate",
        ),
        (
            ["ppo.learning_rate=0.001"],
            {"policy_entropy": 0.0},
            "policy fixed: policy entropy 0 nats, it tries nothing any more; "
            "ppo.learning_rate=0.001 is large: 0.00025 is usual",
        ),
        (
            ["lambda=0.005", "lambda_schedule=linear", "lambda_warmup=1000"],
            {"map_movement": 0.0156},
            "attention still: it came down to cells that are always the same (movement 0.016); "
            "lambda=0.005 narrows attention before it has learned: a smaller one, or a later "
            "lambda_start",
        ),
        (
            ["lambda=0.0005"],
            {"map_movement": 0.0156},
            "attention still: it came down to cells that are always the same (movement 0.016); "
            "compare it with another seed, and with lambda=0",
        ),
        (
            ["lambda=0.005"],
            {"map_movement": 0.0085, "attention_entropy": 7.7},
            "attention still: it is spread widely and alike in all states (movement 0.009): it "
            "hasn't learned where to look",
        ),
    ],
)
def test_what_a_flag_says(words, change, told, settings_of):
    settings = settings_of("env=Breakout", "lambda=0", "total_steps=500_000", *words)
    assert [str(flag) for flag in flags(rows(change), settings)] == [told]


def test_a_follower_tells_each_flag_once_and_knows_those_that_hold(settings):
    told: list[str] = []
    follower = Follower(settings, told.append)
    for row in rows({"policy_entropy": 0.0}, count=9):
        follower.write(row)
    assert told == []
    for row in rows({"policy_entropy": 0.0}, count=20):
        follower.write(row)
    assert len(told) == 1
    assert told[0].startswith("Breakout lambda=0 seed=0: policy fixed: policy entropy 0 nats")
    assert [flag.kind for flag in follower.flags] == [POLICY]
    for row in [*rows(count=1), *rows({"policy_entropy": 0.0}, count=15)]:
        follower.write(row)
    assert len(told) == 1  # it held before
    for row in rows({"episode_return": 0.0}, count=10):
        follower.write(row)
    assert len(told) == 2
    assert told[1].startswith("Breakout lambda=0 seed=0: no better than random play: score 0.00")
    assert [flag.kind for flag in follower.flags] == [RANDOM]
