"""What a video is drawn with: attention and saliency laid over a screen, crisp pixels, words.

Pictures are (H, W, 3) uint8. Colours suit the colour-blind: blue against orange, and otherwise
differences of brightness alone.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attn_ppo.errors import shorten
from attn_ppo.interpret.receptive_field import CELLS, to_input, to_screen
from attn_ppo.interpret.show.agg import matplotlib

Colour = tuple[int, int, int]
BACKGROUND, EDGE = (17, 19, 23), (44, 48, 56)
TEXT, MUTED = (235, 238, 242), (146, 153, 164)
GLOW, GREEN = (255, 232, 168), (54, 232, 120)
UNSIGNED = ((74, 12, 107), (207, 68, 70), (251, 155, 6), (252, 255, 164))  # inferno's upper part
LOWERS, RAISES = (64, 156, 255), (255, 150, 40)

TICKS = (0, 1, 4, 49)  # of the attention's scale, times uniform: nothing, uniform, half, one cell
DIM = 0.35  # what is left of a screen's brightness where there is no attention
QUIET, FADE = 0.998, 0.9  # a map's scale: this quantile of it, falling no faster than that a frame


def intensity(attention: np.ndarray) -> np.ndarray:
    """(K, 7, 7) weights -> (84, 84) within [0, 1]: `strength` of the cells' mean share of a map.

    Shares, whatever the gate lets through: a map's weights over their sum.
    """
    totals = attention.sum((-2, -1), keepdims=True)
    shares = attention / np.maximum(totals, np.finfo(np.float32).tiny)
    return strength(to_input(shares.sum(0)) * CELLS**2 / max(len(attention), 1))


def strength(times_uniform: np.ndarray) -> np.ndarray:
    """How strongly attention of so many times the uniform is drawn, from 0 to 1.

    An eighth for uniform and half for four times that, in proportion; from there on by logarithm,
    so that all attention on one cell, 49 times uniform, is drawn in full.
    """
    _, _, half, full = TICKS
    beyond = np.log(np.maximum(times_uniform, half) / half) / np.log(full / half)
    return np.where(times_uniform <= half, times_uniform / half, 1 + beyond).clip(0, 2) / 2


def lit(screen: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The colour screen (H, W, 3), bright where `strength` (84, 84) is high and dark elsewhere."""
    return _lit(screen, to_screen(strength, *screen.shape[:2])[..., None])


def green(frame: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The network's input (84, 84) in grey, green where `strength` (84, 84) is."""
    return _blend(_grey(frame, 0.6), GREEN, 0.6 * strength[..., None])


def tinted(frame: np.ndarray, saliency: np.ndarray, signed: bool) -> np.ndarray:
    """The darkened input (84, 84) under a map (84, 84) within [-1, 1], or [0, 1] unless signed."""
    size = np.abs(saliency)[..., None]
    if signed:
        colour = np.where(saliency[..., None] < 0, LOWERS, RAISES)
    else:
        colour = ramp(UNSIGNED, saliency)
    return _blend(_grey(frame, 0.4), colour, 0.95 * size**0.75)


def ramp(colours: tuple[Colour, ...], values: np.ndarray) -> np.ndarray:
    """(..., 3) float colours of values within [0, 1], evenly spaced along `colours`."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, each) for each in zip(*colours, strict=True)], -1)


class Scale:
    """Scales the maps of a video to [-1, 1], without flicker: the scale falls slowly.

    It never falls below `least`, so that what matters to nothing is drawn as next to nothing.
    """

    def __init__(self, least: float) -> None:
        self.full = self._least = least  # what is drawn in full colour, > 0

    def __call__(self, saliency: np.ndarray) -> np.ndarray:
        """(h, w) a frame's map over its scale; what isn't finite is drawn as nothing."""
        finite = np.nan_to_num(saliency, nan=0.0, posinf=0.0, neginf=0.0)
        self.full = max(float(np.quantile(np.abs(finite), QUIET)), FADE * self.full, self._least)
        return np.clip(finite / self.full, -1, 1)


def enlarge(picture: np.ndarray, width: int, height: int) -> Image.Image:
    """The picture with crisp pixels: where they don't fit evenly, only their edges are mixed."""
    down, across = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    image = Image.fromarray(picture.repeat(down, 0).repeat(across, 1))
    exact = image.size == (width, height)
    return image if exact else image.resize((width, height), Image.Resampling.BOX)


class Words(NamedTuple):
    """How words look: DejaVu Sans, antialiased."""

    size: int
    colour: Colour = TEXT
    bold: bool = False


TITLE, HEAD = Words(22, bold=True), Words(17, bold=True)
PLAIN, QUIETLY = Words(15), Words(13, MUTED)


def say(
    image: Image.Image, at: tuple[int, int], text: str, look: Words, *, width: int, anchor="l"
) -> int:
    """Writes a line whose left end, middle or right end (l, m, r) is at `at`; returns its length.

    `at` is on the base line; all in pixels. What is wider than `width` ends in an ellipsis; the
    text may be anything.
    """
    font = _font(look.size, look.bold)
    text = shorten(text, 200)
    if font.getlength(text) > width:
        while text and font.getlength(text + "…") > width:
            text = text[:-1]
        text += "…"
    ImageDraw.Draw(image).text(at, text, look.colour, font, anchor=anchor + "s")
    return round(font.getlength(text))


def gradient_bar(colours: np.ndarray, height: int = 10) -> Image.Image:
    """A legend's bar from the colours (W, 3) along it."""
    return Image.fromarray(np.repeat(colours[None].clip(0, 255).astype(np.uint8), height, 0))


def attention_bar(width: int = 144) -> Image.Image:
    """How `lit` shows a white screen, above how `green` shows a grey one, by `strength` from 0."""
    light = np.linspace(0, 1, width, dtype=np.float32)[None]
    white = _lit(np.full((1, width, 3), 200), light[..., None])
    shaded = green(np.full_like(light, 90), light)
    return Image.fromarray(np.concatenate([white.repeat(6, 0), shaded.repeat(6, 0)]))


def saliency_bar(signed: bool, width: int = 120) -> Image.Image:
    """How `tinted` shows values on black, from -1 or 0 to 1."""
    values = np.linspace(-1 if signed else 0, 1, width, dtype=np.float32)[None]
    return Image.fromarray(tinted(np.zeros_like(values), values, signed).repeat(12, 0))


def _lit(screen: np.ndarray, light: np.ndarray) -> np.ndarray:
    return _blend(screen * (DIM + (1 - DIM) * light), GLOW, 0.3 * light**2)


def _grey(frame: np.ndarray, brightness: float) -> np.ndarray:
    return np.repeat(frame[..., None] * np.float32(brightness), 3, -1)


def _blend(picture: np.ndarray, colour: np.ndarray | Colour, opacity: np.ndarray) -> np.ndarray:
    mixed = picture + (np.asarray(colour, np.float32) - picture) * opacity
    return mixed.clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=16)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)
