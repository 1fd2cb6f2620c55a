"""A recording played again shows the same game; what is written into its memory changes it."""

import dataclasses

import numpy as np
import planted
import pytest

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.believe.replay import Replay, can_branch
from attn_ppo.interpret.network import OpenAgent, weights_digest
from attn_ppo.interpret.play.record import record
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.play.screens import NotTheSameGame
from attn_ppo.launch import command_line

PADDLE = 72  # its column's address, 55 at the left wall
STEPS = 400  # more than one game of an agent that knows nothing


@pytest.fixture(scope="module", params=["baselines", "machado"])
def agent(request) -> OpenAgent:
    settings = command_line.parse(["env=Breakout", f"protocol={request.param}"]).configs[0]
    attention = dataclasses.replace(settings.attention, maps=1, hidden=8)
    model = planted.planted()
    settings = dataclasses.replace(settings, attention=attention)
    return OpenAgent(settings, model, 4_096, weights_digest(model))


@pytest.fixture(scope="module")
def played(agent) -> Recording:
    return record(agent, steps=STEPS, seed=7)


@pytest.fixture(scope="module")
def steps(played) -> np.ndarray:
    """Ten steps over the recording."""
    return np.flatnonzero(can_branch(played))[:: STEPS // 10]


@pytest.fixture(scope="module")
def replay(agent, played, steps) -> Replay:
    return Replay(played, agent.settings.protocol, steps)


def test_unchanged_it_is_the_recorded_observation(replay, played, steps):
    assert played.games[steps[-1]] > 0
    for step in steps[::-1]:
        branch = replay.branch(step)
        apart = np.abs(branch.obs.astype(int) - played.observations(np.array([step]))[0])
        assert apart.max() <= 1
        assert (branch.screens[-1] == played.screens[step]).all()
        assert (branch.ram[-1] == replay.ram[step]).all()
        assert branch.rewards.tolist() == played.rewards[step - 4 : step].tolist()
        assert branch.lives[-1] == played.lives[step]
        assert not branch.over


def test_to_write_what_is_there_changes_nothing(replay, steps):
    plain = replay.branch(steps[3])
    same = replay.branch(steps[3], lambda ram: {PADDLE: int(ram[PADDLE])})
    assert (same.obs == plain.obs).all()


def test_a_paddle_put_elsewhere_is_seen_there_in_all_four_frames(replay, steps):
    right = replay.branch(steps[3], lambda _: {PADDLE: 180})
    left = replay.branch(steps[3], lambda _: {PADDLE: 80})  # the game moves it half-way back
    for here, there in zip(right.screens, left.screens, strict=True):
        assert paddle(here) - paddle(there) > 40
    for here, there in zip(right.obs, left.obs, strict=True):
        changed = np.flatnonzero((here[75:77] != there[75:77]).any(0))
        assert changed[-1] - changed[0] > 40 * 84 / 160


def paddle(screen: np.ndarray) -> int:
    """Its left edge; red like the walls beside the field."""
    return int(np.flatnonzero(screen[190, 8:152] == 70)[0])


def test_steps_of_which_the_game_is_too_young_are_refused(agent, played):
    assert can_branch(played)[:6].tolist() == [False] * 4 + [True] * 2
    second = int(np.searchsorted(played.games, 1))
    assert can_branch(played)[second - 1 : second + 5].tolist() == [True, *[False] * 4, True]
    for step in (3, second, STEPS):
        with pytest.raises(ConfigError, match=f"step={step} "):
            Replay(played, agent.settings.protocol, [step])


def test_another_game_is_noticed(agent, played):
    about = dataclasses.replace(played.about, recording_seed=8)
    with pytest.raises(NotTheSameGame):
        Replay(dataclasses.replace(played, about=about), agent.settings.protocol)
