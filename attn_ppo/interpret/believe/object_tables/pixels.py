"""What the tables of all games are made with: pixels by colour and by place.

Colours are palette indices, places rows and columns of the screen, masks (T, H, W) bool.
"""

from collections.abc import Callable, Iterable

import numpy as np

# Screens (T, H, W) and memory (T, 128) -> each class's mask, in an order that is always the same.
Find = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]
ALL = slice(None)


def coloured(
    screens: np.ndarray, colours: Iterable[int], rows: slice = ALL, columns: slice = ALL
) -> np.ndarray:
    """The pixels of these colours within these rows and columns."""
    wanted = np.zeros(256, bool)
    wanted[list(colours)] = True
    mask = np.zeros(screens.shape, bool)
    mask[:, rows, columns] = wanted[screens[:, rows, columns]]
    return mask


def boxes(
    screens: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    size: tuple[int, int],
    *,
    slack: int = 0,
) -> np.ndarray:
    """Boxes of a height and width whose upper left corners are at rows `top`, columns `left` (T,).

    They are wider by `slack` pixels on each side, and go on at the left where they leave the screen
    at the right, as the console draws. The corners are signed integers.
    """
    (height, width), (_, rows, columns) = size, screens.shape
    down = np.arange(rows) - top[:, None] + slack
    across = (np.arange(columns) - left[:, None] + slack) % columns
    within = (down >= 0) & (down < height + 2 * slack)
    return within[:, :, None] & (across < width + 2 * slack)[:, None]


def run_at(line: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(T, W) bool, the unbroken part of `line` (T, W) bool that contains column `at` (T,)."""
    width = line.shape[1]
    steps, at = np.arange(len(line)), at.clip(0, width - 1)
    changes = np.diff(line, axis=1, prepend=line[:, :1]).cumsum(1)
    return line & (changes == changes[steps, at][:, None])
