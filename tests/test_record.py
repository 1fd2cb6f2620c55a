"""A recording is the game that was played: pixels, colours, thoughts, and the same again."""

import dataclasses

import numpy as np
import planted
import pytest
import torch

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import OpenAgent, see_all, weights_digest
from attn_ppo.interpret.play import recording as files
from attn_ppo.interpret.play.record import record, recorded
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.play.screens import NotTheSameGame, Screens

STEPS = 400  # more than one game of an agent that knows nothing


@pytest.fixture(scope="module")
def agent() -> OpenAgent:
    from attn_ppo.launch import command_line

    settings = command_line.parse(["env=Breakout", "lambda=0.0005"]).configs[0]
    settings = dataclasses.replace(
        settings, attention=dataclasses.replace(settings.attention, maps=1, hidden=8)
    )
    model = planted.planted()
    return OpenAgent(settings, model, 4_096, weights_digest(model))


@pytest.fixture(scope="module")
def played(agent) -> Recording:
    return record(agent, steps=STEPS, seed=7)


def test_the_input_is_what_training_s_environment_shows(agent, played):
    envs = AtariEnvs(
        "Breakout",
        num_envs=1,
        seed=7,
        protocol=agent.settings.protocol,
        num_threads=1,
        stream=2**32 - 1,
        anchor_steps=1,
    )
    obs = envs.reset()
    stacks = played.observations()
    for t in range(STEPS):
        np.testing.assert_array_equal(stacks[t], obs[0])
        step = envs.step(played.actions[t : t + 1])
        assert step.rewards[0] == played.rewards[t]
        assert step.executed[0] == played.executed[t]
        obs = step.obs
    assert played.games[-1] >= 1  # a second game was begun
    assert (played.filled[np.flatnonzero(np.diff(played.games)) + 1] == 1).all()
    assert (played.executed != played.actions).any()  # FIRE after a lost life


def test_thoughts_can_be_computed_again_from_it(agent, played):
    seen = see_all(agent.model, torch.from_numpy(played.observations()))
    np.testing.assert_allclose(played.value, seen.value, atol=1e-5)
    np.testing.assert_allclose(played.log_probs, seen.log_probs, atol=1e-5)
    np.testing.assert_allclose(played.attention, seen.attention, atol=1e-5)
    assert played.entropy.shape == (STEPS, 1)
    assert (played.entropy >= 0).all()
    assert (played.entropy <= np.log(49) + 1e-5).all()


def test_colours_and_lives_are_the_game_s(played):
    assert played.screens.shape == (STEPS, 210, 160)
    assert played.lives[0] == 5
    colours = played.colours(0)
    # Breakout's six rows of bricks and its grey walls, in NTSC colours
    bricks = [colours[58 + 6 * row, 80].tolist() for row in range(6)]
    assert bricks == [
        [200, 72, 72],
        [198, 108, 58],
        [180, 122, 48],
        [162, 162, 42],
        [72, 160, 72],
        [66, 72, 200],
    ]
    assert colours[20, 80].tolist() == [142, 142, 142]


def test_returns_are_of_the_present_game_before_the_action(played):
    short = dataclasses.replace(
        played,
        frames=played.frames[:5],
        games=np.array([0, 0, 0, 1, 1], np.int32),
        rewards=np.array([1, 0, 4, 7, 0], np.float32),
    )
    assert short.returns.tolist() == [0, 1, 1, 0, 7]
    assert short.filled.tolist() == [1, 2, 3, 1, 2]
    assert short.observations(np.array([3]))[0, :3].max() == 0


def test_the_same_again_and_another_seed_otherwise(agent, played):
    again = record(agent, steps=60, seed=7)
    for name in files.ARRAYS[1:]:  # but the palette, which grows with what is seen
        np.testing.assert_array_equal(getattr(again, name), getattr(played, name)[:60])
    other = record(agent, steps=60, seed=8)
    assert (other.actions != again.actions).any()


