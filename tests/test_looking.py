"""Where attention lies: planted maps, on the ball, even, constant, elsewhere; scores by hand."""

import numpy as np
import pytest

from attn_ppo.interpret.believe.looking import ALL, looking, normalised, worth_of, worths_of
from attn_ppo.interpret.believe.objects import Objects
from attn_ppo.interpret.receptive_field import density_seen, to_input

STEPS = 400
GAMES = np.repeat([0, 1], [250, 150])
TRACK = 12 * np.random.default_rng(5).integers(0, 7, (STEPS, 2))  # a ball of 12 pixels' size
AWAY = 40  # at the last steps it is not seen


def a_ball(track=TRACK, away=AWAY):
    """(T, 84, 84) coverage."""
    coverage = np.zeros((len(track), 84, 84), np.uint8)
    for step, (row, column) in enumerate(track[: len(track) - away]):
        coverage[step, row : row + 12, column : column + 12] = 255
    return coverage


def on_ball(track=TRACK):
    """(T, 7, 7): all weight on the most central cell that sees all of the ball, 12 by 12 pixels."""
    # first pixel 0, 12, .. 72: boxes from 8 i to 8 i + 35 hold pixels p .. p + 11 for the i of
    # 0 | 0 1 | 0 1 2 3 | 2 3 4 | 3 4 5 6 ...: nearest to 3:
    nearest = np.array([0, 1, 3, 3, 3, 5, 6])[track // 12]
    weights = np.zeros((len(track), 7, 7))
    weights[np.arange(len(track)), *nearest.T] = 1
    return weights


def rows_of(attention, coverage=None, games=GAMES, **kwargs):
    """Rows of a map by measure."""
    coverage = a_ball() if coverage is None else coverage
    objects = Objects(("ball",), coverage[:, None], "made up")
    attention = np.broadcast_to(attention, (len(games), 7, 7))[:, None]
    found = looking(attention, objects, games, rng=np.random.default_rng(0), **kwargs)
    return {row.measure: row for row in found}


def on_cells(*weights):
    """(row, column, weight) ... -> (7, 7)."""
    attention = np.zeros((7, 7))
    for row, column, weight in weights:
        attention[row, column] = weight
    return attention


def test_what_a_cell_has_of_the_pixels():
    rng = np.random.default_rng(0)
    weights, pixels = rng.random((7, 7)), rng.random((84, 84))
    expected = (to_input(weights, "density") * pixels).sum()
    assert (weights * density_seen(pixels)).sum() == pytest.approx(expected, rel=1e-5)
    assert density_seen(np.ones((2, 84, 84))) == pytest.approx(np.ones((2, 7, 7)), rel=1e-5)


def test_scores_by_hand():
    # The ball, 1/49 of all pixels, is in the upper left corner. Cell (0, 0) sees all of it, cell
    # (0, 1), from column 8 on, the last 4 of its 12 columns: seen 0.6 + 0.4 / 3 = 0.7333. Both
    # (0, 1) and (1, 0) see 1/3, (1, 1) sees 1/9, which makes (4/3)^2 / 49 = 0.03628 on average.
    # By density, of each 4 pixels 1 1 2 2 3 3 4 4 5 4 5 boxes see: the ball has 1 + 1 + 1/2 of the
    # 4.3667 that row 0's boxes have and 1/2 of the 2.8167 of column 1's: cell (0, 0) has the share
    # 0.57252^2 = 0.32778, cell (0, 1) 0.57252 * 0.17752 = 0.10163: 0.6 and 0.4 of these 0.23732.
    corner = a_ball(np.zeros((3, 2), int), away=1)
    found = rows_of(on_cells((0, 0, 0.6), (0, 1, 0.4)), corner, np.zeros(3, int))
    expected = {
        "share": 0.23732,
        "lift": 11.6287,  # 49 times that
        "seen": 0.73333,
        "normalised seen": 0.72329,  # (0.73333 - 0.03628) / (1 - 0.03628)
        "hit": 1,
        "hit lift": 49,  # no other cell sees half of it
        "normalised hit": 1,
        "steadiness": 1,
    }
    for measure, value in expected.items():
        assert found[measure].value == pytest.approx(value, abs=2e-4), measure
    assert found["share"].defined == pytest.approx(2 / 3)  # it is away at the last of 3 steps
    assert found["share"].controls.best == pytest.approx(0.32778, abs=1e-5)
    # (0.23732 - u) / (0.32778 - u), u = (0.57252 + 0.17752)^2 / 49 = 0.01148
    assert found["normalised share"].value == pytest.approx(0.71400, abs=1e-4)
    other = rows_of(on_cells((0, 0, 0.4), (0, 1, 0.6)), corner, np.zeros(3, int))
    assert other["hit"].value == 0
    assert other["normalised hit"].value == pytest.approx(-1 / 48)


def test_attention_on_the_ball_scores_one():
    found = rows_of(on_ball())
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        row = found[measure]
        assert row.value == pytest.approx(1, abs=1e-9), measure
        assert row.controls.uniform == pytest.approx(0, abs=1e-9)
        assert row.controls.best == pytest.approx(1)
        assert row.controls.shifted == pytest.approx(0, abs=0.05)
        assert row.controls.shifted_high < 0.15
        assert row.controls.as_high == 0
        assert row.controls.random == pytest.approx(0, abs=0.05)
        assert row.controls.fixed < 0.15
    assert found["hit"].value == 1
    assert found["seen"].value == 1
    assert found["lift"].value > 5
    assert found["mutual information"].value > 1.5
    assert found["mutual information"].controls.as_high == 0


def test_even_attention_scores_nothing():
    found = rows_of(np.full((7, 7), 1 / 49))
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        assert found[measure].value == pytest.approx(0, abs=1e-9), measure
        assert found[measure].controls.as_high == 1
    assert found["mutual information"].value == 0
    assert found["hit lift"].value == pytest.approx(1)


@pytest.mark.parametrize("cell", [(3, 3), (0, 6), (5, 1)])
def test_a_constant_map_scores_next_to_nothing(cell):
    found = rows_of(on_cells((*cell, 1)))
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        row = found[measure]
        assert row.value == pytest.approx(0, abs=0.15), measure
        controls = row.controls
        assert (controls.as_high, controls.shifted) == (1, pytest.approx(row.value))
        assert controls.own_mean == pytest.approx(row.value)
        assert controls.fixed >= row.value
    assert found["mutual information"].value == 0
    assert found["strongest cells"].value == 1
    assert found["dwell"].value == 200  # 400 steps of 2 games


@pytest.mark.parametrize("by", [13, 57, 110])
def test_attention_at_another_time_scores_next_to_nothing(by):
    moved = np.concatenate([np.roll(on_ball()[game == GAMES], by, axis=0) for game in (0, 1)])
    found = rows_of(moved)
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        row = found[measure]
        assert row.value == pytest.approx(0, abs=0.1), measure
        assert row.controls.as_high > 0.025
    assert found["mutual information"].value == pytest.approx(0, abs=0.1)


def test_an_agent_that_always_sees_the_ball_somewhere_else_is_worse_than_even():
    far = np.where(TRACK < 42, 6, 0)  # rows 48 to 83, or 0 to 35
    weights = np.zeros((STEPS, 7, 7))
    weights[np.arange(STEPS), *far.T] = 1
    found = rows_of(weights)
    assert found["hit"].value == 0
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        assert found[measure].value < -0.05, measure
    assert found["mutual information"].value > 0.5  # yet it tells where the ball is


def test_lift_is_of_means():
    # In the corner, seen by all of cell (0, 0), of 12 x 12 pixels, and elsewhere of 24 x 24. Even
    # lies on it (144 + 576) / 2 / 7056 on average, this map 0.32778 (see above) and 0: 0.16389.
    coverage = a_ball(np.zeros((2, 2), int), away=0)
    coverage[1] = 0
    coverage[1, 50:74, 50:74] = 255
    found = rows_of(on_cells((0, 0, 1)), coverage, np.zeros(2, int))
    assert found["lift"].value == pytest.approx(0.16389 * 7056 / 360, abs=1e-3)
    # The first is hit, by the one cell that can. Of the second, rows 50 to 73, boxes 4, 5 and 6,
    # from rows 32, 40 and 48, hold 18, 24 and 24 of 24, 18/24 squared being more than a half: 9
    # cells. So an average cell hits (1 + 9) / 2 / 49 of the time, this one half of the time.
    assert found["hit"].value == 0.5
    assert found["hit lift"].value == pytest.approx(4.9)


def test_what_is_never_on_the_screen_is_undefined():
    found = rows_of(on_ball(), np.zeros((STEPS, 84, 84), np.uint8), untrained=on_ball()[:, None])
    for measure in ("share", "lift", "normalised hit", "hit lift", "mutual information"):
        row = found[measure]
        assert np.isnan([row.value, *row.controls]).all(), measure
        assert row.defined == 0


def test_what_no_box_holds_half_of_can_t_be_hit():
    coverage = np.full((STEPS, 84, 84), 100, np.uint8)
    found = rows_of(on_ball(), coverage)
    assert found["share"].value == pytest.approx(100 / 255, abs=1e-5)  # as thin everywhere
    assert found["lift"].value == pytest.approx(1, abs=1e-5)
    assert (found["hit"].value, found["hit"].defined) == (0, 1)
    for measure in ("normalised share", "normalised seen", "normalised hit"):
        assert np.isnan(found[measure].value), measure
        assert found[measure].defined == 0
    assert np.isnan(found["hit lift"].value)


def test_untrained_maps_are_measured_alike():
    untrained = np.stack([on_ball(), np.full((STEPS, 7, 7), 1 / 49)], 1)
    found = rows_of(np.full((7, 7), 1 / 49), untrained=untrained)
    assert found["normalised seen"].controls.untrained == pytest.approx(0.5)
    own = rows_of(on_ball())["mutual information"].value
    assert found["mutual information"].controls.untrained == pytest.approx(own / 2, rel=0.05)
    assert found["strongest cells"].controls.untrained == (25 + 1) / 2
    assert np.isnan(rows_of(on_ball())["share"].controls.untrained)


def test_rows_by_map_and_object():
    maps = np.stack([on_ball(), np.broadcast_to(on_cells((3, 3, 1)), (STEPS, 7, 7))], 1)
    coverage = np.stack([a_ball(), a_ball(TRACK[::-1])], 1)
    objects = Objects(("ball", "mirrored"), coverage, "made up")
    rows = looking(9 * maps, objects, GAMES, rng=np.random.default_rng(0))
    order = list(dict.fromkeys((row.map, row.object) for row in rows))
    alone, balls = [(1, ""), (2, "")], [(1, "ball"), (2, "ball")]
    mirrored = [(1, "mirrored"), (2, "mirrored")]
    assert order == [
        *(pair for one in zip(alone, balls, mirrored, strict=True) for pair in one),
        (ALL, ""),
    ]
    for row in rows:
        if len(row.each):
            assert np.nanmean(row.each) == pytest.approx(row.value)
            assert row.each.shape == (STEPS,)
    single = rows_of(on_ball())
    for row in rows:
        if (row.map, row.object) == (1, "ball"):
            assert row.value == pytest.approx(single[row.measure].value, abs=0.05)
        if (row.map, row.measure) in {(2, "mutual information"), (2, "strongest cells")}:
            assert row.value == (row.measure == "strongest cells")
    # one is at (3, 3) always, the other at 1 - share of steps not there
    there = on_ball()[:, 3, 3].mean()
    assert rows[-1].measure == "divergence"
    assert rows[-1].value == pytest.approx((1 - there) * np.log(2))


def test_some_measures_alone_are_those_of_all():
    objects = Objects(("ball",), a_ball()[:, None], "made up")
    some = worths_of(objects, {"lift", "normalised seen"})
    every, few = rows_of(on_ball()), rows_of(on_ball(), worths=some)
    of_object = {"lift", "normalised seen", "mutual information"}
    assert set(few) == of_object | {"steadiness", "dwell", "strongest cells"}
    for name in few:
        assert few[name].value == every[name].value
        assert few[name].controls == pytest.approx(every[name].controls, nan_ok=True)


def test_no_map_no_rows():
    objects = Objects(("ball",), a_ball()[:, None], "made up")
    nothing = np.empty((STEPS, 0, 7, 7), np.float32)
    assert looking(nothing, objects, GAMES, rng=np.random.default_rng(0)) == []


def test_one_step_and_games_of_one_step():
    coverage = a_ball(away=STEPS - 3)[:3]
    for games in (np.zeros(1, int), np.arange(3)):
        found = rows_of(on_ball()[: len(games)], coverage[: len(games)], games)
        assert found["normalised hit"].value == pytest.approx(1)
        assert found["normalised hit"].controls.as_high == 1
        assert np.isnan(found["steadiness"].value)
        assert found["mutual information"].value == pytest.approx(0, abs=1e-15)


def test_worth_is_within_its_range():
    worth = np.zeros((3, 49))
    worth[0] = 1
    worth[0, 5] = 0
    worth[1, 5] = 1
    found = normalised(worth)
    assert found[0].min() == pytest.approx(-48)
    assert found[1, [5, 6]] == pytest.approx([1, -1 / 48])
    assert np.isnan(found[2]).all()
    assert [name for name, _, _ in worth_of(a_ball()[:2])][:2] == ["share", "lift"]
