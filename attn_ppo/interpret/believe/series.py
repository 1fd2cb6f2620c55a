"""A measure at each step of a recording: what most of what is measured here gives back."""

from typing import NamedTuple

import numpy as np


class Series(NamedTuple):
    """One number a step, with the game that the step belongs to."""

    values: np.ndarray  # (T,) float, nan where undefined
    games: np.ndarray  # (T,) int, which of the recording's games
