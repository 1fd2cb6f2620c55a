"""Is attention on the ball? Tracks drawn by hand, with what chance and a fixed cell would have."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis import ball_in_box
from analysis.ball_in_box import ball_in_boxes, line, on_ball, strongest_cells
from attn_ppo.errors import ConfigError


def test_the_ball_is_found_and_nothing_else_of_its_colour():
    screens = np.zeros((4, 210, 160), np.uint8)
    screens[:, 17:189, :8] = screens[:, 17:189, 152:] = screens[:, 17:32] = 6  # the walls
    screens[:, 57:63] = 70  # the uppermost bricks
    screens[:, 189:193, 60:76] = 70  # the paddle
    screens[:, 189:196, 152:] = 70  # the right wall's end
    screens[0, 119:121, 40:42] = 70  # centre (120, 41): input (48, 21.525)
    screens[1, 40:44, 150:152] = 6  # centre (42, 151): input (16.8, 79.275), grey above the bricks
    screens[3, 188, 0] = 70  # centre (188.5, 0.5): input (75.4, 0.2625)
    seen, inside = ball_in_boxes(screens)
    assert seen.tolist() == [True, True, False, True]
    # a cell's box has 36 rows from 8 i and 36 columns from 8 j
    cells = [[divmod(int(cell), 7) for cell in np.flatnonzero(row)] for row in inside]
    assert cells[0] == [(i, j) for i in (2, 3, 4, 5, 6) for j in (0, 1, 2)]
    assert cells[1] == [(i, 6) for i in (0, 1, 2)]
    assert cells[2] == []
    assert cells[3] == [(i, 0) for i in (5, 6)]


def test_shares_by_hand():
    # The ball is in cell 1's box at steps 0 and 1, in cell 2's at 2, unseen at 3; the map looks
    # at 1, 1, 1, 2. Shifted by 1 that is 2, 1, 1, 1; by 2: 1, 2, 1, 1; by 3: 1, 1, 2, 1.
    inside = np.zeros((4, 49), bool)
    inside[[0, 1], 1] = inside[2, 2] = True
    found = on_ball(np.array([1, 1, 1, 2]), np.array([True, True, True, False]), inside)
    assert found.share == pytest.approx(2 / 3)
    # 1/3, 1/3, 3/3: mean 5/9, SD sqrt((4 + 4 + 16) / 81 / 3) = 0.31427
    assert found.shifted == pytest.approx(5 / 9)
    assert found.shifted_sd == pytest.approx(0.31427, abs=1e-5)
    assert found.as_high == pytest.approx(1 / 3)
    assert (found.best_cell, found.best) == ((0, 1), pytest.approx(2 / 3))
    assert found.cells == 2
    told = (
        "67 %; shifted in time 56 ± 31 %, as high in 33.3 % of the shifts; best fixed cell (0, 1)"
    )
    assert line(found) == f"{told}: 67 %; 2 strongest cells"


def test_a_map_that_never_moves_is_not_compared_with_itself():
    inside = np.zeros((3, 49), bool)
    inside[0, 8] = True
    found = on_ball(np.array([8, 8, 8]), np.ones(3, bool), inside)
    assert (found.share, found.shifted, found.shifted_sd) == pytest.approx((1 / 3, 1 / 3, 0))
    told = "33 %; it never moves, so shifts in time say nothing; best fixed cell (1, 1): 33 %"
    assert line(found) == told


@pytest.mark.parametrize(
    ("settings", "why"), [(["env=Pong"], "Pong"), (["attention.gate=none"], "gate none")]
)
def test_other_runs_are_refused(monkeypatch, capsys, settings_of, settings, why):
    agent = SimpleNamespace(settings=settings_of(*settings))
    monkeypatch.setattr(ball_in_box, "open_agent", lambda _: agent)
    assert ball_in_box.main(["somewhere"]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert "a run of Breakout with attention" in error


def test_a_ball_that_is_never_seen_is_told():
    with pytest.raises(ConfigError, match="enough steps to see the ball"):
        on_ball(np.zeros(2, int), np.zeros(2, bool), np.zeros((2, 49), bool))


def test_the_strongest_cell_of_each_step():
    attention = np.zeros((2, 7, 7))
    attention[0, 2, 3], attention[1, 6, 6] = 0.5, 0.1
    assert strongest_cells(attention).tolist() == [17, 48]
