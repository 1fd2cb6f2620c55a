"""A recording played again, with the game's memory, and branches off it in which memory is changed.

Replay: `ram` at every step; `branch` plays the four steps that make a step's observation again.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.config import ProtocolSettings
from attn_ppo.errors import ConfigError
from attn_ppo.interpret.play.record import STREAM
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.play.screens import Poke, Screens

STACK = 4  # frames of an observation, of a step each


class Branch(NamedTuple):
    """The four steps up to a recorded one, played again: what the agent would have seen."""

    obs: np.ndarray  # (4, 84, 84) uint8, newest frame last
    screens: np.ndarray  # (4, H, W) uint8, indices into the palette
    ram: np.ndarray  # (4, 128) uint8, after each step
    rewards: np.ndarray  # (4,) raw
    lives: np.ndarray  # (4,)
    over: bool  # whether the game ended on the way


class Replay:
    """The games of a recording in a plain emulator, which can go back to chosen steps."""

    def __init__(self, recording: Recording, protocol: ProtocolSettings, steps: Sequence[int] = ()):
        """`steps` are those that `branch` can go to, each with `can_branch`.

        Raises NotTheSameGame where the emulator doesn't show what was recorded, ConfigError for a
        step without four steps of its game before it.
        """
        self._recording = recording
        allowed = can_branch(recording)
        for step in steps:
            if not (0 <= step < len(allowed) and allowed[step]):
                raise ConfigError("step", step, "a recorded step, the fifth of its game or later")
        self._screens = Screens(recording.about.game, protocol)
        self._states: dict[int, Any] = {}
        self.ram = np.zeros((len(recording), 128), np.uint8)  # the state before each action
        wanted = {step - STACK for step in steps}

        def at(step: int) -> None:
            self.ram[step] = self._screens.ram
            if step in wanted:
                self._states[step] = self._screens.state()

        play_again(recording, protocol, self._screens, at)

    def branch(self, step: int, poke: Poke | None = None) -> Branch:
        """What a step's observation becomes if `poke` acts on all 16 frames that lead to it.

        The presses are the recorded ones. Without `poke` it is the recorded observation, at most 1
        off by rounding: hold an edit against this branch, not against the recording.
        """
        screens, first = self._screens, step - STACK
        screens.restore(self._states[first])
        rows = []
        for number in range(first, step):
            screens.step(int(self._recording.executed[number]), poke)
            rows.append((screens.frame, screens.screen, screens.ram, screens.reward, screens.lives))
        obs, shown, ram, rewards, lives = map(np.stack, zip(*rows, strict=True))
        return Branch(obs, shown, ram, rewards, lives, screens.over)


def can_branch(recording: Recording) -> np.ndarray:
    """(T,) whether a step has the four steps of its own game before it."""
    steps = np.arange(len(recording))
    return steps - np.searchsorted(recording.games, recording.games) >= STACK


def play_again(
    recording: Recording,
    protocol: ProtocolSettings,
    screens: Screens,
    at: Callable[[int], object],
) -> None:
    """Plays all recorded steps in `screens`; calls `at` at each, before its action is executed.

    Raises NotTheSameGame where the screens differ from the recorded ones.
    """
    envs = AtariEnvs(
        recording.about.game,
        num_envs=1,
        seed=recording.about.recording_seed,
        protocol=protocol,
        num_threads=1,
        stream=STREAM,
        anchor_steps=1,
    )
    envs.reset()
    begun = False
    for step, action in enumerate(recording.actions):
        if not begun:
            screens.begin(envs.latest_seeds[0], int(envs.game_frames[0]))
        screens.check_same_game(recording.frames[step])
        at(step)
        played = envs.step(np.array([action]))
        begun = not played.episodes
        if begun:
            screens.step(int(recording.executed[step]))
    envs.close()
