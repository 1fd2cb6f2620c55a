"""MsPacman: ghosts by colour and, where they are frightened and all alike, by place.

Places' addresses: Anand et al. 2019; the offsets were measured. Of ghosts at one height only some
are drawn in a frame, in turn. Ghosts of which only the eyes are left have red ones, all four.
"""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import boxes, coloured

MAZE, BELOW = slice(0, 171), slice(171, 210)  # rows
PLAYER, RED, BLACK = 42, 70, 0
FRIGHTENED = (150, 12)  # blue, and white when that is about to end
GHOSTS = {"blinky": (RED, 9, 15), "pinky": (88, 8, 14), "inky": (184, 7, 13), "sue": (38, 6, 12)}
PLAYER_XY, FRUIT_XY = (10, 16), (11, 17)
SIZE, SLACK = (10, 8), 2
PILLS = [
    (row, column) for row in range(7, 171, 12) for column in (*range(8, 80, 8), *range(84, 156, 8))
]
POWER_PILLS = [(15, 8), (14, 148), (147, 8), (146, 148)]


def find(screens: np.ndarray, ram: np.ndarray) -> dict[str, np.ndarray]:
    """The masks of screens (T, 210, 160) with memory (T, 128)."""
    wall = screens[:, 1, 80, None, None]  # its colour: each maze has another, white when it is done
    maze = np.zeros(screens.shape, bool)
    maze[:, MAZE] = screens[:, MAZE] == wall
    pills, power_pills = (
        maze & _alone(maze, PILLS, (2, 4)),
        maze & _alone(maze, POWER_PILLS, (7, 4)),
    )
    places = {name: _place(screens, ram, x, y) for name, (_, x, y) in GHOSTS.items()}
    fruit = _place(screens, ram, *FRUIT_XY) & (ram[:, FRUIT_XY[0]] > 0)[:, None, None]
    ground = np.median(screens[:, 4, 8:152], 1).astype(np.uint8)[:, None, None]
    others = coloured(screens, {BLACK, PLAYER, *FRIGHTENED, *(each[0] for each in GHOSTS.values())})
    return {
        "player": coloured(screens, [PLAYER], MAZE),
        **{name: _ghost(screens, name, places) & ~maze for name in GHOSTS},
        "pills": pills,
        "power pills": power_pills,
        "fruit": fruit & ~others & ~maze & (screens != ground),
        "walls": maze & ~pills & ~power_pills,
        "score": ~coloured(screens, [BLACK]) & coloured(screens, range(256), BELOW),
    }


def _place(screens: np.ndarray, ram: np.ndarray, x: int, y: int) -> np.ndarray:
    """Where an object of which these are the addresses can be drawn."""
    return boxes(screens, ram[:, y].astype(int) + 1, ram[:, x].astype(int) - 12, SIZE, slack=SLACK)


def _ghost(screens: np.ndarray, name: str, places: dict[str, np.ndarray]) -> np.ndarray:
    """By its colour, by that of frightened ones at its place, or by red eyes where blinky isn't."""
    own = coloured(screens, [GHOSTS[name][0]], MAZE)
    body = own | (coloured(screens, FRIGHTENED, MAZE) & places[name])
    if name == "blinky":
        elsewhere = np.any([places[other] for other in GHOSTS if other != name], 0)
        return body & (places[name] | ~elsewhere)
    eyes = coloured(screens, [RED], MAZE) & places[name] & ~places["blinky"]
    return np.where(body.any((1, 2))[:, None, None], body, eyes)


def _alone(maze: np.ndarray, places: list[tuple[int, int]], size: tuple[int, int]) -> np.ndarray:
    """Those of the places, of one size, that have nothing of the maze right above and below."""
    height, width = size
    mask = np.zeros_like(maze)
    for row, column in places:
        columns = slice(column, column + width)
        joined = maze[:, [row - 1, row + height], columns].any((1, 2))
        mask[:, row : row + height, columns] = ~joined[:, None, None]
    return mask
