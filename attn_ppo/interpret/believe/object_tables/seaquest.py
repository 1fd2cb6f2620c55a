"""Seaquest: four lanes, each with enemies of one colour at a time, which memory holds.

Divers and enemy missiles have one colour, and a place in memory that they share: missiles come of
submarines. Addresses: Anand et al. 2019 and OCAtari (Delfosse et al. 2023); the offsets, and the
addresses of the lanes' colours, were measured.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

SEA, WATER, PANEL = slice(56, 160), slice(45, 160), slice(164, 188)  # rows; water with surface
HORIZON = 55  # a black line
LANES = [slice(136 - 24 * lane, 160 - 24 * lane) for lane in range(4)]  # from the lowest
YELLOW, BLUE, BLACK, PATROL = 24, 134, 0, 8
FLASHING = (14, 148, 150, 152, 154, 156)  # the player's when it explodes, and black
OXYGEN = (12, 50)
PLAYER_X, PLAYER_Y = 70, 97
ENEMY_COLOUR, KIND, DIVER_X = 44, 89, 71  # of the lowest lane; the others follow


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    ram = ram.astype(int)
    place = boxes(screens, ram[:, PLAYER_Y] + 31, ram[:, PLAYER_X], (14, 16), slack=2)
    yellow = coloured(screens, [YELLOW], WATER)
    dark = coloured(screens, [BLACK], WATER, slice(8, 160))
    dark[:, HORIZON] = False
    enemies = coloured(screens, [PATROL], WATER)
    divers, missiles = np.zeros((2, *screens.shape), bool)
    blue = coloured(screens, [BLUE], SEA)
    for lane, rows in enumerate(LANES):
        enemies[:, rows] |= screens[:, rows] == ram[:, ENEMY_COLOUR + lane, None, None]
        submarines = (ram[:, KIND + lane] % 8 >= 4)[:, None, None]
        top = np.full(len(screens), rows.start)
        drawn = blue & boxes(screens, top, ram[:, DIVER_X + lane], (16, 8), slack=1)
        divers |= drawn & ~submarines
        missiles |= drawn & submarines
    return {
        "player": (yellow | coloured(screens, FLASHING, WATER) | dark) & place,
        "enemies": enemies,
        "divers": divers,
        "player missile": yellow & ~place,
        "enemy missiles": missiles,
        "oxygen": coloured(screens, OXYGEN, PANEL),
        "score": coloured(screens, [26], slice(0, 32)) | coloured(screens, [130], PANEL),
    }
