"""Enduro: from sunrise over snow, dusk, night and fog to sunrise, other cars alone have a hue.

The player's car and the lines of the road are grey at all hours; the car's place is in memory (its
addresses and offsets were measured). By night the other cars are two red lights, in fog unseen far
away.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

SKY, FIELD, PANEL = slice(40, 51), slice(51, 155), slice(161, 191)  # rows
COLUMNS, PANEL_COLUMNS = slice(8, 160), slice(48, 112)
PLAYER, LINES, GREYS, PANEL_RED = 10, (2, 4, 6, 8, 10), range(0, 16, 2), 66
PLAYER_X, PLAYER_Y = 46, 52  # X: two for a pixel to the left of the middle, signed
SIZE, SLACK = (11, 16), 3


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    sky = _unlike_most(screens, SKY)
    ground = np.median(screens[:, 52, COLUMNS], 1)[:, None, None]
    field = coloured(screens, range(256), FIELD, COLUMNS) & (screens != ground)
    left = 78 - ram[:, PLAYER_X].astype(np.int8).astype(int) // 2
    place = boxes(screens, ram[:, PLAYER_Y].astype(int) + 89, left, SIZE, slack=SLACK)
    player = coloured(screens, [PLAYER], FIELD) & place
    return {
        "player": player,
        "cars": field & ~coloured(screens, GREYS),
        "road": field & coloured(screens, LINES) & ~player,
        "horizon": sky,
        "score": coloured(screens, set(range(256)) - {PANEL_RED}, PANEL, PANEL_COLUMNS),
    }


def _unlike_most(screens: np.ndarray, rows: slice) -> np.ndarray:
    """The pixels of these rows that are not of the colour of more than half of their row."""
    mask = np.zeros(screens.shape, bool)
    part = screens[:, rows, COLUMNS]
    mask[:, rows, COLUMNS] = part != np.median(part, -1)[..., None]
    return mask
