"""Breakout: ball, paddle and, beside the playing field, one wall have one colour, red.

Among the bricks the ball has the colour of their row, above them the grey of the walls.

Addresses of the paddle's and the ball's place: Anand et al. 2019; the offsets were measured.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured, run_at

GREY, RED, TEAL = 6, 70, 182
ROWS_OF_BRICKS = (70, 54, 38, 22, 198, 134)  # from the uppermost
BRICK = (6, 8)  # its height and width; the first is at row 57, column 8
BRICKS, FIELD = slice(57, 93), slice(8, 152)  # rows, columns
PADDLE = slice(189, 193)
PADDLE_X, BALL_X, BALL_Y = 72, 99, 101
SLACK = 8  # as far as the ball flies in a frame


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    ram = ram.astype(int)
    full = _bricks(screens)
    in_rows = np.zeros(screens.shape, bool)
    for number, colour in enumerate(ROWS_OF_BRICKS):
        top = BRICKS.start + number * BRICK[0]
        in_rows |= coloured(screens, [colour], slice(top, top + BRICK[0]), FIELD)
    red = coloured(screens, [RED], slice(93, 197), FIELD)
    above = coloured(screens, [GREY], slice(32, BRICKS.start), FIELD)
    paddle = _paddle(red, ram)
    low = np.zeros_like(red)
    low[:, PADDLE.start :] = True  # other red things move here
    near = boxes(screens, ram[:, BALL_Y] + 9, ram[:, BALL_X] - 49, (4, 2), slack=SLACK)
    sides = coloured(screens, [GREY], slice(17, 197)) | coloured(screens, [TEAL])
    sides |= coloured(screens, [RED], slice(189, 197), slice(152, 160))
    return {
        "ball": above | (in_rows & ~full) | (red & ~paddle & (near | ~low)),
        "paddle": paddle,
        "bricks": full,
        "walls": sides & ~above,
        "score": coloured(screens, [GREY], slice(0, 17)),
    }


def _bricks(screens: np.ndarray) -> np.ndarray:
    """Places of bricks that are filled by their row's colour: the ball is smaller."""
    height, width = BRICK
    wanted = np.repeat(ROWS_OF_BRICKS, height)[:, None]
    filled = (screens[:, BRICKS, FIELD] == wanted).reshape(len(screens), 6, height, 18, width)
    mask = np.zeros(screens.shape, bool)
    whole = filled.all((2, 4))
    mask[:, BRICKS, FIELD] = whole.repeat(height, 1).repeat(width, 2)
    return mask


def _paddle(red: np.ndarray, ram: np.ndarray) -> np.ndarray:
    """The red pixels in its rows that are joined to its place in memory."""
    mask = np.zeros_like(red)
    line = np.asarray(red[:, PADDLE].any(1))
    mask[:, PADDLE] = red[:, PADDLE] & run_at(line, ram[:, PADDLE_X] - 45)[:, None]
    return mask
