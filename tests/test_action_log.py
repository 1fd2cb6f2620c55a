"""Emulators that can't be saved: the same games again from seeds and actions."""

from functools import partial

import numpy as np
import pytest

from attn_ppo.atari.action_log import ActionLog
from attn_ppo.atari.envs import AtariEnvs, NotRestored
from attn_ppo.config import ProtocolSettings

BASELINES = ProtocolSettings(
    sticky_actions=0, noop_max=30, life_loss_ends_episode=True, press_fire=True
)
MACHADO = ProtocolSettings(
    sticky_actions=0.25, noop_max=0, life_loss_ends_episode=False, press_fire=False
)

slow = partial(pytest.param, marks=pytest.mark.slow)


def test_what_a_log_keeps():
    log = ActionLog(2, anchor_steps=2)
    log.add(np.array([1, 2]))
    assert log.due().tolist() == [False, False]
    log.add(np.array([3, 4]))
    assert log.due().tolist() == [True, True]
    log.anchor(np.array([True, False]))  # environment 1 still needs both rows
    log.add(np.array([5, 6]))
    state = log.state()
    assert state["actions"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (state["anchors"], state["since"]) == ([1, 0], [1, 3])
    again = ActionLog(2, anchor_steps=2)
    actions, anchored_before = again.load(state)
    assert actions.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert anchored_before.tolist() == [2, 0]  # rows: environment 0 after two of them
    again.anchor(np.array([False, True]))  # now only the last row is needed, by environment 0
    assert again.state()["actions"].tolist() == [[5, 6]]
    again.anchor(np.array([True, False]))
    assert again.state()["actions"].tolist() == []


def play(envs: AtariEnvs, rng: np.random.Generator, steps: int) -> list:
    """Random play; everything that each step returns."""
    played = []
    for _ in range(steps):
        step = envs.step(rng.integers(0, envs.num_actions, envs.num_envs))
        arrays = step.obs, step.rewards, step.terminated, step.truncated, step.executed
        played.append(([array.tobytes() for array in arrays], step.episodes))
    return played


# max_frames 1200: 300 steps, so that time limits fall before and, at 600, on anchors
@pytest.mark.parametrize("protocol", [BASELINES, MACHADO], ids=["baselines", "machado"])
@pytest.mark.parametrize("game", ["Breakout", *(slow(g) for g in ("Enduro", "MsPacman", "Pong"))])
def test_games_in_progress_are_made_again(game, protocol):
    def make() -> AtariEnvs:
        return AtariEnvs(
            game,
            num_envs=2,
            seed=5,
            protocol=protocol,
            num_threads=1,
            max_frames=1200,
            first_index=4,
            anchor_steps=400,
        )

    envs, rng = make(), np.random.default_rng(0)
    envs.reset()
    play(envs, rng, 847)
    state, rng_state = envs.state(), rng.bit_generator.state
    assert max(state["anchors"]) >= 1
    assert min(state["since"]) >= 1
    expected = play(envs, rng, 350)
    again = make()
    obs = again.restore(state)
    assert again.state()["digest"] == state["digest"]
    assert obs.shape == (2, 4, 84, 84)
    rng.bit_generator.state = rng_state
    assert play(again, rng, 350) == expected
    ends = [again.state(), envs.state()]
    assert ends[0].pop("actions").tolist() == ends[1].pop("actions").tolist()
    assert ends[0] == ends[1]


def test_an_anchor_comes_at_the_end_of_a_game_and_only_when_due():
    envs = AtariEnvs(
        "Breakout", num_envs=1, seed=0, protocol=BASELINES, num_threads=1, anchor_steps=300
    )
    envs.reset()
    rng, since, anchors = np.random.default_rng(1), 0, []
    for _ in range(1500):
        step = envs.step(rng.integers(0, envs.num_actions, 1))
        since += 1
        if step.episodes and since >= 300:
            anchors.append(since)
            since = 0
        assert envs.state()["since"] == [since]
    assert len(anchors) >= 2
    assert envs.state()["anchors"] == [len(anchors)]


def test_games_that_come_out_otherwise_are_noticed():
    envs = AtariEnvs("Breakout", num_envs=2, seed=0, protocol=MACHADO, num_threads=1)
    envs.reset()
    play(envs, np.random.default_rng(0), 60)
    state = envs.state()
    other = AtariEnvs("Breakout", num_envs=2, seed=1, protocol=MACHADO, num_threads=1)
    with pytest.raises(NotRestored):
        other.restore(state)
    state["actions"][-30:, 1] = 2  # 30 actions of 120: the paddle goes right
    with pytest.raises(NotRestored):
        envs.restore(state)
