"""Each game's masks on recorded screens (object_screens.py), against hand counts and other means.

The other means: boxes placed by the memory after each of the two frames that a screen shows, the
memory's bits of bricks, a colour's saturation, connected components, sliding windows. Boxes hold
nothing against masks that flicker or are partly hidden: their IoU is what it is, and is pinned.
"""

from functools import lru_cache

import numpy as np
import pytest
from object_screens import FOLDER, RECIPES, played
from scipy import ndimage

from attn_ppo.interpret.believe.object_tables import TABLES
from attn_ppo.interpret.believe.objects import find_objects, present, screen_masks

SIZE = (210, 160)


@lru_cache
def fixture(game: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{game}.npz") as file:
        return dict(file)


@lru_cache
def masks(game: str) -> dict[str, np.ndarray]:
    names, found = screen_masks(game, fixture(game)["screens"], fixture(game)["ram"])
    return dict(zip(names, found.swapaxes(0, 1), strict=True))


def memories(game: str, step: int) -> tuple[np.ndarray, np.ndarray]:
    """After each of the two frames."""
    return fixture(game)["before"][step].astype(int), fixture(game)["ram"][step].astype(int)


def rectangle(top: int, left: int, height: int, width: int) -> np.ndarray:
    filled = np.zeros(SIZE, bool)
    filled[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    return filled


def filled(mask: np.ndarray) -> np.ndarray:
    """The smallest rectangle around a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return mask
    return rectangle(rows[0], columns[0], int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)


def iou(mask: np.ndarray, other: np.ndarray) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def mean_iou(game: str, name: str, other, *, around: bool, steps=None) -> float:
    """Over the steps at which both show something; of rectangles where `around`."""
    values = []
    for step in steps or range(len(fixture(game)["ram"])):
        mask, reference = masks(game)[name][step], other(step)
        if mask.any() and reference.any():
            pair = (filled(mask), filled(reference)) if around else (mask, reference)
            values.append(iou(*pair))
    return float(np.mean(values))


# Game, step, object: rows and columns, first and last, and pixels, counted on the picture.
COUNTED = [
    ("Breakout", 0, "ball", (152, 156, 47, 49), 2 + 3 + 3 + 3 + 2),
    ("Breakout", 0, "paddle", (189, 192, 110, 129), 4 * 20),
    # Its head of 4 and 6, three rows with the eyes, four whole ones of 8, the fringe of 4.
    ("MsPacman", 0, "blinky", (51, 60, 76, 83), 4 + 6 + 4 + 6 + 4 + 4 * 8 + 4),
    ("Frostbite", 11, "bear", (59, 73, 18, 31), 2 + 2 + 8 + 10 + 12 + 3 * 14 + 3 * 10 + 3 * 8 + 12),
    ("Seaquest", 5, "divers", (66, 78, 144, 151), 1 + 1 + 1 + 1 + 1 + 2 + 4 + 2 + 4 + 1 + 1 + 1),
    ("Enduro", 0, "cars", (126, 135, 57, 68), 4 + 12 + 6 + 12 + 10 + 10 + 10 + 10 + 10 + 6),
    (
        "BeamRider",
        0,
        "player",
        (164, 179, 116, 130),
        2 + 2 + 5 + 5 + 5 + 5 + 6 + 6 + 4 + 4 + 4 + 4 + 11 + 11 + 15 + 15,
    ),
]


@pytest.mark.parametrize(("game", "step", "name", "box", "pixels"), COUNTED)
def test_as_counted_on_the_picture(game, step, name, box, pixels):
    mask = masks(game)[name][step]
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == box
    assert mask.sum() == pixels


def either(game: str, boxes):
    """Of a step, the rectangles `boxes(ram)` by the memory after each of its two frames."""

    def reference(step: int) -> np.ndarray:
        return np.any([box for ram in memories(game, step) for box in boxes(ram)], 0)

    return reference


def at(x: int, across: int, y: int, down: int, size: tuple[int, int]):
    """One rectangle: addresses of its place, what is added to them, its height and width."""
    return lambda ram: [rectangle(ram[y] + down, ram[x] + across, *size)]


BOXES = [
    # 2/3 where it flies above the bricks, a row higher than in memory; otherwise 1.
    ("Breakout", "ball", at(99, -49, 101, 9, (4, 2)), 0.974),
    # 0.50 and 0.59 where it is half within the wall, of the same red; 0.81 once; otherwise 1.
    ("Breakout", "paddle", lambda ram: [rectangle(189, ram[72] - 47, 4, 16)], 0.921),
    ("MsPacman", "player", at(10, -12, 16, 1, (10, 8)), 0.823),
    # Blinky is eaten: without the steps 4 to 7, of which the eyes alone are left, 0.91.
    ("MsPacman", "blinky", at(9, -12, 15, 1, (10, 8)), 0.735),
    ("MsPacman", "pinky", at(8, -12, 14, 1, (10, 8)), 0.750),
    ("MsPacman", "inky", at(7, -12, 13, 1, (10, 8)), 0.806),
    ("MsPacman", "sue", at(6, -12, 12, 1, (10, 8)), 0.868),
    ("Frostbite", "player", at(102, 0, 100, 29, (18, 8)), 0.823),
    ("Frostbite", "bear", lambda ram: [rectangle(59, ram[104] + 3, 15, 14)], 0.951),
    # 0.64 on the surface, of which it is shown above alone; 0.07 where it explodes.
    ("Seaquest", "player", at(70, 0, 97, 32, (11, 16)), 0.660),
]


@pytest.mark.parametrize(("game", "name", "boxes", "expected"), BOXES)
def test_where_the_memory_has_it(game, name, boxes, expected):
    assert mean_iou(game, name, either(game, boxes), around=True) == pytest.approx(
        expected, abs=0.005
    )


COPIES = {0: (0,), 1: (0, 16), 2: (0, 32), 3: (0, 16, 32)}  # how the console repeats a sprite
LANES = {  # first row of the lowest lane, rows between lanes
    "Frostbite": (160, 26),
    "Seaquest": (141, 24),
}


def animals(ram: np.ndarray, lane: int) -> list[int]:
    """Left edges of Frostbite's enemies and fish, all 8 wide."""
    return [ram[84 + lane] + away for away in COPIES[ram[88 + lane] & 3]]


def sharks(ram: np.ndarray, lane: int) -> list[int]:
    """Left edges of Seaquest's enemies, all 8 wide: a bit for each of a lane's three."""
    thirds = ((4, 0), (2, 16), (1, 32))
    return [(ram[30 + lane] + away) % 256 for bit, away in thirds if ram[36 + lane] & bit]


@pytest.mark.parametrize(
    ("game", "names", "lefts", "expected"),
    [
        ("Frostbite", ("enemies", "fish"), animals, 0.900),
        ("Seaquest", ("enemies",), sharks, 0.972),
    ],
)
def test_what_is_in_the_lanes_is_in_the_memorys_columns(game, names, lefts, expected):
    first, apart = LANES[game]
    values = []
    for step in range(len(fixture(game)["ram"])):
        mask = np.any([masks(game)[name][step] for name in names], 0)
        for lane in range(4):
            top = first - apart * lane
            there = np.any(
                [
                    rectangle(0, left, 1, 8)[0]
                    for ram in memories(game, step)
                    for left in lefts(ram, lane)
                ]
                or [np.zeros(160, bool)],
                0,
            )
            seen = mask[top - 6 : top + 14].any(0)
            if seen.any() and there.any():
                values.append(iou(seen, there))
    assert np.mean(values) == pytest.approx(expected, abs=0.005)


def bricks_gone(ram: np.ndarray) -> int:
    """Bricks that the memory lacks, two bits each, beside the whole wall of step 0."""
    whole, now = (np.unpackbits(each[:36]).sum() for each in (fixture("Breakout")["ram"][0], ram))
    return (int(whole) - int(now)) // 2


def test_bricks_are_those_of_the_memory():
    gone = [bricks_gone(ram) for ram in fixture("Breakout")["ram"]]
    assert gone[8] == 4
    pixels = masks("Breakout")["bricks"].sum((1, 2))
    assert pixels.tolist() == [(6 * 18 - each) * 6 * 8 for each in gone]


def test_pills_of_a_maze_as_it_begins():
    assert masks("MsPacman")["pills"][0].sum() == 150 * 2 * 4
    assert masks("MsPacman")["power pills"][0].sum() == 2 * 7 * 4  # the other two are drawn in turn


def saturated(step: int) -> np.ndarray:
    """What has a hue and isn't the ground, between the mountains and the dashboard."""
    screen, palette = fixture("Enduro")["screens"][step], fixture("Enduro")["palette"].astype(int)
    hue = np.ptp(palette[screen], -1) > 30
    hue[:51], hue[155:], hue[:, :8] = False, False, False
    return hue & (screen != screen[52, 20])


def fullest_window(step: int) -> np.ndarray:
    """The greys of the 11 by 16 pixels near the bottom that have most of the car's grey."""
    grey = fixture("Enduro")["screens"][step] == 10
    corners = [(row, column) for row in range(136, 145) for column in range(8, 145)]
    windows = [rectangle(*corner, 11, 16) for corner in corners]
    return grey & max(windows, key=lambda window: (grey & window).sum())


def largest_component(step: int) -> np.ndarray:
    """Of what is neither ground nor beam in the ship's rows."""
    screen = fixture("BeamRider")["screens"][step]
    free = ~np.isin(screen, (0, 164, screen[186, 60]))
    free[:162], free[182:] = False, False
    labels = np.asarray(ndimage.label(free, np.ones((3, 3)))[0])  # pyright: ignore
    return labels == np.bincount(labels[labels > 0]).argmax()


@pytest.mark.parametrize(
    ("game", "name", "reference", "expected"),
    [
        ("Enduro", "cars", saturated, 1.0),
        ("Enduro", "player", fullest_window, 0.997),
        ("BeamRider", "player", largest_component, 1.0),
    ],
)
def test_pixel_by_pixel(game, name, reference, expected):
    assert mean_iou(game, name, reference, around=False) == pytest.approx(expected, abs=0.005)


def colours(game: str, name: str, step: int) -> set[int]:
    return set(fixture(game)["screens"][step][masks(game)[name][step]].tolist())


def test_later_phases():
    white, blue, red = 12, 150, 70
    assert [colours("MsPacman", "blinky", step) for step in (0, 3, 4)] == [{red}, {blue}, {red}]
    assert colours("MsPacman", "inky", 8) == {184}  # eaten: its eyes, 16 pixels
    assert masks("MsPacman")["inky"][8].sum() == 16
    assert colours("Breakout", "ball", 13) == {6}  # grey above the bricks
    assert masks("Breakout")["walls"].sum((1, 2)).tolist() == [5016] * 14
    pink, violet = 74, 138  # and white when all is eaten
    assert set(fixture("MsPacman")["screens"][:, 1, 80].tolist()) == {pink, white, violet}
    assert masks("MsPacman")["walls"][:, 1, 80].tolist() == [True] * 14
    assert [colours("Frostbite", "bear", step) for step in (11, 12)] == [{4}, {white}]  # by night
    lanes = [colours("Seaquest", "enemies", step) for step in (3, 8, 9, 12)]
    assert lanes == [{200}, {88}, {8}, {200}]
    seen = {name: each.any((1, 2)).tolist() for name, each in masks("Enduro").items()}
    for name in ("player", "cars", "road"):  # in snow, at dusk, by night and in fog
        assert seen[name] == [True] * 14
    assert seen["horizon"] == [True] * 10 + [False, False, True, True]  # not in fog
    assert colours("BeamRider", "player missile", 1) == {104}  # torpedoes, of enemies' purple
    assert not masks("BeamRider")["enemy missiles"][1].any()
    flash = {name: each[13].sum() for name, each in masks("BeamRider").items()}
    assert flash["enemies"] == flash["player missile"] == 0
    assert flash["player"] == 90  # its red halves


@pytest.mark.parametrize("game", TABLES)
def test_each_class_is_seen_somewhere(game):
    screens, ram = fixture(game)["screens"], fixture(game)["ram"]
    objects = find_objects(game, screens, ram)
    assert objects.method == "palette and memory"
    assert len(screens) == 14
    seen = np.array([[bool(each.any()) for each in mask] for mask in masks(game).values()])
    assert (present(objects) == seen.T).all()
    assert objects.names == tuple(masks(game))
    assert seen.any(1).tolist() == [True] * len(objects.names)


@pytest.mark.parametrize(
    "game",
    ["MsPacman", *(pytest.param(g, marks=pytest.mark.slow) for g in RECIPES if g != "MsPacman")],
)
def test_the_screens_can_be_made_again(game):
    again = played(game)
    assert all((again[name] == fixture(game)[name]).all() for name in ("screens", "ram", "before"))
