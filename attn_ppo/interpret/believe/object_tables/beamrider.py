"""BeamRider: the enemies are what is neither the player, nor a beam, nor a missile.

The player fires orange rings, and torpedoes of the purple of the enemies' missiles, which are told
apart by the flying shot's row in memory. When the player is hit the whole screen flashes. Addresses
of the player's and the shot's place: OCAtari (Delfosse et al. 2023); the offsets were measured.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

TOP, SPACE, SHIP, LIVES = slice(32, 43), slice(43, 164), slice(164, 182), slice(182, 191)  # rows
BLACK, DIGITS, BEAM, RINGS, PURPLE, PINK, YELLOW = 0, 42, 164, 54, 104, 86, 26
COUNT, TORPEDOES = (212, 218), 98  # how many enemies and torpedoes are left
PLAYER = (YELLOW, *range(66, 80, 2), *range(96, 112, 2))  # the tips change, red when it is hit
PLAYER_X, SHOT_Y = 41, 32
SHOT = (-68, -36)  # rows that a shot takes, beside its place in memory


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    ram = ram.astype(int)
    ground = np.median(screens[:, 186, 8:], 1).astype(np.uint8)[:, None, None]
    seen = (screens != ground) & (screens != BLACK)
    seen[:, :, :8] = False
    beams = coloured(screens, [BEAM], slice(43, 182)) & seen
    # 26 at 94, the leftmost place, and three columns for two from there on
    left = 26 + (ram[:, PLAYER_X] - 94) * 3 // 2
    place = boxes(screens, np.full(len(screens), SHIP.start), left, (18, 16), slack=4)
    player = coloured(screens, PLAYER, SHIP) & place & seen
    purple = coloured(screens, [PURPLE], SPACE) & seen
    rows = np.arange(screens.shape[1]) - ram[:, SHOT_Y, None]
    torpedoes = purple & ((rows >= SHOT[0]) & (rows <= SHOT[1]))[:, :, None]
    mine = (coloured(screens, [RINGS], slice(43, 182)) & seen) | torpedoes
    theirs = (coloured(screens, [PINK], slice(43, 182)) & seen) | (purple & ~torpedoes)
    shown = coloured(screens, [*COUNT, TORPEDOES], TOP) | coloured(screens, [DIGITS], slice(0, 32))
    rest = coloured(screens, range(256), slice(TOP.start, SPACE.stop)) & seen
    return {
        "player": player,
        "enemies": rest & ~(beams | mine | theirs | shown),
        "player missile": mine,
        "enemy missiles": theirs,
        "beams": beams,
        "score": (shown | coloured(screens, [YELLOW], LIVES)) & seen,
    }
