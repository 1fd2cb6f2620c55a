"""Every edit is seen on the screen: the object's own pixels vanish or go as far as they should."""

import numpy as np
import pytest
from edited import branch_off, edited, moments

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.believe.cause import covered
from attn_ppo.interpret.believe.edit_tables.breakout import brick
from attn_ppo.interpret.believe.edits import EDITS, PLACEBOS, Edit, edits_of, following


def those(*kinds: str) -> list:
    pairs = ((game, edit) for game, edits in EDITS.items() for edit in edits)
    return [
        pytest.param(game, edit, id=f"{game}-{edit.about}")
        for game, edit in pairs
        if edit.kind in kinds
    ]


# Which of the palette's numbers an object has.
COLOURS = {
    "Breakout": {"ball": {70}, "paddle": {70}, "bricks": {70, 198, 54, 38, 22, 134}},
    "MsPacman": {
        "sue": {38},
        "inky": {184},
        "pinky": {88},
        "blinky": {70},
        "player": {42},
        "fruit": {68},
        "pills": {74},
        "power pills": {74},
    },
    "Frostbite": {
        "player": {22, 36, 54},
        "bear": {4},
        "igloo": {6},
        "floes": {12, 152},
        "enemies": {142, 56},
        "fish": {202},
    },
    "Seaquest": {
        "player": {24},
        "player missile": {24},
        "enemies": {200},
        "divers": {134},
        "enemy missiles": {134},
        "oxygen": {12},
    },
    "Enduro": {"player": {10, 192}, "horizon": {20}},
    "BeamRider": {"player": {26}, "player missile": {54, 66, 104}, "enemies": {8, 14}},
}
# How many rows down and columns to the right the pixels of the object go.
WAYS = {
    "left": (0, -16),
    "right": (0, 16),
    "up": (-16, 0),
    ("BeamRider", "player", "left"): (0, -24),
    ("BeamRider", "player", "right"): (0, 24),
}


def found(game: str, edit: Edit, number: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) twice: where the object's colours are, near its places, without and with the edit."""
    colours = list(COLOURS[game][edit.object])
    masks = []
    for branch in edited(game, edit):
        screen = branch.screens[number]
        boxes = edit.place(branch.ram[number])
        masks.append(np.isin(screen, colours) & covered(boxes, screen.shape))
    return masks[0], masks[1]


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def differs(game: str, edit: Edit, number: int = -1) -> np.ndarray:
    plain, branch = edited(game, edit)
    return plain.screens[number] != branch.screens[number]


@pytest.mark.parametrize(("game", "edit"), those("remove"))
def test_what_is_removed_vanishes_and_nothing_else(game, edit):
    plain, branch = edited(game, edit)
    changed = differs(game, edit)
    before, after = plain.screens[-1][changed], branch.screens[-1][changed]
    if edit.object == "cars":  # of any colour; behind them is the road, 192, or its lines, below 16
        assert ((after == 192) | (after < 16)).all()
        return
    colours = list(COLOURS[game][edit.object])
    behind = {"inky": {88}}.get(edit.object, set())  # two ghosts in one place flicker
    assert np.isin(before, colours).mean() > 0.8
    assert not np.isin(after, list(set(colours) - behind)).mean() > 0.2


@pytest.mark.parametrize(("game", "edit"), those("move_left", "move_right", "move_up"))
def test_what_is_moved_goes_as_far_as_it_should(game, edit):
    if (game, edit.object) in (
        ("Enduro", "player"),
        ("BeamRider", "enemies"),
        ("Seaquest", "oxygen"),
    ):
        return  # below
    direction = edit.kind.removeprefix("move_")
    down, right = WAYS.get((game, edit.object, direction), WAYS[direction])
    here, there = found(game, edit)
    inside = np.zeros_like(here)  # what came in or went out at an edge doesn't count
    inside[:, 24:144] = True
    there = there & inside
    agreement = 0.0
    for off in (-1, 0, 1):  # it may have touched something
        shifted = np.roll(here, (down + off * (down != 0), right + off * (right != 0)), (0, 1))
        shifted &= inside
        agreement = max(agreement, (shifted & there).sum() / (shifted | there).sum())
    assert agreement >= 0.9


@pytest.mark.parametrize(("kind", "car", "road"), [("move_left", -4, 8), ("move_right", 4, -8)])
def test_enduro_s_car_and_the_road_go_apart(kind, car, road):
    (edit,) = [e for e in EDITS["Enduro"] if (e.object, e.kind) == ("player", kind)]
    ends = []
    for branch in edited("Enduro", edit):
        drawn = branch.screens[-1][:, 8:] != 192  # not the field; the car has 11 rows, a line one
        car_s = np.flatnonzero(drawn[144:155].sum(0) >= 5)
        road_s = np.flatnonzero(drawn[60])
        ends.append((int(car_s[-1]), int(road_s[-1])))
    assert np.subtract(ends[1], ends[0]).tolist() == [car, road]


