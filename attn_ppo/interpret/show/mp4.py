"""Writes frames as an mp4 that browsers play: H.264, yuv420p, with the index in front."""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream
from tqdm import tqdm

from attn_ppo.config import FRAMES_PER_STEP
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle.disk import disk_error, replacing

FRAMES_PER_SECOND = 60 // FRAMES_PER_STEP  # as fast as played, at 60 emulator frames a second
QUALITY = {"crf": "20", "preset": "medium", "bf": "2"}


def write(
    path: Path, frames: Iterable[np.ndarray], *, total: int | None = None, quiet: bool = False
) -> None:
    """Writes the frames (H, W, 3) uint8, all of one size, to `path`: the whole file or none.

    They are encoded one by one, with a progress bar on a terminal unless `quiet`. Raises RunError
    where the disk or the codec fails. After that, or an error of `frames`, no file is left.
    """
    bar = tqdm(
        frames, total=total, desc=f"drawing {path.name}", unit="frame", disable=quiet or None
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as pending, contextlib.closing(bar):
            _encode(pending, bar)
    except (FFmpegError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise disk_error(path, error) from None
        raise RunError(ExitCode.RUN_FAILED, f"can't encode {path}: {error}") from None


def _encode(path: Path, frames: Iterable[np.ndarray]) -> None:
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options=QUALITY)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 2 * FRAMES_PER_SECOND  # so that one can seek in it
        stream.codec_context.time_base = Fraction(1, FRAMES_PER_SECOND)
        for number, frame in enumerate(_even(frames)):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            container.mux(_encoded(stream, frame))
        container.mux(stream.encode())


def _encoded(stream: VideoStream, frame: np.ndarray) -> list[av.Packet]:
    return stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24"))


def _even(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames with even sides, as yuv420p needs: an odd side loses its last line of pixels."""
    for frame in frames:
        yield np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
