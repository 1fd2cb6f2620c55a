"""Objects' masks on a screen, to be checked by eye."""

import numpy as np
from PIL import Image

from attn_ppo.interpret.show.drawing import BACKGROUND, Words, enlarge, say

# Okabe and Ito's colours, which the colour-blind tell apart, and two greys; used in turn.
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (255, 255, 255),
    (150, 150, 150),
    (95, 95, 95),
)
DIM = 0.3
LINE = 18  # pixels of the legend's lines


def tinted_masks(screen: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The darkened screen (H, W, 3) with each of the masks (C, H, W) in a colour of its own."""
    picture = (screen * DIM).astype(np.uint8)
    for number, mask in enumerate(masks):
        picture[mask] = COLOURS[number % len(COLOURS)]
    return picture


def mask_picture(
    screen: np.ndarray, names: tuple[str, ...], masks: np.ndarray, *, scale: int = 3
) -> Image.Image:
    """The screen beside its masks, `scale` times as large, and below each class's colour."""
    height, width = (scale * size for size in screen.shape[:2])
    lines = -(-len(names) // 4)
    image = Image.new("RGB", (2 * width, height + LINE * lines + 6), BACKGROUND)
    image.paste(enlarge(screen, width, height), (0, 0))
    image.paste(enlarge(tinted_masks(screen, masks), width, height), (width, 0))
    for number, name in enumerate(names):
        line, place = divmod(number, 4)
        colour = COLOURS[number % len(COLOURS)]
        at = (place * width // 2 + 8, height + LINE * (line + 1))
        say(image, at, f"■ {name}", Words(13, colour), width=width // 2 - 10)
    return image
