"""The file of a video: what browsers play, one frame at a time, whole or not at all."""

import os
import subprocess
import weakref
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from recordings import one_cell, planted

from attn_ppo.errors import RunError
from attn_ppo.interpret.show import mp4
from attn_ppo.interpret.show.video import compare

# Of a first column: where the input (320 x 320), which is below its screen, begins.
INPUT_TOP, LEFT = 544, 20


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
    assert attended[1] - elsewhere[1] == pytest.approx(163 - 60, abs=6)
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
