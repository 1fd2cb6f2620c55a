"""Where a score display runs over, reward and score go on: real games with their memory changed."""

import random
from functools import cache

import ale_py
import numpy as np
import pytest
from ale_py import roms
from atari_player import make

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.atari.games import known, rom_id
from attn_ppo.atari.score_wrap import MODULUS, mended
from attn_ppo.atari.step import Episode

NINES = 0x99  # two digits


@cache
def falls(game: str, cells: tuple[tuple[int, int], ...]) -> int:
    """The first reward below zero of a random player, the score set to the top again and again."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.setInt("random_seed", 1)
    ale.loadROM(str(roms.get_rom_path(rom_id(game))))
    ale.reset_game()
    rng, actions = random.Random(0), ale.getMinimalActionSet()
    for step in range(2_500):
        if ale.game_over():
            ale.reset_game()
        if step % 50 == 0:
            for cell, value in cells:
                ale.setRAM(cell, value)
            ale.act(ale_py.Action.NOOP)
        action = rng.choice(actions)
        for _ in range(4):
            if (reward := ale.act(action)) < 0:
                return reward
    raise AssertionError("it never scored")


@pytest.mark.parametrize(
    ("game", "cells", "fallen", "scored"),
    [
        ("Asterix", {94: NINES, 95: NINES, 96: NINES}, -999_950, 50),  # 999,999 -> 000,049
        ("VideoPinball", {48: NINES, 50: NINES, 52: NINES}, -999_900, 100),
        ("MsPacman", {120: NINES, 121: NINES, 122: NINES}, -999_990, 10),
        ("Riverraid", dict.fromkeys((77, 79, 81, 83, 85), 9 * 8) | {87: 0}, -999_990, 10),
        ("WizardOfWor", {6: NINES, 8: 0x19}, -199_900, 100),  # 199,900 -> 000,000
        ("Frogger", {76: NINES, 78: NINES}, -9_999, 1),  # 9,999 -> 0,000
        ("Turmoil", {9: NINES, 10: NINES}, -99_990, 10),
        ("Tutankham", {26: NINES, 28: NINES}, -9_998, 2),
        ("FlagCapture", {104: 9, 106: NINES}, -99, 1),
        ("Atlantis", {33: NINES, 34: NINES, 35: NINES}, -99_999_800, 200),  # in hundreds
        ("Breakout", {76: 9, 77: NINES}, -999, 1),
    ],
)
def test_a_display_that_runs_over_costs_nothing(game, cells, fallen, scored):
    assert falls(game, tuple(cells.items())) == fallen
    assert mended(np.array([fallen, 0, 7, -7], np.int32), game).tolist() == [scored, 0, 7, -7]


def test_losses_are_losses():
    # per game the worst that one step brings, and what looks like it elsewhere
    for game, loss in [("Pong", -1), ("Boxing", -99), ("JourneyEscape", -600), ("Skiing", -8_000)]:
        assert mended(np.array([loss], np.int32), game).tolist() == [loss]
    assert mended(np.array([-500_000, -500_001]), "Asterix").tolist() == [-500_000, 499_999]


def test_the_games_are_known():
    assert MODULUS.keys() <= known().keys()


class Overrunning:
    """The vector environment of one game, whose display runs over at its second step."""

    def __init__(self, real):
        self._real, self._steps = real, 0

    def __getattr__(self, name: str):
        return getattr(self._real, name)

    def recv(self):
        obs, rewards, *rest = self._real.recv()
        self._steps += 1
        rewards = rewards + (np.int32(50 - 1_000_000) if self._steps == 2 else np.int32(0))
        return obs, rewards, *rest


def overrunning(game: str) -> AtariEnvs:
    envs = make(game, max_frames=16)
    envs._env = Overrunning(envs._env)  # type: ignore[assignment]
    envs.reset()
    return envs


def test_reward_score_and_replay_go_on():
    envs = overrunning("Asterix")
    steps = [envs.step(np.array([0])) for _ in range(3)]
    assert [float(step.rewards[0]) for step in steps] == [0, 50, 0]
    assert steps[1].rewards.dtype == np.float32
    again = overrunning("Asterix")
    again.restore(envs.state())  # compares the score so far, among others
    assert again.step(np.array([0])).episodes == [Episode(0, 50.0, 4)]
