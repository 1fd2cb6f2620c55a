"""The colour screen of a game: an emulator that plays the same actions as the recorded one.

The vector environment shows 84x84 grey pixels only. With the same seed and the same actions a plain
emulator plays the same game; `Screens.check_same_game` compares the two pictures at each step.
"""

import ale_py
import numpy as np

from attn_ppo.atari.games import rom_path
from attn_ppo.config import FRAMES_PER_STEP, ProtocolSettings
from attn_ppo.errors import ExitCode, RunError


class NotTheSameGame(RunError):
    """The screens of the two emulators differ: they do not play the same game."""

    def __init__(self):
        message = "the emulator in colour doesn't show the recorded game"
        super().__init__(ExitCode.RUN_FAILED, message)


class Screens:
    """An emulator that replays a game from its seed and its executed actions."""

    def __init__(self, game: str, protocol: ProtocolSettings):
        self.palette = np.zeros((256, 3), np.uint8)
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._rom = str(rom_path(game))
        self._ale = ale_py.ALEInterface()
        self._ale.setFloat("repeat_action_probability", float(protocol.sticky_actions))
        self._press_fire = protocol.press_fire
        self._actions: list[ale_py.Action] = []

    def begin(self, seed: int, frames: int) -> None:
        """Starts a game from a seed and plays `frames` emulator frames: FIRE, then no-ops."""
        ale = self._ale
        ale.setInt("random_seed", seed)
        ale.loadROM(self._rom)
        ale.reset_game()
        self._actions = ale.getMinimalActionSet()
        fire = self._press_fire and self._actions[1:2] == [ale_py.Action.FIRE]
        for frame in range(frames - ale.getEpisodeFrameNumber()):  # some games begin by themselves
            ale.act(ale_py.Action.FIRE if fire and frame == 0 else ale_py.Action.NOOP)
        self._grey = ale.getScreenGrayscale()
        self._screen = self._numbers()

    def step(self, action: int) -> None:
        """Plays four frames of an action, an index into the minimal action set."""
        ale, shown = self._ale, []
        for frame in range(FRAMES_PER_STEP):
            ale.act(self._actions[action])
            if frame >= FRAMES_PER_STEP - 2:
                shown.append((self._numbers(), ale.getScreenGrayscale()))
        (earlier, dim), (later, bright) = shown
        brighter = dim > bright
        self._screen, self._grey = np.where(brighter, earlier, later), np.maximum(dim, bright)

    @property
    def screen(self) -> np.ndarray:
        """(H, W) uint8, indices into `palette`: each pixel's brighter value of the last two frames,
        as in the network's input."""
        return self._screen

    @property
    def lives(self) -> int:
        return self._ale.lives()

    def check_same_game(self, frame: np.ndarray) -> None:
        """Raises NotTheSameGame unless (84, 84) `frame` is this screen in grey, scaled down."""
        rows, columns = (_shrink(size) for size in self._grey.shape)
        apart = np.abs(rows @ self._grey @ columns.T - frame)
        if apart.max() > 1:  # by rounding
            raise NotTheSameGame

    def _numbers(self) -> np.ndarray:
        numbers = self._ale.getScreen()
        self.palette[numbers] = self._ale.getScreenRGB()
        return numbers


def _shrink(size: int) -> np.ndarray:
    """(84, size) weights that average areas, as OpenCV's INTER_AREA does."""
    edges = np.arange(85) * size / 84
    pixels = np.arange(size)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return np.maximum(0, high - low) * 84 / size
