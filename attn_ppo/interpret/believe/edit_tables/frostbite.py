"""Frostbite: lanes count from the lowest; floes from 31, what swims or flies there from 84 on."""

import numpy as np

from attn_ppo.interpret.believe.edit_kinds import (
    Box,
    Edit,
    Place,
    Table,
    moved,
    placebo,
    put,
    recoloured,
    removed,
    shift,
)

PLAYER_X, PLAYER_Y, SUNK = 102, 100, 107
BEAR_X, LEVEL, BEAR_LEVEL = 104, 75, 3
IGLOO, NO_IGLOO = 77, 255
FLOES, COLOURS, KINDS = 31, 43, 35
# Of a lane's animals: the column on the screen, whether there is a second, the direction, and the
# column before it is cut to the screen, from which the first follows while the player is alive.
SHOWN, SECOND, DIRECTION, COLUMN = 84, 88, 92, 96
FISH = 100  # what a lane holds: geese, crabs, clams, from here on fish
BLUE = 152  # of floes that the player has been on


def _player(ram: np.ndarray) -> tuple[Box, ...]:
    """Alive."""
    box = Box(int(ram[PLAYER_Y]) + 29, int(ram[PLAYER_X]), 18, 9)
    return () if ram[SUNK] else (box,)


def _bear(ram: np.ndarray) -> tuple[Box, ...]:
    return (Box(58, int(ram[BEAR_X]) + 3, 16, 14),) if ram[LEVEL] >= BEAR_LEVEL else ()


def _igloo(ram: np.ndarray) -> tuple[Box, ...]:
    return () if ram[IGLOO] == NO_IGLOO else (Box(35, 112, 20, 32),)


def _floes(lane: int) -> Place:
    """All the lane, around which they go."""
    return lambda _: (Box(174 - 26 * lane, 8, 7, 152),)


def _in_lane(lane: int, fish: bool) -> Place:
    def place(ram: np.ndarray) -> list[Box]:
        x = int(ram[SHOWN + lane])
        if not 8 <= x < 160 or (ram[KINDS + lane] >= FISH) != fish:
            return []
        columns = (x, x + 32) if ram[SECOND + lane] else (x,)
        return [Box(160 - 26 * lane, column, 7, 8) for column in columns]

    return place


def _floes_by(lane: int) -> Edit:
    def poke(ram: np.ndarray) -> dict[int, int]:
        return {FLOES + lane: (int(ram[FLOES + lane]) + 16) % 160}

    return moved("floes", "right", f"the floes of lane {lane + 1} on", poke, _floes(lane))


def _blue(lane: int) -> Edit:
    about = f"the floes of lane {lane + 1} as if the player had been there"
    return recoloured("floes", about, {COLOURS + lane: BLUE}, _floes(lane))


def _lane_edits(lane: int, name: str) -> Table:
    place, about = _in_lane(lane, name == "fish"), f"{name} in lane {lane + 1}"
    shifted = shift(SHOWN + lane, COLUMN + lane, by=16)
    none = put({SHOWN + lane: 0, DIRECTION + lane: 0})
    return (
        moved(name, "right", f"the {about} 16 columns to the right", shifted, place),
        removed(name, f"no {about}", none, place),
    )


EDITS: Table = (
    moved("player", "left", "the player 16 columns to the left", shift(PLAYER_X, by=-16), _player),
    moved("player", "right", "the player 16 columns to the right", shift(PLAYER_X, by=16), _player),
    moved("bear", "left", "the bear 16 columns to the left", shift(BEAR_X, by=-16), _bear),
    moved("bear", "right", "the bear 16 columns to the right", shift(BEAR_X, by=16), _bear),
    removed("igloo", "no igloo", put({IGLOO: NO_IGLOO}), _igloo),
    *(_floes_by(lane) for lane in range(4)),
    *(_blue(lane) for lane in range(4)),
    *(edit for lane in range(4) for edit in _lane_edits(lane, "enemies")),
    *(edit for lane in range(3) for edit in _lane_edits(lane, "fish")),
    placebo("a byte that nothing reads", 48),
)
