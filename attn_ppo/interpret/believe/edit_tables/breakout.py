"""Breakout: memory 72 is the paddle's column + 47, 99 and 101 are the ball's place."""

import numpy as np

from attn_ppo.interpret.believe.edit_kinds import (
    Box,
    Edit,
    Place,
    Table,
    frozen,
    moved,
    placebo,
    put,
    recoloured,
    removed,
    shift,
)

BALL_X, BALL_Y, PADDLE, RED = 99, 101, 72, 62
HIDDEN = 2  # not drawn; from 0 FIRE serves another, from 8 the wall is hit and the paddle shrinks
BRICK_ROWS, BRICK_COLUMNS = 6, 18
# Of each column of bricks: how far after the row's first byte its byte is, and its two bits.
BRICK_BITS = (
    (30, 0xC0),
    *((24, bits) for bits in (0xC0, 0x30, 0x0C, 0x03)),
    *((18, bits) for bits in (0x03, 0x0C, 0x30, 0xC0)),
    *((12, bits) for bits in (0x30, 0xC0)),
    *((6, bits) for bits in (0xC0, 0x30, 0x0C, 0x03)),
    *((0, bits) for bits in (0x03, 0x0C, 0x30)),
)


def _ball(ram: np.ndarray) -> tuple[Box, ...]:
    """In the air above the paddle."""
    y = int(ram[BALL_Y])
    return (Box(y + 9, int(ram[BALL_X]) - 49, 4, 2),) if 20 < y <= 176 else ()


def _paddle(ram: np.ndarray) -> tuple[Box, ...]:
    """With room beside it: it is fast."""
    return (Box(189, int(ram[PADDLE]) - 50, 4, 22),)


def _paddle_by(columns: int) -> Edit:
    """The game moves it half-way back to where the player's knob is: we go twice as far."""
    direction = "right" if columns > 0 else "left"
    about = f"the paddle {abs(columns)} columns to the {direction}"
    poke, goal = shift(PADDLE, by=2 * columns), shift(PADDLE, by=columns)
    return moved("paddle", direction, about, poke, _paddle, goal)


def brick(row: int, column: int) -> Edit:
    """One brick vanishes; rows 1 to 6 from the top, columns 1 to 18 from the left."""
    after, bits = BRICK_BITS[column - 1]
    address = after + BRICK_ROWS - row
    box = Box(51 + 6 * row, 8 * column, 6, 8)

    def place(ram: np.ndarray) -> tuple[Box, ...]:
        return (box,) if ram[address] & bits else ()

    def poke(ram: np.ndarray) -> dict[int, int]:
        return {address: int(ram[address]) & ~bits}

    return removed("bricks", f"brick {column} of row {row} vanishes", poke, place)


def _brick_row(row: int) -> tuple[Place, list[int]]:
    addresses = [after + BRICK_ROWS - row for after in (0, 6, 12, 18, 24, 30)]
    bricks = [brick(row, column) for column in range(1, BRICK_COLUMNS + 1)]
    return (lambda ram: [box for each in bricks for box in each.place(ram)]), addresses


def _without_row(row: int) -> Edit:
    place, addresses = _brick_row(row)
    return removed(
        "bricks", f"row {row} of the bricks vanishes", put(dict.fromkeys(addresses, 0)), place
    )


def _red(ram: np.ndarray) -> list[Box]:
    """The walls' feet have the same byte's colour."""
    return [*_ball(ram), *_paddle(ram), Box(189, 0, 7, 8), Box(189, 152, 7, 8)]


def _all_bricks(ram: np.ndarray) -> list[Box]:
    return [box for row in range(1, 7) for box in _brick_row(row)[0](ram)]


EDITS: Table = (
    moved("ball", "left", "the ball 16 columns to the left", shift(BALL_X, by=-16), _ball),
    moved("ball", "right", "the ball 16 columns to the right", shift(BALL_X, by=16), _ball),
    moved("ball", "up", "the ball 16 rows up", shift(BALL_Y, by=-16), _ball),
    frozen("ball", "the ball stands still for the four steps", (BALL_X, BALL_Y), _ball),
    removed("ball", "no ball", put({BALL_Y: HIDDEN}), _ball),
    _paddle_by(-16),
    _paddle_by(16),
    recoloured("paddle", "paddle and ball in green", {RED: 200}, _red),
    *(_without_row(row) for row in (1, 6)),
    *(brick(6, column) for column in (2, 5, 8, 11, 14, 17)),
    recoloured("bricks", "all bricks in red", dict.fromkeys(range(64, 70), 70), _all_bricks),
    placebo("a byte that nothing reads", 95),
)
