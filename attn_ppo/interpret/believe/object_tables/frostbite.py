"""Frostbite: objects have colours of their own, but the player's coat is as grey as the igloo.

The shore is grey by day and dark at night, from the fifth igloo on, and the bear white instead of
grey. Addresses of the player's place: Anand et al. 2019; the offsets were measured.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

DISPLAY, SHORE, WATER, BOTH = slice(0, 33), slice(42, 77), slice(78, 186), slice(42, 186)  # rows
GREY, BLACK, DIGITS = 6, 0, 142
PLAYER = (22, 36, 54)  # boots, hood, face
FLOES = (12, 152)  # blue when the player has been on them
BEAR = (4, 12)
ENEMIES = (142, 56, 26)  # geese, crabs, clams
FISH = 202
PLAYER_X, PLAYER_Y = 102, 100
SIZE, SLACK = (18, 8), 3
IGLOO, DOOR = (slice(33, 58), slice(110, 146)), (slice(47, 56), slice(122, 134))  # rows, columns


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    ram = ram.astype(int)
    place = boxes(screens, ram[:, PLAYER_Y] + 29, ram[:, PLAYER_X], SIZE, slack=SLACK)
    body = coloured(screens, PLAYER, BOTH)
    coat = coloured(screens, [GREY], BOTH) & place & _anywhere(body)
    igloo = coloured(screens, [GREY], *IGLOO) & ~coat
    return {
        "player": body | coat,
        "floes": coloured(screens, FLOES, WATER),
        "igloo": igloo | (coloured(screens, [BLACK], *DOOR) & _anywhere(igloo)),
        "bear": coloured(screens, BEAR, SHORE),
        "enemies": coloured(screens, ENEMIES, WATER),
        "fish": coloured(screens, [FISH], WATER),
        "score": coloured(screens, [DIGITS], DISPLAY),
    }


def _anywhere(mask: np.ndarray) -> np.ndarray:
    """(T, 1, 1) whether there is any of it on a screen."""
    return np.asarray(mask.any((1, 2)))[:, None, None]
