"""Seaquest: four lanes, which count from the lowest, of enemies, and divers or missiles between."""

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
    unchecked,
)

PLAYER_X, PLAYER_Y, SURFACE = 70, 97, 13
ENEMIES, SWARM = 30, 36  # columns; which of three, 16 columns apart, are there: bits 4, 2, 1
FLOATING, SUBMARINE = 71, 89  # a diver or, where the enemy is a submarine, its missile
OXYGEN, MISSILE = 102, 103
GONE = 161  # a missile that leaves the screen; the game makes it 0 after which FIRE shoots another


def _player(ram: np.ndarray) -> tuple[Box, ...]:
    """And what it shoots, which comes from there."""
    return (Box(int(ram[PLAYER_Y]) + 32, int(ram[PLAYER_X]), 12, 16), *_missile(ram))


def _under_water(ram: np.ndarray) -> tuple[Box, ...]:
    return _player(ram) if ram[PLAYER_Y] > SURFACE + 16 else ()


def _enemies(lane: int) -> Place:
    def place(ram: np.ndarray) -> list[Box]:
        x, swarm = int(ram[ENEMIES + lane]), ram[SWARM + lane]
        columns = [(x + after) % 256 for bit, after in ((4, 0), (2, 16), (1, 32)) if swarm & bit]
        return [Box(141 - 24 * lane, column, 12, 8) for column in columns if column < 160]

    return place


def _floating(lane: int, missile: bool) -> Place:
    def place(ram: np.ndarray) -> tuple[Box, ...]:
        x = int(ram[FLOATING + lane])
        armed = 4 <= ram[SUBMARINE + lane] % 8 < 7
        return (Box(141 - 24 * lane, x, 12, 10),) if 0 < x < 160 and armed == missile else ()

    return place


def _missile(ram: np.ndarray) -> tuple[Box, ...]:
    """Across the screen: it is fast."""
    return (Box(int(ram[PLAYER_Y]) + 36, 8, 8, 152),) if 0 < ram[MISSILE] < 160 else ()


def _oxygen(ram: np.ndarray) -> tuple[Box, ...]:
    return (Box(170, 49, 5, 64),) if ram[OXYGEN] > 16 else ()


def _of_lane(lane: int) -> Table:
    what, swarm = f"lane {lane + 1}", SWARM + lane
    enemies, diver = _enemies(lane), _floating(lane, False)
    return (
        moved(
            "enemies",
            "right",
            f"enemies of {what} 16 columns on",
            shift(ENEMIES + lane, by=16),
            enemies,
        ),
        removed("enemies", f"no enemies in {what}", put({swarm: 0}), enemies),
        moved(
            "divers",
            "right",
            f"the diver of {what} 16 columns on",
            shift(FLOATING + lane, by=16),
            diver,
        ),
        removed("divers", f"no diver in {what}", put({FLOATING + lane: 0}), diver),
        removed(
            "enemy missiles",
            f"no enemy missile in {what}",
            put({FLOATING + lane: 0}),
            _floating(lane, True),
        ),
    )


EDITS: Table = (
    moved("player", "left", "the player 16 columns to the left", shift(PLAYER_X, by=-16), _player),
    moved("player", "right", "the player 16 columns to the right", shift(PLAYER_X, by=16), _player),
    moved("player", "up", "the player 16 rows up", shift(PLAYER_Y, by=-16), _under_water),
    *(edit for lane in range(4) for edit in _of_lane(lane)),
    Edit("player missile", "remove", "no missile", put({MISSILE: GONE}), _missile, unchecked),
    moved("oxygen", "left", "a quarter of the oxygen less", shift(OXYGEN, by=-16), _oxygen),
    placebo("a byte that nothing reads", 40),
)
