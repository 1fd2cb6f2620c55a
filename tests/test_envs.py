"""attn_ppo.envs against the field's own wrappers, and against what it promises."""

import gc
import itertools
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
import pytest
from atari_oracle import UNLIMITED, Oracle, is_fire_game, single_env
from gymnasium import Wrapper
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation
from stable_baselines3.common.atari_wrappers import ClipRewardEnv, EpisodicLifeEnv, FireResetEnv

from attn_ppo import envs
from attn_ppo.config import Protocol
from attn_ppo.envs import AtariEnvs, Episode
from attn_ppo.games import known, rom_md5

BASELINES = Protocol(sticky_actions=0.0, noop_max=30, life_loss_ends_episode=True, press_fire=True)
MACHADO = Protocol(sticky_actions=0.25, noop_max=0, life_loss_ends_episode=False, press_fire=False)
FIRE = 1


def make(game: Any = "Breakout", num_envs: int = 1, seed: int = 0, **kwargs: Any) -> AtariEnvs:
    return AtariEnvs(
        game,
        **{"num_envs": num_envs, "seed": seed, "protocol": BASELINES, "num_threads": 1} | kwargs,
    )


def play(env: AtariEnvs, num_steps: int, seed: int = 0) -> tuple[np.ndarray, list[envs.Step]]:
    """The first observation and the steps of a random player."""
    rng = np.random.default_rng(seed)
    first = env.reset()
    size = (num_steps, env.num_envs)
    actions = rng.integers(0, env.num_actions, size)
    return first, [env.step(action) for action in actions]


# --- the oracle


