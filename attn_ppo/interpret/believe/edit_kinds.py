"""What an edit of the game's memory is, and the kinds of which the tables are made.

Edit, Box · moved, removed, frozen, recoloured, placebo · following.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from attn_ppo.interpret.play.screens import Poke


class Box(NamedTuple):
    """A rectangle of the screen, in its pixels."""

    top: int
    left: int
    height: int
    width: int


Place = Callable[[np.ndarray], Sequence[Box]]  # (128,) memory -> where the object is drawn


class Edit(NamedTuple):
    """A change of one object, which the game itself draws.

    `poke` says what to write before a frame, from the memory (128,) that the *unedited* game has
    before the same frame: a moved object keeps its course, and a shift doesn't add up.
    """

    object: str  # its name, as in objects.py
    kind: str  # move_*, freeze, remove, recolour or placebo
    about: str  # in words
    poke: Poke
    place: Place  # nothing where the object isn't on the screen
    goal: Poke  # what the game should then hold after the frame; nothing where that isn't checked


Table = tuple[Edit, ...]
Bytes = Callable[[np.ndarray], dict[int, int]]


def moved(
    name: str,
    direction: str,
    about: str,
    poke: Poke,
    place: Place,
    goal: Poke | None = None,
) -> Edit:
    """The object elsewhere, on a course alike."""
    return Edit(name, f"move_{direction}", about, poke, place, goal or poke)


def removed(name: str, about: str, poke: Poke, place: Place) -> Edit:
    return Edit(name, "remove", about, poke, place, poke)


def frozen(name: str, about: str, addresses: Sequence[int], place: Place) -> Edit:
    """The object stays where it was before the first of the frames: see `following`."""
    return Edit(name, "freeze", about, lambda ram: kept(ram, addresses), place, unchecked)


def recoloured(name: str, about: str, colours: Mapping[int, int], place: Place) -> Edit:
    """The object in other colours, which the game writes anew before each frame."""
    return Edit(name, "recolour", about, lambda _: colours, place, unchecked)


def placebo(about: str, address: int) -> Edit:
    """A byte that draws nothing and that no one reads: every bit of it is turned over."""

    def poke(ram: np.ndarray) -> dict[int, int]:
        return {address: 255 - int(ram[address])}

    return Edit("", "placebo", about, poke, nowhere, unchecked)


def shift(*addresses: int, by: int) -> Bytes:
    """What writes these bytes plus `by`."""
    return lambda ram: {address: int(ram[address]) + by for address in addresses}


def put(values: dict[int, int]) -> Bytes:
    """What writes always the same."""
    return lambda _: values


def kept(ram: np.ndarray, addresses: Sequence[int]) -> dict[int, int]:
    """These addresses as they are."""
    return {address: int(ram[address]) for address in addresses}


def unchecked(_: np.ndarray) -> dict[int, int]:
    return {}


def nowhere(_: np.ndarray) -> tuple[Box, ...]:
    return ()


def following(edit: Edit, before: Sequence[np.ndarray]) -> Poke:
    """The edit for the frames of a branch; `before` is the unedited game's memory before each.

    It acts in those frames in which the object is on the screen.
    """
    frames = iter(before)

    def poke(_: np.ndarray) -> Mapping[int, int]:
        ram = next(frames)
        if edit.kind == "placebo":
            return edit.poke(ram)
        if not edit.place(ram):
            return {}
        return edit.poke(before[0] if edit.kind == "freeze" else ram)

    return poke
