"""Attention maps on pixels: each of the 7x7 cells sees a box of 36x36 pixels of the 84x84 input.

`to_input` maps cells to the input's pixels by one of KERNELS, `to_screen` pixels to the screen's.
"""

import numpy as np

CELLS, STRIDE, SIZE, INPUT = 7, 8, 36, 84  # cell (i, j): rows 8i..8i+35, columns 8j..8j+35


def box(row: int, column: int) -> tuple[slice, slice]:
    """The rows and columns of the input in a cell's receptive field."""
    top, left = STRIDE * row, STRIDE * column
    return slice(top, top + SIZE), slice(left, left + SIZE)


def boxes(weights: np.ndarray) -> np.ndarray:
    """(..., 7, 7) weights -> (..., 84, 84): each pixel's sum over the boxes that contain it."""
    return _BOXES.T @ weights @ _BOXES


def box_sums(pixels: np.ndarray) -> np.ndarray:
    """(..., 84, 84) pixels -> (..., 7, 7): of each cell the sum over its box."""
    return _BOXES @ pixels @ _BOXES.T


def box_max(weights: np.ndarray) -> np.ndarray:
    """The greatest weight of the boxes that contain a pixel: each strong cell's box, evenly."""
    rows = (weights[..., None, :] * _BOXES[..., None]).max(-3)  # (..., 84, 7)
    return (rows[..., None] * _BOXES).max(-2)


def box_sum(weights: np.ndarray) -> np.ndarray:
    """As in the study, the sum of the boxes: bright in the centre, where up to 25 boxes overlap."""
    return boxes(weights)


def box_mean(weights: np.ndarray) -> np.ndarray:
    """The mean weight of the boxes that contain a pixel: of a lone cell brightest at the rim."""
    return boxes(weights) / _OVERLAP


def density(weights: np.ndarray) -> np.ndarray:
    """Each cell's weight divided among the pixels of its box; the sum over pixels is that of cells.

    A pixel's share of a cell's weight is inverse to the number of boxes that contain the pixel.
    """
    return boxes(weights / _BOX_MASS) / _OVERLAP


def density_seen(pixels: np.ndarray) -> np.ndarray:
    """(..., 84, 84) -> (..., 7, 7): what a cell with weight 1 has of the pixels, by `density`.

    So sum(density(weights) * pixels) is sum(weights * density_seen(pixels)).
    """
    return box_sums(pixels / _OVERLAP) / _BOX_MASS


def strongest(weights: np.ndarray) -> np.ndarray:
    """The box of the strongest cell alone, at its weight (Yang et al. 2018)."""
    flat = weights.reshape(*weights.shape[:-2], -1)
    best = np.arange(flat.shape[-1]) == flat.argmax(-1)[..., None]
    return boxes((flat * best).reshape(weights.shape))


# Ways from cells to pixels. Uniform attention is even by `box_max` and `box_mean`; by `density` the
# centre is 3 times as bright as the corners, by `box_sum` 25 times; `strongest` shows one cell.
KERNELS = {
    "box_max": box_max,
    "box_mean": box_mean,
    "density": density,
    "box_sum": box_sum,
    "strongest": strongest,
}
DEFAULT = "box_max"


def to_input(weights: np.ndarray, kernel: str = DEFAULT) -> np.ndarray:
    """(..., 7, 7) weights >= 0 -> (..., 84, 84) on the input's pixels, by one of KERNELS."""
    return KERNELS[kernel](np.asarray(weights, np.float32))


def to_screen(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """(..., 84, 84) -> (..., height, width), bilinear: the input is the whole screen, resized."""
    return _stretch(height) @ maps @ _stretch(width).T


def _stretch(size: int) -> np.ndarray:
    """(size, 84) weights of a linear interpolation, pixel centres on pixel centres."""
    at = ((np.arange(size) + 0.5) * INPUT / size - 0.5).clip(0, INPUT - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(INPUT))).astype(np.float32)


def _rows() -> np.ndarray:
    """(7, 84): 1 where a row of cells sees a row of pixels."""
    pixel, first = np.arange(INPUT), STRIDE * np.arange(CELLS)[:, None]
    return ((pixel >= first) & (pixel < first + SIZE)).astype(np.float32)


_BOXES = _rows()
_OVERLAP = np.outer(_BOXES.sum(0), _BOXES.sum(0))  # (84, 84) boxes that contain a pixel, 1 to 25
_BOX_MASS = _BOXES @ (1 / _OVERLAP) @ _BOXES.T  # (7, 7)
