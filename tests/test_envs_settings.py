"""attn_ppo.atari.envs: what follows from the protocol, the time limit and the seed."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from atari_player import BASELINES, FIRE, MACHADO, make, play

from attn_ppo.atari import envs
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.step import Step

# --- protocols


def test_machado_ends_nothing_at_a_lost_life():
    told, untold = (
        play(make(num_envs=2, protocol=replace(MACHADO, life_loss_ends_episode=ends)), 300)
        for ends in (True, False)
    )
    lost_lives = 0
    for with_life, whole in zip(told[1], untold[1], strict=True):
        np.testing.assert_array_equal(with_life.obs, whole.obs)
        over = np.isin(np.arange(2), [e.env_index for e in whole.episodes])
        np.testing.assert_array_equal(whole.terminated, over)
        assert with_life.episodes == whole.episodes
        lost_lives += int((with_life.terminated & ~over).sum())
    games_over = sum(len(step.episodes) for step in untold[1])
    assert games_over > 0
    assert lost_lives >= 4 * games_over  # five lives, the last is the game's


def test_sticky_actions_change_the_game():
    (first, sticky), (same, exact) = (
        play(make(protocol=replace(MACHADO, sticky_actions=p)), 100) for p in (0.25, 0.0)
    )
    np.testing.assert_array_equal(first, same)
    assert any((a.obs != b.obs).any() for a, b in zip(sticky, exact, strict=True))


def test_fire_follows_a_lost_life_even_where_that_ends_nothing():
    """So a finished agent can be evaluated on whole games under the protocol it learned with."""
    whole_games = replace(BASELINES, life_loss_ends_episode=False)
    learner, evaluation = (play(make(protocol=p), 400)[1] for p in (BASELINES, whole_games))
    for a, b in zip(learner, evaluation, strict=True):
        np.testing.assert_array_equal(a.obs, b.obs)
        np.testing.assert_array_equal(b.terminated, [bool(b.episodes)])
    assert sum(s.terminated[0] for s in learner) > sum(s.terminated[0] for s in evaluation) > 0


def test_fire_is_not_repeated_after_a_game_over():
    env = make()
    env.reset()
    pressed_after = {"life": set(), "game": set()}
    ended = None
    for _ in range(1_000):
        step = env.step(np.array([2]))
        if ended:
            pressed_after[ended].add(int(step.executed[0]))
        ended = "game" if step.episodes else "life" if step.terminated[0] else None
    assert pressed_after == {"life": {FIRE}, "game": {2}}


# --- the time limit


@pytest.mark.parametrize("max_frames", [400, 397])  # rounded up to a whole step
def test_the_time_limit_truncates_and_shows_the_last_observation(max_frames):
    _, limited = play(make("Pong", 2, max_frames=max_frames), 201)
    _, unlimited = play(make("Pong", 2), 100)
    for t, step in enumerate(limited):
        at_limit = t in (99, 199)
        assert step.truncated.tolist() == [at_limit] * 2, t
        assert not step.terminated.any()
        assert (step.final_obs is not None) == at_limit
        assert [e[::2] for e in step.episodes] == ([(0, 100), (1, 100)] if at_limit else [])
    for ours, other in zip(limited[:99], unlimited[:99], strict=True):
        np.testing.assert_array_equal(ours.obs, other.obs)
    assert limited[99].final_obs is not None
    np.testing.assert_array_equal(limited[99].final_obs, unlimited[99].obs)
    assert not limited[99].obs[:, :3].any()  # the next game's first stack
    assert limited[99].obs[:, 3].any()


def test_a_life_lost_at_the_time_limit_is_both_endings_and_presses_no_fire():
    """Nothing but no-ops after the first FIRE: the ball is lost at a step that a long run tells."""
    protocol = replace(BASELINES, noop_max=1)

    def run(max_frames: int, num_steps: int) -> tuple[AtariEnvs, list[Step]]:
        env = make(protocol=protocol, max_frames=max_frames)
        env.reset()
        return env, [env.step(np.array([0])) for _ in range(num_steps)]

    _, long = run(108_000, 200)
    lost = next(t for t, step in enumerate(long) if step.terminated[0])
    env, steps = run(4 * (lost + 1), lost + 1)
    assert steps[-1].terminated.tolist() == steps[-1].truncated.tolist() == [True]
    assert [e.episode_length for e in steps[-1].episodes] == [lost + 1]
    np.testing.assert_array_equal(steps[-1].final_obs, long[lost].obs)
    assert env.step(np.array([0])).executed.tolist() == [0]


# --- seeds


def test_every_environment_of_every_run_has_its_own_seed(monkeypatch):
    monkeypatch.setattr(envs, "AtariVectorEnv", lambda *_, **__: None)
    seeds = [
        make(num_envs=16, seed=seed, stream=stream).seeds
        for seed, stream in itertools.product(range(20), range(2))
    ]
    flat = list(itertools.chain(*seeds))
    assert len(set(flat)) == len(flat) == 20 * 2 * 16
    assert all(type(s) is int and 0 <= s <= 2**31 - 1 - 4_096 for s in flat)
    int32_four: Any = np.int32(4)
    # An environment's seed doesn't depend on how many there are.
    assert make(num_envs=3, seed=4, stream=1).seeds == make(num_envs=16, seed=4, stream=1).seeds[:3]
    assert make(num_envs=3, seed=int32_four).seeds == make(num_envs=3, seed=4).seeds


def test_the_same_seed_gives_the_same_bits():
    def digest(**kwargs: Any) -> list[bytes]:
        env = make(protocol=replace(BASELINES, sticky_actions=0.25), **kwargs)
        first, steps = play(env, 60)
        return [first.tobytes()] + [s.obs.tobytes() + s.rewards.tobytes() for s in steps]

    base = digest(seed=0)
    assert digest(seed=0) == base
    assert digest(seed=1) != base
    assert digest(seed=0, stream=1) != base


def test_a_second_reset_starts_over_from_the_same_seeds():
    env = make(num_envs=2, protocol=replace(BASELINES, sticky_actions=0.25))
    (first, before), (second, after) = play(env, 300), play(env, 300)
    np.testing.assert_array_equal(first, second)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a.obs, b.obs)
        assert a.episodes == b.episodes
    assert any(step.episodes for step in before)


def test_observations_are_fresh_every_step():
    first, steps = play(make(), 5)
    kept = [first.copy(), *(s.obs.copy() for s in steps)]
    arrays = [first, *(s.obs for s in steps)]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))
    np.testing.assert_array_equal(arrays, kept)
