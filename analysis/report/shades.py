"""Lambda's colours on a dark page: those of the figures, on white, with other lightness alone."""

import colorsys
from collections.abc import Sequence

import numpy as np
from matplotlib import colors

LIGHTEST, DARKEST = 95, 58  # CIE L* of the first and the last of them


def on_dark(on_white: Sequence[str]) -> list[str]:
    """For each colour, from the darkest on, one of its hue; the first the lightest, in even steps.

    So that what stands out on white, lambda 0, does so on dark, and each lambda keeps its hue.
    """
    lightness = np.linspace(LIGHTEST, DARKEST, max(len(on_white), 2))
    return [_with(color, float(each)) for color, each in zip(on_white, lightness, strict=False)]


def _with(color: str, lightness: float) -> str:
    """The colour of the same hue and saturation whose CIE L* is `lightness`."""
    hue, _, saturation = colorsys.rgb_to_hls(*colors.to_rgb(color))
    low, high = 0.0, 1.0
    for _ in range(20):  # halved as often, far below what eight bits tell
        middle = (low + high) / 2
        is_darker = _lightness(colorsys.hls_to_rgb(hue, middle, saturation)) < lightness
        low, high = (middle, high) if is_darker else (low, middle)
    return colors.to_hex(colorsys.hls_to_rgb(hue, low, saturation))


def _lightness(rgb: Sequence[float]) -> float:
    """CIE L* of an sRGB colour that isn't nearly black."""
    linear = [((each + 0.055) / 1.055) ** 2.4 if each > 0.04045 else each / 12.92 for each in rgb]
    return 116 * float(np.dot(linear, (0.2126, 0.7152, 0.0722))) ** (1 / 3) - 16
