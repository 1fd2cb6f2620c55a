"""MsPacman: columns from 6, rows from 12 on, of the ghosts, the player and the fruit."""

import numpy as np

from attn_ppo.interpret.believe.edit_kinds import (
    Box,
    Bytes,
    Edit,
    Place,
    Table,
    kept,
    moved,
    placebo,
    put,
    removed,
    unchecked,
)

GHOSTS = ("sue", "inky", "pinky", "blinky")
PLAYER, FRUIT = 4, 5  # after the four ghosts
MIRROR = 176  # the sum of two columns that are alike in the maze, which is symmetrical
UNDER = 250  # a row below the screen
PILL_ROWS = 14
POWER_PILLS = {
    3: Box(14, 148, 8, 4),
    5: Box(14, 8, 8, 4),
    2: Box(146, 148, 8, 4),
    4: Box(146, 8, 8, 4),
}


def _held(change: Bytes) -> Bytes:
    """The change, with all that moves kept to its course: ghosts answer to one another."""
    return lambda ram: {**kept(ram, range(6, 18)), **change(ram)}


def _sprite(number: int) -> Place:
    """Nowhere where the row is off the maze."""

    def place(ram: np.ndarray) -> tuple[Box, ...]:
        x, y = int(ram[6 + number]), int(ram[12 + number])
        return (Box(y + 1, x - 12, 10, 10),) if 0 < y < 170 else ()

    return place


def _mirrored(name: str, number: int) -> Edit:
    def mirror(ram: np.ndarray) -> dict[int, int]:
        return {6 + number: MIRROR - int(ram[6 + number])}

    about = f"{name} in the other half of the maze, as in a mirror"
    return moved(name, "mirrored", about, _held(mirror), _sprite(number), mirror)


def _vanished(name: str, number: int) -> Edit:
    return removed(name, f"no {name}", _held(put({12 + number: UNDER})), _sprite(number))


def _pills(half: str, rows: range) -> Edit:
    """Those two rows around the player stay: eating is a reward."""

    def far(ram: np.ndarray) -> list[int]:
        own = (int(ram[12 + PLAYER]) - 2) / 12
        return [row for row in rows if abs(row - own) > 2.5]

    def poke(ram: np.ndarray) -> dict[int, int]:
        return {59 + 3 * row + part: 0 for row in far(ram) for part in range(3)}

    def place(ram: np.ndarray) -> list[Box]:
        return [Box(7 + 12 * row, 8, 2, 148) for row in far(ram)]

    return Edit("pills", "remove", f"no pills in the {half} half", poke, place, unchecked)


def _power_pill(bit: int) -> Edit:
    box = POWER_PILLS[bit]
    corner = f"{'upper' if box.top < 100 else 'lower'} {'left' if box.left < 80 else 'right'}"

    def place(ram: np.ndarray) -> tuple[Box, ...]:
        return (box,) if ram[117] >> bit & 1 else ()

    def poke(ram: np.ndarray) -> dict[int, int]:
        return {117: int(ram[117]) & ~(1 << bit)}

    return removed("power pills", f"no power pill in the {corner} corner", poke, place)


EDITS: Table = (
    *(_mirrored(name, number) for number, name in enumerate(GHOSTS)),
    *(_vanished(name, number) for number, name in enumerate(GHOSTS)),
    _mirrored("player", PLAYER),
    _mirrored("fruit", FRUIT),
    removed("fruit", "no fruit", _held(put({6 + FRUIT: 0, 12 + FRUIT: 0})), _sprite(FRUIT)),
    _pills("upper", range(7)),
    _pills("lower", range(7, PILL_ROWS)),
    *(_power_pill(bit) for bit in POWER_PILLS),
    placebo("a byte that nothing reads", 40),
)
