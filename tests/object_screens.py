"""Plays games to many kinds of moment and keeps a few screens: `python tests/object_screens.py`.

Writes tests/fixtures/objects/<game>.npz: screens, the memory after each, the memory a frame
earlier (a screen shows both frames), the palette. Presses are drawn from a seeded generator; what
they would reach too late, later mazes, sectors and igloos, is written into the game's memory.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attn_ppo.config import ProtocolSettings
from attn_ppo.interpret.play.screens import Screens

FOLDER = Path(__file__).parent / "fixtures" / "objects"
PROTOCOL = ProtocolSettings(
    sticky_actions=0, noop_max=30, life_loss_ends_episode=True, press_fire=True
)
SEED, FRAMES = 1, 20  # of no-ops at the beginning


class Recipe(NamedTuple):
    """How a game is played, and which steps of it are kept."""

    keep: tuple[int, ...]
    presses: tuple[str, ...] = ()  # drawn from; by default from all
    hold: int = 1  # steps that a press lasts
    poke: Callable[[int, np.ndarray], Mapping[int, int]] = lambda _step, _ram: {}


def breakout(step: int, _ram: np.ndarray) -> dict[int, int]:
    """The ball above the bricks."""
    return {101: 25} if step == 562 else {}


def mspacman(step: int, ram: np.ndarray) -> dict[int, int]:
    """A fruit, then onto a power pill, onto blinky; later the dots are eaten: the next mazes."""
    if step < 60:
        return {11: 60, 17: 98} if step > 40 else {}
    if step in (77, 78):
        return {10: 18, 16: 14}
    if step == 82:
        return {10: ram[9], 16: ram[15]}
    lives = {123: (int(ram[123]) & 0xF0) | 3}  # the upper half is the maze's number
    return lives | ({119: 153} if step > 200 and step % 120 == 110 else {})


def frostbite(step: int, ram: np.ndarray) -> dict[int, int]:
    """Lives; a finished igloo after 220 of 300 steps, and the player at its door."""
    phase = step % 300
    poke = {76: 3}
    if step % 40 == 0 and phase < 200:
        poke[101] = 0x45  # degrees
    if phase == 220:
        poke[77] = 15
    if 220 <= phase < 250 and ram[100] < 30:
        poke[102] = 124
    return poke


def seaquest(step: int, _ram: np.ndarray) -> dict[int, int]:
    """Lives and oxygen, every 400 steps a later wave; at last a patrol on the surface."""
    poke = {59: 3, 60: 2 if step > 1600 else 0}
    if step % 20 == 0 and step % 400 < 250:
        poke[102] = 64
    if step % 400 == 300:
        poke[61] = step // 400 * 2
    return poke


def beamrider(step: int, _ram: np.ndarray) -> dict[int, int]:
    """Lives; sector 10 from step 700 on."""
    return {5: 3, **({0: 10} if 700 <= step < 720 else {})}


RECIPES = {
    "Breakout": Recipe(
        keep=(2, 20, 40, 60, 110, 150, 170, 190, 260, 285, 371, 420, 560, 565), poke=breakout
    ),
    "MsPacman": Recipe(
        keep=(20, 50, 79, 81, 84, 88, 92, 120, 180, 195, 260, 300, 520, 700), poke=mspacman
    ),
    "Frostbite": Recipe(
        keep=(20, 120, 240, 700, 730, 1115, 1130, 1290, 1410, 1440, 1880, 1900, 2205, 2500),
        hold=8,
        poke=frostbite,
    ),
    "Seaquest": Recipe(
        keep=(5, 60, 150, 250, 300, 420, 530, 800, 890, 1000, 1290, 1350, 1700, 1760),
        presses=("FIRE", "UPFIRE", "RIGHTFIRE", "LEFTFIRE", "DOWNFIRE", "DOWN", "LEFT", "RIGHT"),
        hold=5,
        poke=seaquest,
    ),
    "Enduro": Recipe(
        keep=(20, 150, 600, 900, 1150, 1350, 1500, 1700, 1900, 2200, 2400, 2700, 2950, 3200),
        presses=(*["FIRE"] * 6, "RIGHTFIRE", "LEFTFIRE", "DOWN"),
        hold=4,
    ),
    "BeamRider": Recipe(
        keep=(60, 130, 228, 300, 325, 388, 420, 500, 560, 650, 718, 742, 754, 760),
        presses=("FIRE", "RIGHTFIRE", "LEFTFIRE", "LEFT", "RIGHT", "UP"),
        hold=4,
        poke=beamrider,
    ),
}


def played(game: str) -> dict[str, np.ndarray]:
    """The arrays of a game's file."""
    recipe, rng = RECIPES[game], np.random.default_rng(SEED)
    screens = Screens(game, PROTOCOL)
    screens.begin(SEED, FRAMES)
    names = [action.name for action in screens._actions]
    allowed = [names.index(press) for press in recipe.presses or names]
    rows, action, before = [], 0, screens.ram

    for step in range(recipe.keep[-1] + 1):
        if step % recipe.hold == 0:
            action = int(rng.choice(allowed))

        def poke(ram: np.ndarray, step: int = step) -> Mapping[int, int]:
            nonlocal before
            before = ram
            return recipe.poke(step, ram)

        screens.step(names.index("UP") if at_door(game, step) else action, poke)
        if step in recipe.keep:
            rows.append((screens.screen, screens.ram, before))
        if screens.over:
            screens.begin(SEED + step, FRAMES)
    shown, after, earlier = (np.stack(column) for column in zip(*rows, strict=True))
    return {"screens": shown, "ram": after, "before": earlier, "palette": screens.palette}


def at_door(game: str, step: int) -> bool:
    """Whether the player of Frostbite is to go into the igloo, or jump back to the shore."""
    phase = step % 300
    return game == "Frostbite" and (220 <= phase < 250 or (phase >= 250 and phase % 6 == 0))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or RECIPES:
        np.savez_compressed(FOLDER / f"{name}.npz", **played(name))  # pyright: ignore[reportArgumentType]
