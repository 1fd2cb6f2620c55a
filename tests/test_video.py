"""Videos, looked into pixel by pixel: what is drawn where."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from recordings import UNIFORM, one_cell, planted

from attn_ppo.config import AttentionSettings
from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import OpenAgent, opened
from attn_ppo.interpret.saliency import maps
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.saliency.perturbation import PerturbationMaps
from attn_ppo.interpret.show import drawing, video
from attn_ppo.interpret.show.video import compare, explain
from attn_ppo.model import ActorCritic

# Of a first column: where its screen (320 x 420) and the input below it (320 x 320) begin.
SCREEN_TOP, INPUT_TOP, LEFT = 94, 544, 20


def agent(settings_of, gate: str = "softmax") -> OpenAgent:
    layers = AttentionSettings(gate, 2, 8)
    model = ActorCritic(4, layers, torch.Generator().manual_seed(0))
    return OpenAgent(settings_of("env=Breakout"), opened(model), 0, "w")


def frame_of(frames: Iterator[np.ndarray], number: int = 0) -> np.ndarray:
    return [frame for _, frame in zip(range(number + 1), frames, strict=False)][number]


def test_the_attended_box_is_bright_and_green():
    picture = frame_of(compare([planted(one_cell(0, 0))]))
    # The weight of cell (0, 0), which sees 36x36 pixels, is 49 times uniform: full strength. The
    # screen keeps its 120 and gets 0.3 of the glow (255, 232, 168); where nobody looks it keeps
    # 0.35. The input's 100 is darkened to 60 and gets 0.6 of the green (54, 232, 120).
    assert picture[SCREEN_TOP, LEFT].tolist() == [160, 153, 134]
    assert picture[SCREEN_TOP + 419, LEFT + 319].tolist() == [42, 42, 42]
    assert picture[INPUT_TOP, LEFT].tolist() == [56, 163, 96]
    assert picture[INPUT_TOP + 135, LEFT + 135].tolist() == [56, 163, 96]  # in pixel (35, 35)
    assert picture[INPUT_TOP + 319, LEFT + 319].tolist() == [60, 60, 60]


def test_the_box_is_36_of_84_pixels_where_it_should_be():
    picture = frame_of(compare([planted(one_cell(2, 4))]))
    lit = picture[SCREEN_TOP : SCREEN_TOP + 420, LEFT : LEFT + 320, 0] > 60
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    # rows 16 to 51 and columns 32 to 67 of 84: on the screen, 5 and 3.81 times as large, 80 to 260
    # and 121.9 to 259; linear interpolation makes the edges soft by half a pixel of the input
    assert [rows[0], rows[-1]] == pytest.approx([80, 259], abs=3)
    assert [columns[0], columns[-1]] == pytest.approx([122, 258], abs=3)
    shaded = picture[INPUT_TOP : INPUT_TOP + 320, LEFT : LEFT + 320]
    green = shaded[..., 1] > shaded[..., 0] + 20
    rows, columns = np.flatnonzero(green.any(1)), np.flatnonzero(green.any(0))
    assert [rows[0], rows[-1]] == pytest.approx([61, 197], abs=1)  # 16 and 52 times 3.81
    assert [columns[0], columns[-1]] == pytest.approx([122, 258], abs=1)


@pytest.mark.parametrize("attention", [UNIFORM, UNIFORM[:1], 0.3 * np.ones((2, 7, 7))])
def test_uniform_attention_is_no_blaze(attention):
    np.testing.assert_allclose(drawing.intensity(attention.astype(np.float32)), 1 / 8, atol=1e-5)
    picture = frame_of(compare([planted(attention)]))
    # 120 * (0.35 + 0.65 / 8) = 51.75, and 0.3 / 64 of the glow: 51.75 + 0.0047 * 203 = 52.7
    screen = picture[SCREEN_TOP : SCREEN_TOP + 420, LEFT : LEFT + 320, 0]
    assert set(np.unique(screen)) == {52}


def test_strength_is_in_multiples_of_uniform():
    # an eighth a multiple up to 4; then 0.5 + 0.5 * log(14 / 4) / log(49 / 4) = 0.75
    times = np.array([0, 0.5, 1, 2, 4, 14, 49, 60])
    assert drawing.strength(times).tolist() == pytest.approx(
        [0, 0.0625, 0.125, 0.25, 0.5, 0.75, 1, 1]
    )


def test_the_legend_has_ticks_at_nothing_uniform_half_and_one_cell():
    picture = frame_of(compare([planted(UNIFORM)]))
    row = picture[912 - 26 + 4]  # just below the bar of 144 pixels
    ticks = np.flatnonzero((row == drawing.MUTED).all(-1))
    assert np.diff(ticks).tolist() == [18, 54, 72]  # 144 / 8, 144 / 2, 144
    words = picture[912 - 20 :, -20:]  # the last word ends within the picture
    assert (words[:, -4:] == drawing.BACKGROUND).all()


@pytest.mark.parametrize(("maps", "expected"), [(1, 0.5), (2, 0.25), (4, 0.125)])
def test_maps_count_alike_and_only_by_their_shares(maps, expected):
    # The first map has 4/49 of its weight on cell (3, 3) and the rest in the corners, the others
    # all of theirs there: of (3, 3) the mean is 4 / maps times uniform.
    attention = np.zeros((maps, 7, 7), np.float32)
    attention[:, [0, 0, 6, 6], [0, 6, 0, 6]] = 49 / 4
    attention[0, [0, 0, 6, 6], [0, 6, 0, 6]] = 45 / 4
    attention[0, 3, 3] = 4
    # pixel (40, 40) is seen by no cell of the corners: they see 0..35 and 48..83
    drawn = [drawing.intensity(gain * attention)[40, 40] for gain in (1, 0.01)]
    assert drawn == pytest.approx([expected] * 2)


def test_without_attention_the_screen_is_as_it_is():
    picture = frame_of(compare([planted(np.zeros((0, 7, 7)))]))
    assert (picture[SCREEN_TOP : SCREEN_TOP + 420, LEFT : LEFT + 320] == 120).all()
    assert (picture[INPUT_TOP : INPUT_TOP + 320, LEFT : LEFT + 320] == 60).all()


def test_columns_are_by_lambda_and_numbers_are_shown_as_they_change():
    low, high = planted(one_cell(0, 0), lambda_="0.0005"), planted(one_cell(6, 6), lambda_="0.01")
    first, *_, last = compare([high, low])
    assert first.shape == (912, 692, 3)  # 2 * 320 and margins 20, 12, 20
    assert first[SCREEN_TOP, 20, 0] == 160
    assert first[SCREEN_TOP + 419, 352 + 319, 0] == 160
    changed = np.argwhere((first != last).any(-1))
    assert changed[:, 0].max() < 48  # the scores are 0: but for "step 1" and "step 4" all is equal
    scoring = [planted(one_cell(0, 0), lambda_="0.0005", reward=3), high]
    _, *_, last_scored = compare(scoring)
    changed = np.argwhere((last != last_scored).any(-1))
    assert len(changed) > 20  # "score 0" and "score 9" at the end of the first column's head
    assert 52 <= changed[:, 0].min() <= changed[:, 0].max() <= 68
    assert 240 <= changed[:, 1].min() <= changed[:, 1].max() <= 340
    narrow, wide = planted(one_cell(0, 0)), planted(UNIFORM)
    caption = slice(SCREEN_TOP + 420, INPUT_TOP)
    assert (frame_of(compare([narrow]))[caption] != frame_of(compare([wide]))[caption]).any()


def test_as_long_as_the_shortest():
    assert len(list(compare([planted(UNIFORM, steps=3), planted(UNIFORM, steps=5)]))) == 3


def test_labels_take_any_text():
    names = ("a\nb", "\x1b[31m", "x" * 500, "漢字 <script>")
    wild = planted(UNIFORM, name="n\n" * 200, lambda_="0." + "0" * 90 + "1", action_names=names)
    assert frame_of(compare([wild])).shape == (912, 360, 3)


def test_saliency_has_its_sign_and_place_and_its_frames_are_summed(monkeypatch, settings_of):
    def planted_method(_model, obs, _actions, _score, _rng):
        maps = torch.zeros(len(obs), 4, 84, 84)
        maps[:, 1, :, :42] = 2.0
        maps[:, 3, :, :42] = -1.0
        maps[:, 2, :, 42:] = -2.0
        return maps

    monkeypatch.setitem(METHODS, "planted", Method(planted_method, "", True, 0.01))
    recording = planted(UNIFORM, steps=10)
    frames = explain(agent(settings_of), recording, methods=["gradient", "planted"])
    picture = frame_of(frames, 9)
    # Two columns of tiles, 252 wide, 12 apart, from 364: the maps above, the methods below, the
    # second of them from 628. At the right -2 in one frame, full strength: 0.95 of blue
    # (64, 156, 255) on 40. At the left 2 - 1 = 1: 0.95 * 0.5 ^ 0.75 = 0.565 of orange
    # (255, 150, 40).
    tile = picture[94 + 286 : 94 + 286 + 252, 628 : 628 + 252]
    assert tile[100, 60].tolist() == [161, 102, 40]
    assert tile[100, 190].tolist() == [62, 150, 244]
    assert [side % 2 for side in picture.shape[:2]] == [0, 0]


def test_cells_and_spots_are_drawn_where_they_are(monkeypatch, settings_of):
    """Grad-CAM of 1 in cell (0, 0), which sees pixels 0 to 35; spot (2, 3), at pixel (10, 15)."""
    cells, spots = torch.zeros(1, 7, 7), torch.zeros(1, 17, 17)
    cells[0, 0, 0], spots[0, 2, 3] = 1, 1
    monkeypatch.setattr(maps, "grad_cam_cells", lambda *_: cells)
    found = PerturbationMaps(spots, spots, spots)
    monkeypatch.setattr(maps.perturbation, "perturbation_maps", lambda *_: found)
    methods = ["grad_cam", "perturbation_critic"]
    picture = frame_of(explain(agent(settings_of), planted(UNIFORM, steps=1), methods=methods))

    def at(left: int, row: int, column: int) -> list[int]:  # of a pixel, 3x3 in a tile
        return picture[94 + 286 + 3 * row + 1, left + 3 * column + 1].tolist()

    bare = [40, 40, 40]
    assert at(364, 35, 35) == at(364, 0, 0) != bare
    assert at(364, 36, 36) == at(364, 35, 36) == at(364, 36, 35) == bare
    # between spots, 5 pixels apart, the effect falls evenly to 0
    brightness = [sum(at(628, *pixel)) for pixel in ((10, 15), (10, 18), (10, 19), (10, 20))]
    assert brightness[0] > brightness[1] > brightness[2] > brightness[3] == sum(bare)
    assert at(628, 15, 15) == at(628, 5, 15) == at(628, 10, 10) == bare


def test_what_matters_to_nothing_is_drawn_as_nothing(monkeypatch, settings_of):
    """Noise of 7e-08 in half a squared change of the value: of 0.0004 clipped rewards."""
    noise = 7e-8 * torch.rand(1, 17, 17, generator=torch.Generator().manual_seed(0))
    found = PerturbationMaps(noise, noise, noise)
    monkeypatch.setattr(maps.perturbation, "perturbation_maps", lambda *_: found)
    recording = planted(UNIFORM, steps=1)
    picture = frame_of(explain(agent(settings_of), recording, methods=["perturbation_critic"]))
    tile = picture[94 + 286 : 94 + 286 + 252, 364 : 364 + 252]
    assert np.abs(tile.astype(int) - 40).max() <= 1  # the darkened input


def test_settings_have_a_line_above_all_columns_and_keep_together():
    sharp = planted(one_cell(0, 0), lambda_="0.005", settings="gate=softmax clip_range=0.1 " * 9)
    even = [planted(UNIFORM, lambda_=each, settings="gate=none") for each in ("0.01", "0")]
    picture = frame_of(compare([sharp, *even]))
    line, top = slice(94, 94 + 17), SCREEN_TOP + 17
    assert picture.shape == (912 + 17 + 1, 1024, 3)  # even sides
    for left in (20, 352, 684):
        head = picture[line, left : left + 332]
        assert np.ptp(head.astype(int), (0, 1)).max() > 100  # written there
        assert (head[:, 320:] == head[0, -1]).all()  # and cut at its column's edge
    # those of the first settings come first though their lambda is not the least
    assert picture[top, 20].tolist() == [160, 153, 134]
    assert picture[top, 352].tolist() != [160, 153, 134]


def test_an_untrained_agent_s_maps_are_faint(settings_of):
    methods = [name for name in METHODS if METHODS[name].explains != "value"]  # is 0.1 already
    picture = frame_of(explain(agent(settings_of), planted(UNIFORM, steps=1), methods=methods))
    for left, top in video._grid(2 + len(methods), SCREEN_TOP)[2:]:
        tile = picture[top : top + video.TILE, left : left + video.TILE].astype(int)
        assert np.abs(tile - 40).max() < 10


@pytest.mark.parametrize("gate", ["softmax", "none"])
def test_every_method_can_be_drawn(settings_of, gate):
    attention = UNIFORM if gate == "softmax" else UNIFORM[:0]
    recording = planted(attention, steps=1)
    assert len(list(explain(agent(settings_of, gate), recording))) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"target": "log_pob"}, ["target=log_pob", "nearest: log_prob"]),
        ({"methods": ["vargard"]}, ["methods=vargard", "nearest: vargrad"]),
        ({"target": "focus"}, ["target=focus", "without attention"]),
    ],
)
def test_what_cant_be_explained_is_told_at_once(settings_of, asked, words):
    with pytest.raises(ConfigError) as told:
        explain(agent(settings_of, "none"), planted(UNIFORM[:0]), **asked)
    assert all(word in str(told.value) for word in words)


def test_maps_keep_their_scale_from_frame_to_frame():
    scale = drawing.Scale(0.5)
    assert scale(np.full((84, 84), 0.1)).max() == pytest.approx(0.2)  # of 0.5 at least
    assert scale(np.full((84, 84), -4.0)).min() == -1
    assert scale(np.full((84, 84), 1.8)).max() == pytest.approx(0.5)  # of 0.9 * 4
    assert not scale(np.full((84, 84), np.nan)).any()
    assert not drawing.Scale(0.5)(np.zeros((84, 84))).any()


def test_saliency_is_computed_some_steps_at_a_time(monkeypatch, settings_of):
    sizes: list[int] = []

    def counting(_model, obs, _actions, _score, _rng):
        sizes.append(len(obs))
        return torch.zeros(len(obs), 1, 84, 84)

    monkeypatch.setattr(maps, "available_cpus", lambda: 2)
    monkeypatch.setitem(METHODS, "counting", Method(counting, "", False, 0.01, frames=1))
    frames = explain(agent(settings_of), planted(UNIFORM, steps=20), methods=["counting"])
    next(frames)
    assert 1 <= len(sizes) <= 4  # the first, and what two processors compute ahead
    assert len(list(frames)) == 19
    assert sizes == [1] * 20
