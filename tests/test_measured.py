"""A page's numbers of objects, by hand, and of an agent that acts on the ball alone."""

import dataclasses

import believe_agents
import numpy as np
import pytest
import recordings

from analysis import page
from attn_ppo.interpret.believe.edits import EDITS
from attn_ppo.interpret.believe.object_tables import TABLES
from attn_ppo.interpret.believe.objects import Objects
from attn_ppo.interpret.play import recording as files
from attn_ppo.interpret.play.record import record
from attn_ppo.interpret.show.measured import about, masks, measure, steps_to_measure, with_attention

UNIFORM = np.full((1, 7, 7), 1 / 49)


def test_a_mask_has_what_is_covered_half_as_much_as_the_most_covered_pixel():
    coverage = np.zeros((1, 3, 84, 84), np.uint8)
    coverage[0, 0, 0, [0, 1, 9]] = 40, 19, 20  # of at most 40: 19 is less than half
    coverage[0, 1, 83, 80:] = 255  # the last four of 7056 bits
    packed = masks(coverage)
    assert packed.shape == (1, 3, 882)
    assert packed[0, 0, :2].tolist() == [0b10000000, 0b01000000]
    assert packed[0, 1, -1] == 0b00001111
    assert packed.sum() == 128 + 64 + 15  # the third object isn't there


def test_attention_on_an_object_by_hand():
    """The object is rows and columns 0 to 7 whole, which cell (0, 0) alone sees.

    That cell's box is shared by 1 to 5 cells a side: eight rows each of 1, 2, 3, 4, and four of 5.
    Its weight goes to pixels by the inverse: 8 + 4 + 8/3 + 2 + 4/5 = 17.4667 a side, 305.084 in
    all, of which the object's 64 pixels have 64 / 305.084 = 0.209778. Even attention has 1/49.
    """
    coverage = np.zeros((3, 1, 84, 84), np.uint8)
    coverage[:2, 0, :8, :8] = 255
    attention = np.zeros((3, 2, 7, 7), np.float32)
    attention[0, :, 0, 0] = attention[1:, :, 6, 6] = 1
    attention[:, 1] *= 0.5  # of a sigmoid, say: shares of the map's own total
    importance = np.array([[0.5], [np.nan], [np.nan]])
    found = with_attention(Objects(("corner",), coverage, "motion"), attention, importance)
    nan = np.nan
    for of_map in (0, 1):
        expected = [0.209778, 0, nan]
        np.testing.assert_allclose(found.share[:, of_map, 0], expected, rtol=1e-5)
        expected = [0.069926, 0.069926, nan]  # the mean map has a third in the corner
        np.testing.assert_allclose(found.chance[:, of_map, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(found.even[:, 0], [0.0042812, 0.0042812, nan], rtol=1e-4)
    assert about(found) == {"names": ["corner"], "method": "motion", "steps": 1}


def test_without_attention_there_is_none_on_any_object():
    coverage = np.full((2, 1, 84, 84), 255, np.uint8)
    none, importance = np.zeros((2, 0, 7, 7), np.float32), np.zeros((2, 1))
    found = with_attention(Objects(("all",), coverage, "motion"), none, importance)
    assert found.share.shape == found.chance.shape == (2, 0, 1)
    np.testing.assert_allclose(found.even, 1, rtol=1e-5)


def test_steps_are_chosen_where_there_is_something_to_edit():
    long = recordings.planted(UNIFORM, steps=24)
    assert len(steps_to_measure(long, 5)) == 5
    assert steps_to_measure(long, 100) == list(range(4, 24))  # all with four steps before them
    assert steps_to_measure(long, 0) == []
    assert steps_to_measure(recordings.planted(UNIFORM, steps=4), 5) == []
    other = recordings.planted(UNIFORM, steps=24, game="Pong")
    assert steps_to_measure(other, 5) == []
    assert measure(believe_agents.believe_agent("ball"), other, [], lambda: None) is None


@pytest.mark.parametrize("game", sorted(TABLES.keys() & EDITS.keys()))
def test_what_is_edited_is_an_object_that_is_found(game):
    names = set(TABLES[game](np.zeros((0, 210, 160), np.uint8), np.zeros((0, 128), np.uint8)))
    assert {edit.object for edit in EDITS[game]} - {""} <= names


def test_of_an_agent_that_acts_on_the_ball_the_ball_alone_matters():
    agent = believe_agents.believe_agent("ball")
    recording = record(agent, steps=40, on_step=lambda: None)
    called = []
    found = measure(agent, recording, [20, 24], lambda: called.append(1))
    assert found is not None
    assert len(called) == 2
    ball, paddle = (found.importance[:, found.names.index(name)] for name in ("ball", "paddle"))
    assert np.isfinite(ball).sum() <= 2
    assert np.nanmax(ball) > 0.01
    assert np.nanmax(paddle) == 0
    assert np.isnan(found.importance[:20]).all()


def test_a_page_has_its_objects_where_the_game_is_the_one_recorded(tmp_path, monkeypatch, capsys):
    found = []
    agent = believe_agents.believe_agent("ball")
    monkeypatch.setattr(page, "open_agent", lambda _: agent)
    monkeypatch.setattr(page, "write_page", lambda *call: found.extend(call[1]))
    (tmp_path / "config.yaml").touch()
    run = [str(tmp_path), "--steps", "6"]
    assert page.main([*run, "--causes", "1"]) == 0
    assert "page.html: editing objects at 1 steps" in capsys.readouterr().out
    assert page.main([*run, "--causes", "0"]) == 0
    (kept,) = tmp_path.glob("recordings/*.npz")
    recording = files.load(kept)
    files.save(kept, dataclasses.replace(recording, frames=recording.frames // 2))
    assert page.main(run) == 0
    told = "warning: no objects of Breakout lambda=0 seed=0: the emulator in colour doesn't show"
    assert told in capsys.readouterr().out
    measured = [each.measured for each in found]
    assert measured[0].names[:2] == ("ball", "paddle")
    assert [np.isfinite(each.importance).any() for each in measured[:2]] == [True, False]
    assert measured[2] is None
    assert page.main([*run, "--causes", "some"]) == 2
    assert "--causes=some" in capsys.readouterr().err
