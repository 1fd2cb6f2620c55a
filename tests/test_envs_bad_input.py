"""attn_ppo.atari.envs: what it refuses and leaves alone, and that no threads outlive it."""

import gc
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
import pytest
from atari_player import BASELINES, FIRE, make

from attn_ppo.atari import envs
from attn_ppo.atari.games import rom_md5


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
        assert ours.executed.dtype == np.int64


def test_the_callers_actions_are_left_alone():
    env = make(protocol=replace(BASELINES, noop_max=1))
    env.reset()
    actions = np.array([2])
    executed = set()
    for _ in range(150):
        executed.add(int(env.step(actions).executed[0]))
    assert executed == {FIRE, 2}  # a life was lost
    assert actions.tolist() == [2]


def test_stepping_too_early_or_too_late_is_refused():
    env = make()
    for use in (lambda: env.step(np.array([0])), env.state):
        with pytest.raises(RuntimeError, match="before the first reset"):
            use()
    env.reset()
    with pytest.raises(RuntimeError, match="without a step in progress"):
        env.receive()  # the C++ environment would wait for ever
    env.send(np.array([0]))
    for use in (lambda: env.send(np.array([0])), env.state, env.reset):
        with pytest.raises(RuntimeError, match="while a step is in progress"):
            use()
    env.receive()
    env.close()
    env.close()
    for use in (env.reset, lambda: env.step(np.array([0]))):
        with pytest.raises(RuntimeError, match="closed"):
            use()


def test_the_latest_seeds_before_the_first_reset_are_the_first():
    env = make(num_envs=2)
    assert env.latest_seeds == env.seeds
    assert len(set(env.seeds)) == 2


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
