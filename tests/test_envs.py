"""attn_ppo.atari.envs: any game as the field's own wrappers play it, and scores of whole games."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from atari_oracle import UNLIMITED, Oracle, is_fire_game, single_env
from atari_player import BASELINES, FIRE, MACHADO, make, play
from gymnasium import Wrapper
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from stable_baselines3.common.atari_wrappers import ClipRewardEnv, EpisodicLifeEnv, FireResetEnv

from attn_ppo.atari import envs
from attn_ppo.atari.games import known, rom_md5
from attn_ppo.atari.step import Episode
from attn_ppo.config import ProtocolSettings

# --- the oracle

long = partial(pytest.param, marks=pytest.mark.slow)


def oracle_of(game: str, seed: int, protocol: ProtocolSettings, max_steps: int) -> Oracle:
    return Oracle(
        game,
        seed,
        noop_max=protocol.noop_max,
        press_fire=protocol.press_fire,
        sticky_actions=protocol.sticky_actions,
        max_steps=max_steps,
    )


@pytest.mark.parametrize(
    ("game", "protocol", "num_steps", "max_steps", "expected"),
    [
        # expected: which of these happen to a random player: lost lives, game over, time limit
        long("BeamRider", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        long("Breakout", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        long("MsPacman", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        long("Frostbite", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        long("Enduro", BASELINES, 1_050, 300, {"limit"}),  # no lives; a day takes 1,000s of steps
        long("Seaquest", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        ("Breakout", BASELINES, 400, 150, {"life", "over", "limit"}),
        ("Seaquest", MACHADO, 500, UNLIMITED, {"life", "over"}),
        ("Backgammon", BASELINES, 100, 60, {"limit"}),  # FIRE is action 0: not a game of FIRE
    ],
)
def test_it_plays_as_the_single_environment_wrappers_do(
    game, protocol, num_steps, max_steps, expected
):
    """2,100 steps of each game of the study, by two environments that fall out of phase."""
    num_envs, max_frames = 2, min(4 * max_steps, 10**9)
    env = make(game, num_envs, seed=12, protocol=protocol, max_frames=max_frames, num_threads=2)
    oracles = [oracle_of(game, seed, protocol, max_steps) for seed in env.seeds]
    actions = np.random.default_rng(5).integers(0, env.num_actions, (num_steps, num_envs))
    np.testing.assert_array_equal(env.reset(), np.stack([oracle.reset() for oracle in oracles]))
    seen, fire_next = set(), [False] * num_envs
    for t, chosen in enumerate(actions):
        step = env.step(chosen)
        final_obs = np.zeros(0) if step.final_obs is None else step.final_obs
        for i, oracle in enumerate(oracles):
            pressed = FIRE if fire_next[i] else chosen[i]
            want = oracle.step(int(pressed))
            game_ended = want.terminated or want.truncated
            ends = want.life_done if protocol.life_loss_ends_episode else want.terminated
            episodes = [e[1:] for e in step.episodes if e.env_index == i]

            assert step.executed[i] == pressed, t
            assert step.rewards[i] == want.reward, t
            assert step.terminated[i] == ends, t
            assert step.truncated[i] == (want.truncated and not want.terminated), t
            assert episodes == ([want.episode] if game_ended else []), t
            if step.truncated[i]:
                np.testing.assert_array_equal(final_obs[i], want.obs)
            next_obs = oracle.reset() if game_ended else want.obs
            np.testing.assert_array_equal(step.obs[i], next_obs, err_msg=f"step {t}")

            fire_next[i] = oracle.fire and want.life_done and not game_ended
            seen |= {"life"} if want.life_done and not game_ended else set()
            seen |= {"over"} if want.terminated else set()
            seen |= {"limit"} if step.truncated[i] else set()
    assert seen == expected


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        ("Breakout", True),
        ("MsPacman", False),
        ("Backgammon", False),  # FIRE is action 0: the C++ environment alone would press it
        ("VideoCheckers", False),
    ],
)
def test_fire_is_for_the_games_that_stable_baselines_presses_it_in(monkeypatch, game, expected):
    assert is_fire_game(single_env(game)) == expected
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(envs, "AtariVectorEnv", lambda *_, **settings: made.append(settings))
    for press_fire in (True, False):
        make(game, protocol=replace(BASELINES, press_fire=press_fire))
    assert [settings["use_fire_reset"] for settings in made] == [expected, False]


def test_a_reset_presses_fire_before_the_no_ops():
    """The wrappers wait first; in Breakout that keeps the ball off the first picture."""
    env = make()
    ours = env.reset()[:, -1]
    for i, seed in enumerate(env.seeds):
        oracle = Oracle("Breakout", seed, noop_max=30, press_fire=True)
        oracle.reset()
        frames = oracle.env.unwrapped.ale.getEpisodeFrameNumber()  # pyright: ignore
        assert frames > 1  # else the order couldn't be told
        pictures = {}
        for order in ("fire first", "no-ops first"):
            single = AtariPreprocessing(single_env("Breakout"), noop_max=0)
            single.reset()
            presses = [FIRE] + [0] * (frames - 1)
            for action in presses if order == "fire first" else presses[::-1]:
                single.env.step(action)
            single.ale.getScreenGrayscale(single.obs_buffer[0])
            single.obs_buffer[1].fill(0)
            pictures[order] = single._get_obs()
        np.testing.assert_array_equal(ours[i], pictures["fire first"])
        assert (ours[i] != pictures["no-ops first"]).any()


def test_the_first_stack_is_padded_with_zeros():
    obs = make(protocol=MACHADO).reset()
    assert obs.shape == (1, 4, 84, 84)
    assert obs.dtype == np.uint8
    assert not obs[0, :3].any()
    repeated, _ = FrameStackObservation(AtariPreprocessing(single_env("Breakout"), 0), 4).reset()
    np.testing.assert_array_equal(repeated, np.stack([obs[0, 3]] * 4))


def test_stable_baselines_presses_three_times_after_a_lost_life_where_we_press_once():
    class Pressed(Wrapper):
        def step(self, action):
            pressed.append(int(action))
            return super().step(action)

    pressed: list[int] = []
    sb3 = FireResetEnv(EpisodicLifeEnv(Pressed(AtariPreprocessing(single_env("Breakout"), 0))))
    sb3.reset(seed=0)
    while not sb3.step(0)[2]:
        pass
    pressed.clear()
    sb3.reset()
    assert pressed == [0, 1, 2]

    env = make(protocol=replace(BASELINES, noop_max=1))
    env.reset()
    for _ in range(500):
        if env.step(np.array([0])).terminated[0]:
            break
    after = [int(env.step(np.array([3])).executed[0]) for _ in range(3)]
    assert after == [FIRE, 3, 3]


def test_rewards_are_raw():
    rewards = np.concatenate([step.rewards for step in play(make("Seaquest", 4), 300)[1]])
    clip = ClipRewardEnv(single_env("Seaquest"))
    assert rewards.dtype == np.float32
    assert set(rewards) == {0.0, 20.0}  # a shark is worth 20 points
    assert {clip.reward(r) for r in rewards} == {0.0, 1.0}


# --- whole games


def test_episodes_are_whole_games_with_raw_scores():
    env = make("MsPacman", 2, num_threads=2)
    returns, lengths, finished, ends = [0.0] * 2, [0] * 2, [0] * 2, 0
    for step in play(env, 1_050)[1]:
        for i in range(2):
            returns[i] += float(step.rewards[i])
            lengths[i] += 1
        for i, episode_return, episode_length in step.episodes:
            assert step.terminated[i]
            assert (episode_return, episode_length) == (returns[i], lengths[i])
            returns[i], lengths[i] = 0.0, 0
            finished[i] += 1
        ends += int(step.terminated.sum())
    assert min(finished) >= 2
    assert ends > 2 * sum(finished)  # three lives: two of them end no game


def test_a_game_over_at_once_is_seen_even_when_the_next_one_begins_later(monkeypatch):
    """Frame 2 of a game, four frames to its end, and a reset that plays 25 frames: 25 > 2."""

    class Scripted:
        def __init__(self, *_, **__):
            self.frames = 2

        def _info(self, frame_number: int, episode_frame_number: int) -> dict[str, np.ndarray]:
            return {
                "frame_number": np.array([frame_number], np.int32),
                "episode_frame_number": np.array([episode_frame_number], np.int32),
            }

        def reset(self, **_):
            return np.zeros((1, 4, 84, 84), np.uint8), self._info(2, 2)

        def send(self, _):
            pass

        def recv(self):
            obs, no = np.zeros((1, 4, 84, 84), np.uint8), np.array([False])
            return obs, np.array([7], np.int32), np.array([True]), no, self._info(2 + 4 + 25, 25)

    monkeypatch.setattr(envs, "AtariVectorEnv", Scripted)
    env = make()
    env.reset()
    assert env.step(np.array([0])).episodes == [Episode(0, 7.0, 1)]


# --- any game


@pytest.mark.parametrize(
    ("game", "protocol", "actions"),
    [
        ("Pong", BASELINES, ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")),
        ("Pong", MACHADO, ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")),
        ("Breakout", MACHADO, ("NOOP", "FIRE", "RIGHT", "LEFT")),
        ("Freeway", BASELINES, ("NOOP", "UP", "DOWN")),
        ("Backgammon", MACHADO, ("FIRE", "RIGHT", "LEFT")),
        ("Enduro", BASELINES, None),
        ("MontezumaRevenge", BASELINES, None),
        ("Qbert", MACHADO, None),
        ("TicTacToe3D", BASELINES, None),
    ],
)
def test_any_game_can_be_played(game, protocol, actions):
    env = make(game, protocol=protocol)
    if actions:
        assert env.action_names == actions
    assert env.num_actions == len(env.action_names) >= 3
    first, steps = play(env, 50)
    for obs in (first, *(step.obs for step in steps)):
        assert obs.shape == (1, 4, 84, 84)
        assert obs.dtype == np.uint8
    assert {step.terminated.dtype for step in steps} == {np.dtype(bool)}
    assert {step.truncated.dtype for step in steps} == {np.dtype(bool)}


def test_the_games_are_those_for_one_player():
    games = known()
    assert len(games) == 104
    assert games["MsPacman"] == "ms_pacman"
    assert not {"combat", "joust", "maze_craze", "warlords"} & set(games.values())


def test_rom_md5_is_that_of_the_file():
    assert rom_md5("Breakout") == "f34f08e5eb96e500e851a80be3277a56"  # `md5sum breakout.bin`