def test_greedy_is_the_most_likely_action(agent):
    greedy = record(agent, steps=30, policy="greedy")
    np.testing.assert_array_equal(greedy.actions, greedy.log_probs.argmax(-1))
    assert greedy.about.policy == "greedy"


def test_whole_games(agent):
    two = record(agent, games=2, seed=7)
    assert two.games[-1] == 1
    assert two.lives[-1] == 1  # the last one is about to be lost


def test_sticky_actions_stay_in_step(agent):
    """The emulator in colour must stick where the other one does; `check` would raise."""
    from attn_ppo.launch import command_line

    settings = command_line.parse(["env=Enduro", "protocol=machado"]).configs[0]
    settings = dataclasses.replace(settings, attention=agent.settings.attention)
    assert settings.protocol.sticky_actions == 0.25
    model = planted.planted()  # of Enduro's nine actions it knows four
    sticky = record(OpenAgent(settings, model, 0, ""), steps=150)
    assert sticky.screens.shape == (150, 210, 160)


@pytest.mark.parametrize(("game", "height"), [("AirRaid", 250), ("Berzerk", 210)])
def test_games_that_begin_by_themselves_stay_in_step(agent, game, height):
    """ALE plays their first frames at a reset; AirRaid's cartridge is PAL."""
    from attn_ppo.launch import command_line

    settings = command_line.parse([f"env={game}"]).configs[0]
    settings = dataclasses.replace(settings, attention=agent.settings.attention)
    played = record(OpenAgent(settings, planted.planted(), 0, ""), steps=12)
    assert played.screens.shape == (12, height, 160)


def test_another_game_is_noticed(agent, played):
    screens = Screens("Breakout", agent.settings.protocol)
    screens.begin(3, 10)

    def follow() -> None:
        for t in range(100):
            screens.check_same_game(played.frames[t])
            screens.step(int(played.executed[t]))

    with pytest.raises(NotTheSameGame):
        follow()


def test_a_file_gives_back_what_was_saved(played, tmp_path):
    path = tmp_path / "deep" / "a.npz"
    files.save(path, played)
    again = files.load(path)
    assert again.about == played.about
    for name in files.ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(played, name))
    assert path.stat().st_size < 1_500 * STEPS
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("damage", [b"", b"no zip at all", "half"])
def test_what_is_no_recording_is_told(played, tmp_path, damage):
    path = tmp_path / "a.npz"
    files.save(path, played)
    path.write_bytes(path.read_bytes()[:5_000] if damage == "half" else damage)
    with pytest.raises(
        ConfigError, match=r"a\.npz can't be read \(.+\)\nallowed: a recording of this"
    ):
        files.load(path)


def test_a_recording_is_kept_until_the_agent_has_changed(agent, tmp_path, capsys):
    first = recorded(tmp_path, agent, steps=20)
    path = tmp_path / "recordings" / "stochastic-seed=0-steps=20.npz"
    written = path.stat().st_mtime_ns
    recorded(tmp_path, agent, steps=20)
    assert path.stat().st_mtime_ns == written
    trained_on = agent._replace(weights="other", env_steps=8_192)
    assert recorded(tmp_path, trained_on, steps=20).about.env_steps == 8_192
    path.write_bytes(b"damaged")
    np.testing.assert_array_equal(recorded(tmp_path, agent, steps=20).frames, first.frames)
    assert "warning: recording anew" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"steps": 0}, "steps=0 is"),
        ({"games": 0}, "games=0 is"),
        ({"seed": -1}, "seed=-1 is"),
        ({"policy": "gredy"}, "nearest: greedy"),
    ],
)
def test_bad_input_is_told_before_anything_is_played(agent, tmp_path, wrong, told):
    with pytest.raises(ConfigError, match=told):
        recorded(tmp_path, agent, **wrong)
    assert not list(tmp_path.iterdir())
