"""Any game's moving things: what differs from the background, with no knowledge of the game."""

import numpy as np

from attn_ppo.interpret.believe.object_tables.pixels import Find

LARGEST = 1 / 8  # of the screen: what of one colour covers more is a change of the background


def moving(screens: np.ndarray) -> Find:
    """Finds one class, "moving", on steps of `screens` (T, H, W), the whole recording.

    The background of a pixel is its most frequent colour. What is of another colour is moving,
    unless this colour covers more than LARGEST of the screen beyond its background.
    So what rests through most of the recording is background, where it left is moving for a while,
    and so are digits that change.
    """
    colours = np.unique(screens)
    counts = np.stack([(screens == colour).sum(0, dtype=np.int32) for colour in colours])
    background = colours[counts.argmax(0)]

    def find(screens: np.ndarray, _: np.ndarray) -> dict[str, np.ndarray]:
        differs = screens != background
        for colour in colours:
            there = differs & (screens == colour)
            differs &= ~(there & (there.mean((1, 2)) > LARGEST)[:, None, None])
        return {"moving": differs}

    return find
