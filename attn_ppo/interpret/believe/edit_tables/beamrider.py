"""BeamRider: rows from 25, columns from 33 on, of seven enemies, then of the player's missile."""

import numpy as np

from attn_ppo.interpret.believe.edit_kinds import (
    Box,
    Edit,
    Place,
    Table,
    moved,
    placebo,
    put,
    removed,
    shift,
)

ROWS, COLUMNS, MISSILE, PLAYER = 25, 33, 7, 8  # player and missile count on after the seven enemies
X = COLUMNS + PLAYER  # the player's
ENEMIES = 3  # of the seven we have seen these
NONE = 255
HORIZON = 43
BYTES, SCREEN_ROWS = (0, 106, 134, 170, 255), (43, 66, 81, 108, 166)  # what is near is far apart


def column(x: int) -> int:
    """Of the screen; 123 is the middle, and a byte is one and a half columns."""
    return round(79 + 1.5 * (x - 128))


def _player(ram: np.ndarray) -> tuple[Box, ...]:
    """And what it shoots, which comes from there."""
    return (
        *_thing(MISSILE)(ram),
        Box(164, column(int(ram[X])) - 10, 16, 20),
    )


def _thing(number: int) -> Place:
    def place(ram: np.ndarray) -> tuple[Box, ...]:
        y, x = int(ram[ROWS + number]), int(ram[COLUMNS + number])
        return (Box(HORIZON, 8, 124, 152),) if y not in (0, NONE) and x else ()

    return place


def _at_row(number: int) -> Place:
    """The rows that the enemy may be in."""

    def place(ram: np.ndarray) -> list[Box]:
        row = round(float(np.interp(ram[ROWS + number], BYTES, SCREEN_ROWS)))
        return [Box(row - 8, 8, 16, 152) for _ in _thing(number)(ram)]

    return place


def _enemy(number: int) -> tuple[Edit, Edit]:
    place, name = _at_row(number), f"enemy {number + 1}"
    return (
        moved("enemies", "right", f"{name} to the right", shift(COLUMNS + number, by=11), place),
        removed("enemies", f"no {name}", put({ROWS + number: NONE, COLUMNS + number: 0}), place),
    )


EDITS: Table = (
    moved(
        "player",
        "left",
        "the player 24 columns to the left",
        shift(X, by=-16),
        _player,
    ),
    moved(
        "player",
        "right",
        "the player 24 columns to the right",
        shift(X, by=16),
        _player,
    ),
    *(edit for number in range(ENEMIES) for edit in _enemy(number)),
    removed("player missile", "no player missile", put({ROWS + MISSILE: NONE}), _thing(MISSILE)),
    placebo("a byte that nothing reads", 53),
)
