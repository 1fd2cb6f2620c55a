"""What a part of the GPU check is asked for, here on the CPU."""

import time

from bench.gpu_part import Ask


def ask(seconds: float = 600.0) -> Ask:
    """One core's, of Breakout, with so much time left."""
    return Ask("cpu", "Breakout", 1, time.monotonic() + seconds)