@pytest.mark.parametrize(
    ("game", "protocol", "num_steps", "max_steps", "expected"),
    [
        # expected: which of these happen to a random player: lost lives, game over, time limit
        ("BeamRider", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        ("Breakout", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        ("MsPacman", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        ("Frostbite", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
        ("Enduro", BASELINES, 1_050, 300, {"limit"}),  # no lives; a day takes thousands of steps
        ("Seaquest", BASELINES, 1_050, UNLIMITED, {"life", "over"}),
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
    oracles = [
        Oracle(
            game,
            seed,
            noop_max=protocol.noop_max,
            press_fire=protocol.press_fire,
            sticky_actions=protocol.sticky_actions,
            max_steps=max_steps,
        )
        for seed in env.seeds
    ]
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

            assert env.executed_actions[i] == pressed, t
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
    after = [int(env.step(np.array([3])) and env.executed_actions[0]) for _ in range(3)]
    assert after == [FIRE, 3, 3]


def test_rewards_are_raw():
    rewards = np.concatenate([step.rewards for step in play(make("Seaquest", 4), 300)[1]])
    clip = ClipRewardEnv(single_env("Seaquest"))
    assert rewards.dtype == np.float32
    assert set(rewards) == {0.0, 20.0}  # a shark is worth 20 points
    assert {clip.reward(r) for r in rewards} == {0.0, 1.0}


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
            pressed_after[ended].add(int(env.executed_actions[0]))
        ended = "game" if step.episodes else "life" if step.terminated[0] else None
    assert pressed_after == {"life": {FIRE}, "game": {2}}


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

    def run(max_frames: int, num_steps: int) -> tuple[AtariEnvs, list[envs.Step]]:
        env = make(protocol=protocol, max_frames=max_frames)
        env.reset()
        return env, [env.step(np.array([0])) for _ in range(num_steps)]

    _, long = run(108_000, 200)
    lost = next(t for t, step in enumerate(long) if step.terminated[0])
    env, steps = run(4 * (lost + 1), lost + 1)
    assert steps[-1].terminated.tolist() == steps[-1].truncated.tolist() == [True]
    assert [e.episode_length for e in steps[-1].episodes] == [lost + 1]
    np.testing.assert_array_equal(steps[-1].final_obs, long[lost].obs)
    env.step(np.array([0]))
    assert env.executed_actions.tolist() == [0]


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


# --- bad input


class Refused(Exception):
    """The C++ environment was about to be made."""


def refuse(*_, **__):
    raise Refused


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("game", "ms_pacman"),
        ("game", "Combat"),
        ("game", ""),
        ("game", None),
        ("num_envs", 0),
        ("num_envs", -1),
        ("num_envs", 4_097),
        ("num_envs", 2.0),
        ("num_envs", True),
        ("num_envs", "2"),
        ("seed", -1),
        ("seed", 2**32),
        ("seed", None),
        ("seed", 0.0),
        ("stream", -1),
        ("max_frames", 0),
        ("max_frames", 10**9 + 1),
        ("max_frames", None),
        ("num_threads", -1),
        ("protocol.sticky_actions", -0.1),
        ("protocol.sticky_actions", 1.1),
        ("protocol.sticky_actions", float("nan")),
        ("protocol.sticky_actions", "0.25"),
        ("protocol.noop_max", -1),
        ("protocol.noop_max", 1_001),
        ("protocol.noop_max", 1.5),
        ("protocol.life_loss_ends_episode", 1),
        ("protocol.press_fire", None),
    ],
)
def test_bad_values_are_named_before_anything_is_made(monkeypatch, key, value):
    monkeypatch.setattr(envs, "AtariVectorEnv", refuse)
    monkeypatch.setattr(ale_py, "ALEInterface", refuse)
    arguments: dict[str, Any] = {"game": "Breakout"}
    if key.startswith("protocol."):
        arguments["protocol"] = replace(BASELINES, **{key.removeprefix("protocol."): value})
    else:
        arguments[key] = value
    shown = f"{'env' if key == 'game' else key}={value} is not allowed\nallowed: "
    with pytest.raises(ValueError, match="is not allowed") as error:
        make(**arguments)
    assert shown in str(error.value)


def test_good_values_get_as_far_as_making_the_environment(monkeypatch):
    monkeypatch.setattr(envs, "AtariVectorEnv", refuse)
    for arguments in ({}, {"seed": 2**32 - 1}, {"max_frames": 1}, {"num_threads": 0}):
        with pytest.raises(Refused):
            make(**arguments)


@pytest.mark.parametrize(
    ("typed", "meant"), [("breakot", "Breakout"), ("ms_pacman", "MsPacman"), ("PONG", "Pong")]
)
def test_an_unknown_game_is_told_the_nearest(typed, meant):
    for ask in (rom_md5, make):
        with pytest.raises(ValueError, match=f"nearest: {meant}"):
            ask(typed)


def test_bad_actions_are_refused_and_nothing_moves(monkeypatch):
    env, twin = make(num_envs=2), make(num_envs=2)
    env.reset()
    # Refused by us, not by waiting for ever in C++, should a check be lost.
    monkeypatch.setattr(env._env, "step", refuse)
    for bad in (
        np.array([0, 4]),
        np.array([-1, 0]),
        np.array([2**40, 0]),
        np.array([2**64 - 1, 0], np.uint64),
        np.array([0.0, 1.0]),
        np.array([True, False]),
        np.array([0]),
        np.array([[0], [0]]),
        np.array(0),
    ):
        with pytest.raises(ValueError, match=r"actions=.*\nallowed: "):
            env.step(bad)
    monkeypatch.undo()
    twin.reset()
    for dtype in (np.int64, np.int32, np.uint8):
        ours, other = env.step(np.array([2, 3], dtype)), twin.step(np.array([2, 3]))
        np.testing.assert_array_equal(ours.obs, other.obs)
        assert env.executed_actions.dtype == np.int64


def test_the_callers_actions_are_left_alone():
    env = make(protocol=replace(BASELINES, noop_max=1))
    env.reset()
    actions = np.array([2])
    executed = set()
    for _ in range(150):
        env.step(actions)
        executed.add(int(env.executed_actions[0]))
    assert executed == {FIRE, 2}  # a life was lost
    assert actions.tolist() == [2]


def test_stepping_too_early_or_too_late_is_refused():
    env = make()
    with pytest.raises(RuntimeError, match="before the first reset"):
        env.step(np.array([0]))
    env.reset()
    env.close()
    env.close()
    for use in (env.reset, lambda: env.step(np.array([0]))):
        with pytest.raises(RuntimeError, match="closed"):
            use()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads through /proc")
@pytest.mark.parametrize("end", ["close", "forget"])
def test_no_threads_are_left_behind(end):
    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    gc.collect()
    before = threads()
    env = make(num_envs=2, num_threads=2)
    env.reset()
    assert threads() > before
    if end == "close":
        env.close()
    else:
        del env
        gc.collect()
    deadline = time.monotonic() + 5  # the kernel may lag behind the join
    while threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() == before


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
