"""Changed games that a person would play as well or better: does the agent?

changes_of -> the changes of a game · stressed -> (games,) scores. Each of CHANGES was looked at on
screen. The variants are those of the field: sticky actions (Machado et al. 2018), other starts
(Nair et al. 2015), an object recoloured, held back or gone (HackAtari, Delfosse et al. 2024).
"""

from collections.abc import Callable, Mapping

import numpy as np

from attn_ppo.config import ProtocolSettings
from attn_ppo.interpret.believe.edit_tables import breakout, mspacman, seaquest
from attn_ppo.interpret.believe.games import UNCHANGED, Change, PlainGames, play
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.screens import Paint, Poke

# Addresses that the tables of edits don't have, verified here. Breakout: the ball's speeds are
# signed bytes, 1 and -1 the slowest; the colours of six rows of bricks, from below.
SPEED_DOWN, SPEED_LEFT, BRICKS = 103, 105, range(64, 70)
BLINKY_Y = 12 + mspacman.GHOSTS.index("blinky")
GHOSTS, FLOES = (38, 70, 88, 184), 12  # their numbers in the palette; floes yet to be visited
ENEMIES = range(44, 48)  # Seaquest: the colours of the four lanes
FULL = 64  # its tank
GRASS, SKY = 2, 108  # colours of Enduro's and BeamRider's ground
YELLOW, OLIVE, BLUE = 0x1C, 0x12, 0x82  # the palette's numbers
WHITE, MIDDLE = 236, 128  # grey values


def always(values: Mapping[int, int]) -> Callable[[], Poke]:
    """Writes the same bytes before each frame."""
    return lambda: lambda _: values


def shown_as(numbers: tuple[int, ...], grey: int) -> Paint:
    """What has these numbers in the palette, in another grey."""
    return lambda screen, greys: np.where(np.isin(screen, numbers), np.uint8(grey), greys)


def slow_ball(ram: np.ndarray) -> dict[int, int]:
    """Keeps the ball at its slowest, in either direction."""
    return {
        address: 1 if ram[address] < 128 else 255
        for address in (SPEED_DOWN, SPEED_LEFT)
        if 1 < ram[address] < 255
    }


def endless_oxygen(ram: np.ndarray) -> dict[int, int]:
    """Fills the tank under water."""
    return {seaquest.OXYGEN: FULL} if ram[seaquest.PLAYER_Y] > seaquest.SURFACE else {}


MOVES = {"MsPacman": 320}  # emulator frames of random moves; its first 270 are a tune
FEW = 60
STICKY = Change(
    "sticky actions",
    "a press is kept for another frame with a chance of 1/4",
    protocol={"sticky_actions": 0.25},
)
DIMMER = Change(
    "dimmer picture",
    "the network's input has 3/4 of its brightness",
    paint=lambda _, greys: (greys * 0.75).astype(np.uint8),
)
CHANGES: dict[str, tuple[Change, ...]] = {
    "Breakout": (
        Change(
            "yellow bricks",
            "all bricks in bright yellow, in the game's memory",
            poke=always(dict.fromkeys(BRICKS, YELLOW)),
        ),
        Change(
            "yellow ball",
            "ball and paddle in bright yellow, in the game's memory",
            poke=always({breakout.RED: YELLOW}),
        ),
        Change("slower ball", "the ball never speeds up", poke=lambda: slow_ball),
    ),
    "MsPacman": (
        Change(
            "white ghosts",
            "the ghosts white in the network's input while they chase",
            paint=shown_as(GHOSTS, WHITE),
        ),
        Change(
            "missing ghost",
            "Blinky is kept below the screen",
            poke=always({BLINKY_Y: mspacman.UNDER}),
        ),
    ),
    "Frostbite": (
        Change(
            "grey floes",
            "white floes are grey in the network's input",
            paint=shown_as((FLOES,), MIDDLE),
        ),
    ),
    "Seaquest": (
        Change(
            "yellow enemies",
            "sharks and submarines in yellow, in the game's memory",
            poke=always(dict.fromkeys(ENEMIES, YELLOW)),
        ),
        Change("endless oxygen", "the tank is always full", poke=lambda: endless_oxygen),
    ),
    "Enduro": (
        Change(
            "olive grass", "by day and night, in the game's memory", poke=always({GRASS: OLIVE})
        ),
    ),
    "BeamRider": (
        Change("blue sky", "in place of black, in the game's memory", poke=always({SKY: BLUE})),
    ),
}


def changes_of(game: str, protocol: ProtocolSettings) -> tuple[Change, ...]:
    """The changes of a game: of its start, its protocol and, of games not in CHANGES, its picture.

    Actions that stick already are no change.
    """
    sticky = () if protocol.sticky_actions else (STICKY,)
    return (shifted_start(game), *sticky, *CHANGES.get(game, (DIMMER,)))


def shifted_start(game: str) -> Change:
    """Random moves, too few to lose a life, before FIRE and the usual no-ops."""
    moves = MOVES.get(game, FEW)
    return Change("shifted start", f"{moves} frames of random moves come first", moves=moves)


def stressed(
    agent: OpenAgent,
    change: Change = UNCHANGED,
    *,
    games: int,
    seed: int = 0,
    on_game: Callable[[], object] = lambda: None,
) -> np.ndarray:
    """(games,) raw scores of whole games, changed; column by column the same for every change:

    the game's seed, its no-ops and the random numbers by which actions are sampled.
    """
    settings = agent.settings
    changed = PlainGames(
        settings.env, num_envs=games, seed=seed, protocol=settings.protocol, change=change
    )
    return play(changed, lambda obs, _: agent.model(obs).policy, seed=seed, on_game=on_game)
