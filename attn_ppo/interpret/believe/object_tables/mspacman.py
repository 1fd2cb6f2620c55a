"""MsPacman: ghosts by colour and, where they are frightened and all alike, by place.

Places' addresses: Anand et al. 2019; the offsets were measured. Of ghosts at one height only some
are drawn in a frame, in turn. Of an eaten ghost the eyes are left, of its own colour.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

MAZE, BELOW = slice(0, 171), slice(171, 210)  # rows
PLAYER, BLACK = 42, 0
FRIGHTENED = (150, 12)  # blue, and white when that is about to end
GHOSTS = {"blinky": (70, 9, 15), "pinky": (88, 8, 14), "inky": (184, 7, 13), "sue": (38, 6, 12)}
PLAYER_XY, FRUIT_XY = (10, 16), (11, 17)
SIZE, SLACK = (10, 8), 2
PILLS = [
    (row, column) for row in range(7, 171, 12) for column in (*range(8, 80, 8), *range(84, 156, 8))
]
POWER_PILLS = [(15, 8), (14, 148), (147, 8), (146, 148)]


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    ram = ram.astype(int)
    wall = screens[:, 1, 80, None, None]  # its colour: each maze has another, white when it is done
    maze = np.zeros(screens.shape, bool)
    maze[:, MAZE] = screens[:, MAZE] == wall
    pills, power_pills = (
        maze & _alone(maze, PILLS, (2, 4)),
        maze & _alone(maze, POWER_PILLS, (7, 4)),
    )
    player = coloured(screens, [PLAYER], MAZE) & _place(screens, ram, *PLAYER_XY)
    afraid = coloured(screens, FRIGHTENED, MAZE)
    ghosts = {
        name: (coloured(screens, [colour], MAZE) | (afraid & _place(screens, ram, x, y))) & ~maze
        for name, (colour, x, y) in GHOSTS.items()
    }
    ground = np.median(screens[:, 4, 8:152], 1).astype(np.uint8)[:, None, None]
    fruit = _place(screens, ram, *FRUIT_XY) & (ram[:, FRUIT_XY[0]] > 0)[:, None, None]
    fruit &= ~(maze | player | np.any(list(ghosts.values()), 0))
    return {
        "player": player,
        **ghosts,
        "pills": pills,
        "power pills": power_pills,
        "fruit": fruit & (screens != ground) & (screens != BLACK),
        "walls": maze & ~pills & ~power_pills,
        "score": coloured(screens, range(1, 256), BELOW),
    }


def _place(screens: np.ndarray, ram: np.ndarray, x: int, y: int) -> np.ndarray:
    """Where an object of which these are the addresses can be drawn."""
    return boxes(screens, ram[:, y] + 1, ram[:, x] - 12, SIZE, slack=SLACK)


def _alone(maze: np.ndarray, places: list[tuple[int, int]], size: tuple[int, int]) -> np.ndarray:
    """Those of the places, of one size, that have nothing of the maze right above and below."""
    height, width = size
    mask = np.zeros_like(maze)
    for row, column in places:
        columns = slice(column, column + width)
        joined = np.asarray(maze[:, [row - 1, row + height], columns].any((1, 2)))
        mask[:, row : row + height, columns] = ~joined[:, None, None]
    return mask