@pytest.mark.parametrize("number", range(3))
def test_beamrider_s_enemies_go_to_the_right(number):
    (edit,) = [e for e in EDITS["BeamRider"] if e.about == f"enemy {number + 1} to the right"]
    plain, branch = (each.screens[-1] for each in edited("BeamRider", edit))
    changed = plain != branch
    gone, come = (extent(np.isin(screen, [8, 14]) & changed) for screen in (plain, branch))
    assert gone[:2] == come[:2]  # the rows
    assert 5 <= come[2] - gone[2] <= 24  # nearer to the horizon all is closer together


def test_the_oxygen_is_a_quarter_shorter():
    (edit,) = [edit for edit in EDITS["Seaquest"] if edit.object == "oxygen"]
    here, there = found("Seaquest", edit)
    assert extent(here)[3] - extent(there)[3] == 16  # of 64


@pytest.mark.parametrize(("game", "edit"), those("move_across"))
def test_cars_change_sides_within_their_rows(game, edit):
    plain, branch = (each.screens[-1] for each in edited(game, edit))
    changed = plain != branch
    gone = extent(changed & (branch == 192))  # where the road is now
    come = extent(changed & (plain == 192))
    assert gone[:2] == come[:2]
    assert gone[3] < come[2] or come[3] < gone[2]


@pytest.mark.parametrize(("game", "edit"), those("move_mirrored"))
def test_what_is_mirrored_is_as_far_from_the_middle_of_the_maze(game, edit):
    here, there = (extent(mask & differs(game, edit)) for mask in found(game, edit))
    assert abs(np.subtract(here[:2], there[:2])).max() <= 2
    # The maze has columns 0 to 159; two frames of one step, in which it goes the other way.
    assert abs(here[2] + there[3] - 159) <= 3
    assert abs(here[3] + there[2] - 159) <= 3


@pytest.mark.parametrize(("game", "edit"), those("freeze"))
def test_what_is_frozen_stands_still_where_it_was(game, edit):
    here, there = zip(*(found(game, edit, number) for number in range(4)), strict=True)
    assert len({extent(mask)[:2] for mask in here}) == 4  # the ball flies
    assert len({extent(mask) for mask in there}) == 1
    # 16 frames later, one row or more a frame: the ball is that far from where it stands
    assert abs(extent(here[-1])[0] - extent(there[-1])[0]) >= 15


@pytest.mark.parametrize(("game", "edit"), those("recolour"))
def test_what_is_recoloured_keeps_its_shape(game, edit):
    plain, branch = edited(game, edit)
    changed = differs(game, edit)
    for number in np.unique(plain.screens[-1][changed]):  # one colour becomes one colour
        assert len(np.unique(branch.screens[-1][changed & (plain.screens[-1] == number)])) == 1
    assert np.isin(plain.screens[-1][changed], list(COLOURS[game][edit.object])).all()


@pytest.mark.parametrize(
    ("game", "edit"), those("move_left", "move_right", "move_up", "move_across", "recolour")
)
def test_an_edit_is_seen_in_all_four_frames(game, edit):
    for number in range(4):
        assert differs(game, edit, number).any()


@pytest.mark.parametrize("game", EDITS)
def test_placebos_change_nothing_at_any_moment(game):
    assert PLACEBOS[game]
    for edit in PLACEBOS[game]:
        for moment in moments(game):
            branch = branch_off(moment, following(edit, moment.before))
            assert (branch.obs == moment.plain.obs).all()
            assert (branch.screens == moment.plain.screens).all()


@pytest.mark.parametrize("column", range(1, 19))
def test_each_brick_s_bits(column):
    # bricks are 8 columns wide from column 8 on; row 4's rows are 57 + 3 * 6 = 75 to 80
    plain, branch = edited("Breakout", brick(4, column))
    changed = plain.screens[-1] != branch.screens[-1]
    assert extent(changed) == (75, 80, 8 * column, 8 * column + 7)
    assert changed.all(where=covered_exactly(75, 8 * column))


def covered_exactly(top: int, left: int) -> np.ndarray:
    inside = np.zeros((210, 160), bool)
    inside[top : top + 6, left : left + 8] = True
    return inside


def test_a_game_without_edits_is_told():
    with pytest.raises(ConfigError, match="env=Breakot"):
        edits_of("Breakot")
    assert edits_of("Breakout") == EDITS["Breakout"]
