"""Videos, decoded and looked into pixel by pixel: what is drawn where, and what a file holds."""

import os
import subprocess
import weakref
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from recordings import UNIFORM, one_cell, planted

from attn_ppo.config import AttentionSettings
from attn_ppo.errors import ConfigError, RunError
from attn_ppo.interpret.network import OpenAgent, opened
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.show import drawing, mp4, video
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


# ---------------------------------------------------------------- what is drawn


def test_the_attended_box_is_bright_and_green():
    picture = frame_of(compare([planted(one_cell(0, 0))]))
    # Pixel (0, 0) of the input is seen by cell (0, 0) alone, whose weight is 49 times uniform: full
    # strength. The screen keeps its 120 and gets 0.3 of the glow (255, 232, 168); where nobody
    # looks it keeps 0.35. The input's 100 is darkened to 60 and gets 0.55 of the green
    # (54, 232, 120).
    assert picture[SCREEN_TOP, LEFT].tolist() == [160, 153, 134]
    assert picture[SCREEN_TOP + 419, LEFT + 319].tolist() == [42, 42, 42]
    assert picture[INPUT_TOP, LEFT].tolist() == [56, 154, 93]
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
    np.testing.assert_allclose(drawing.intensity(attention.astype(np.float32)), 0.5, atol=1e-5)
    picture = frame_of(compare([planted(attention)]))
    # half strength: 120 * (0.35 + 0.65 / 2) = 81, and 0.3 / 4 of the glow: 81 + 0.075 * 174 = 94.05
    screen = picture[SCREEN_TOP : SCREEN_TOP + 420, LEFT : LEFT + 320, 0]
    assert set(np.unique(screen)) <= {93, 94}


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


def test_saliency_has_its_sign_place_and_strongest_frame(monkeypatch, settings_of):
    def planted_method(_model, obs, _actions, _score, _rng):
        maps = torch.zeros(len(obs), 4, 84, 84)
        maps[:, 1, :, :42] = 2.0
        maps[:, 3, :, :42] = -1.0
        maps[:, 2, :, 42:] = -2.0
        return maps

    monkeypatch.setitem(METHODS, "planted", Method(planted_method, "", signed=True))
    recording = planted(UNIFORM, steps=10)
    frames = explain(agent(settings_of), recording, methods=["gradient", "planted"])
    picture = frame_of(frames, 9)
    # Two columns of tiles, 252 wide, 12 apart, from 364: the maps above, the methods below, the
    # second of them from 628. Full strength: 0.95 of orange (255, 150, 40) or blue (64, 156, 255).
    tile = picture[94 + 286 : 94 + 286 + 252, 628 : 628 + 252]
    assert tile[100, 60].tolist() == [244, 144, 40]
    assert tile[100, 190].tolist() == [62, 150, 244]
    assert [side % 2 for side in picture.shape[:2]] == [0, 0]


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
    scale = drawing.Scale()
    assert scale(np.full((84, 84), -4.0)).min() == -1
    assert scale(np.full((84, 84), 1.8)).max() == pytest.approx(0.5)  # of 0.9 * 4
    assert not scale(np.full((84, 84), np.nan)).any()
    assert not drawing.Scale()(np.zeros((84, 84))).any()


# ---------------------------------------------------------------- the file


def flicker(count: int, height: int = 64, width: int = 96) -> Iterator[np.ndarray]:
    for number in range(count):
        yield np.full((height, width, 3), 40 * (number % 5), np.uint8)


def test_the_file_is_what_browsers_play(tmp_path: Path):
    path = tmp_path / "videos" / "a.mp4"
    mp4.write(path, compare([planted(one_cell(0, 0), steps=20)]), total=20)
    with av.open(path) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.width, codec.height, stream.average_rate) == (360, 912, 15)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 20
    attended = frames[0][INPUT_TOP : INPUT_TOP + 20, LEFT : LEFT + 20].mean((0, 1))
    elsewhere = frames[0][INPUT_TOP + 200 : INPUT_TOP + 300, LEFT + 200 : LEFT + 300].mean((0, 1))
    assert attended[1] - elsewhere[1] == pytest.approx(154 - 60, abs=6)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


def test_odd_sides_lose_a_line(tmp_path: Path):
    mp4.write(tmp_path / "a.mp4", flicker(3, 65, 97))
    with av.open(tmp_path / "a.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (96, 64)


def test_frames_are_let_go_as_they_are_encoded(tmp_path: Path):
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watched() -> Iterator[np.ndarray]:
        nonlocal most
        for _ in range(100):
            frame = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
            alive.append(weakref.ref(frame))
            most = max(most, sum(each() is not None for each in alive))
            yield frame

    mp4.write(tmp_path / "a.mp4", watched())
    assert most <= 3


def test_saliency_is_computed_some_steps_at_a_time(monkeypatch, settings_of):
    sizes: list[int] = []

    def counting(_model, obs, _actions, _score, _rng):
        sizes.append(len(obs))
        return torch.zeros(len(obs), 1, 84, 84)

    monkeypatch.setitem(METHODS, "counting", Method(counting, "", signed=False, frames=1))
    frames = explain(agent(settings_of), planted(UNIFORM, steps=20), methods=["counting"])
    next(frames)
    assert sizes == [video.BATCH]
    assert len(list(frames)) == 19
    assert sizes == [8, 8, 4]


def failing(error: Exception) -> Iterator[np.ndarray]:
    yield from flicker(40)
    raise error


@pytest.mark.parametrize("error", [ValueError("no more"), OSError(28, "No space left on device")])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: Exception):
    path = tmp_path / "a.mp4"
    path.write_text("old")
    with pytest.raises((ValueError, RunError), match=r"no more|can't write .*No space left"):
        mp4.write(path, failing(error))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_text() == "old"


def test_a_codec_that_fails_is_told(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(mp4.QUALITY, "preset", "none such")
    with pytest.raises(RunError, match=r"can't encode .*a\.mp4"):
        mp4.write(tmp_path / "a.mp4", flicker(3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own")
def test_a_full_disk_is_told(tmp_path: Path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    noise = np.random.default_rng(0)
    frames = (noise.integers(0, 255, (256, 256, 3), np.uint8) for _ in range(60))
    try:
        with pytest.raises(RunError, match="No space left on device"):
            mp4.write(tmp_path / "a.mp4", frames)
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
