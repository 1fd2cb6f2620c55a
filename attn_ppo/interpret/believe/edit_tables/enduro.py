"""Enduro: seven slots of other cars, the nearest at 27; a car's side of the road is a bit."""

import numpy as np

from attn_ppo.interpret.believe.edit_kinds import (
    Box,
    Bytes,
    Edit,
    Place,
    Table,
    moved,
    placebo,
    removed,
    shift,
)

SIDE = 16  # the bit
PLAYER, HILLS = 46, 54
NEAR, FAR = range(27, 30), range(30, 34)
ROWS = {NEAR: Box(93, 8, 62, 152), FAR: Box(52, 8, 60, 152)}


def _cars(slots: range) -> Place:
    return lambda ram: (ROWS[slots],) if ram[slots.start : slots.stop].any() else ()


def _each(slots: range, change: int | None) -> Bytes:
    """Of the cars that are there: none any more, or with these bits turned over."""

    def poke(ram: np.ndarray) -> dict[int, int]:
        cars = {slot: int(ram[slot]) for slot in slots if ram[slot]}
        return {slot: 0 if change is None else car ^ change for slot, car in cars.items()}

    return poke


def _cars_edits(slots: range, where: str) -> tuple[Edit, Edit]:
    place = _cars(slots)
    return (
        moved(
            "cars",
            "across",
            f"the {where} cars on the road's other side",
            _each(slots, SIDE),
            place,
        ),
        removed("cars", f"no {where} cars", _each(slots, None), place),
    )


def _road(_: np.ndarray) -> tuple[Box, ...]:
    return (Box(51, 8, 104, 152),)


def _hills(_: np.ndarray) -> tuple[Box, ...]:
    return (Box(45, 8, 6, 152),)


EDITS: Table = (
    *_cars_edits(NEAR, "near"),
    *_cars_edits(FAR, "far"),
    moved(
        "player",
        "left",
        "the player's car 4 columns to the left, the road 8 to the right",
        shift(PLAYER, by=8),
        _road,
    ),
    moved(
        "player",
        "right",
        "the player's car 4 columns to the right, the road 8 to the left",
        shift(PLAYER, by=-8),
        _road,
    ),
    moved("horizon", "right", "the mountains 16 columns to the right", shift(HILLS, by=16), _hills),
    placebo("a byte that nothing reads", 65),
)
