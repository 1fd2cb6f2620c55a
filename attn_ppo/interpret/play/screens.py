"""The colour screen of a game: an emulator that plays the same actions as the recorded one.

The vector environment shows 84x84 grey pixels only. With the same seed and the same actions a plain
emulator plays the same game; `Screens.check_same_game` compares the two pictures at each step.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import ale_py
import numpy as np

from attn_ppo.atari.games import rom_path
from attn_ppo.config import FRAMES_PER_STEP, ProtocolSettings
from attn_ppo.errors import ExitCode, RunError

PRESSES = 20  # all of them fail once in 10^12 at a stickiness of 1/4
# What to write where into the 128 bytes of RAM, asked for before each emulator frame.
Poke = Callable[[np.ndarray], Mapping[int, int]]
# (H, W) palette numbers and grey values of a frame -> the grey values in their place, uint8.
Paint = Callable[[np.ndarray, np.ndarray], np.ndarray]


class NotTheSameGame(RunError):
    """The screens of the two emulators differ: they do not play the same game."""

    def __init__(self):
        message = "the emulator in colour doesn't show the recorded game"
        super().__init__(ExitCode.RUN_FAILED, message)


class Screens:
    """An emulator that replays a game from its seed and its executed actions."""

    def __init__(self, game: str, protocol: ProtocolSettings, paint: Paint | None = None):
        """`paint` may change the picture that the network gets; `screen` stays as it is."""
        self._paint = paint
        self.palette = np.zeros((256, 3), np.uint8)
        self._known = np.zeros(256, np.bool_)  # numbers that the palette has
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._rom = str(rom_path(game))
        self._ale = ale_py.ALEInterface()
        self._ale.setFloat("repeat_action_probability", float(protocol.sticky_actions))
        self._sticky = protocol.sticky_actions > 0
        self._press_fire = protocol.press_fire
        self._actions: list[ale_py.Action] = []
        self._pressed = ale_py.Action.NOOP
        self.reward = 0.0  # raw, of the last step

    def begin(self, seed: int, frames: int, moves: Sequence[int] = ()) -> None:
        """Starts a game from a seed and plays `frames` emulator frames: FIRE, then no-ops.

        Before them `moves`, actions by number, are pressed for a frame each.
        """
        ale = self._ale
        ale.setInt("random_seed", seed)
        ale.loadROM(self._rom)
        ale.reset_game()
        self._actions = ale.getMinimalActionSet()
        fire = self._press_fire and self._actions[1:2] == [ale_py.Action.FIRE]
        frames -= ale.getEpisodeFrameNumber()  # some games begin by themselves
        for action in moves:
            ale.act(self._actions[action])
        for frame in range(frames):
            self._pressed = ale_py.Action.FIRE if fire and frame == 0 else ale_py.Action.NOOP
            ale.act(self._pressed)
        self._screen, self._grey = self._look()
        self.reward = 0.0

    def step(self, action: int, poke: Poke | None = None) -> None:
        """Plays four frames of an action, an index into the minimal action set.

        Before each of them `poke` may change the game's memory.
        """
        ale, shown = self._ale, []
        self.reward, self._pressed = 0.0, self._actions[action]
        for frame in range(FRAMES_PER_STEP):
            if poke:
                self.write(poke(ale.getRAM()))
            self.reward += ale.act(self._pressed)
            if frame >= FRAMES_PER_STEP - 2:
                shown.append(self._look())
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
        """How many are left, as the emulator counts them."""
        return self._ale.lives()

    @property
    def over(self) -> bool:
        """Whether the game has ended."""
        return self._ale.game_over()

    @property
    def ram(self) -> np.ndarray:
        """(128,) uint8, the game's memory."""
        return self._ale.getRAM()

    def write(self, values: Mapping[int, int]) -> None:
        """Changes the game's memory: address from 0 to 127 -> byte. The next frame shows it."""
        for address, value in values.items():
            self._ale.setRAM(address, int(value) % 256)

    def state(self) -> Any:
        """The game as it is, sticky actions' dice included: for `restore`, in this process."""
        return self._ale.cloneState(include_rng=True), self._pressed, self._grey, self._screen

    def restore(self, state: Any) -> None:
        """Goes back to a `state` of this object's present game.

        The emulator's state lacks the action that sticks. It is pressed until it has arrived, but
        is another if the last step's four presses all failed: one in 256 at a stickiness of 1/4.
        """
        game, self._pressed, self._grey, self._screen = state
        for _ in range(PRESSES if self._sticky else 0):
            self._ale.act(self._pressed)
        self._ale.restoreState(game)
        self.reward = 0.0

    @property
    def frame(self) -> np.ndarray:
        """(84, 84) uint8, this screen as the network sees it, at most 1 off by rounding."""
        return np.rint(self._shrunk()).astype(np.uint8)

    def check_same_game(self, frame: np.ndarray) -> None:
        """Raises NotTheSameGame unless (84, 84) `frame` is this screen in grey, scaled down."""
        if np.abs(self._shrunk() - frame).max() > 1:  # by rounding
            raise NotTheSameGame

    def _shrunk(self) -> np.ndarray:
        rows, columns = (shrinking(size) for size in self._grey.shape)
        return rows @ self._grey @ columns.T

    def _look(self) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) palette numbers and grey values of the present frame."""
        numbers, grey = self._ale.getScreen(), self._ale.getScreenGrayscale()
        if not self._known[numbers].all():  # to look colours up costs more than a frame
            self.palette[numbers] = self._ale.getScreenRGB()
            self._known[numbers] = True
        return numbers, self._paint(numbers, grey) if self._paint else grey


@lru_cache
def shrinking(size: int) -> np.ndarray:
    """(84, size) weights that average areas, as OpenCV's INTER_AREA does."""
    edges = np.arange(85) * size / 84
    pixels = np.arange(size)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return np.maximum(0, high - low) * 84 / size
