"""The text and colour bars around a video's pictures."""

from collections.abc import Iterable, Sequence
from math import exp
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.show import drawing
from attn_ppo.interpret.show.drawing import HEAD, MUTED, PLAIN, QUIETLY, TEXT, TITLE, Words, say

MARGIN = 20
TITLE_LINE, HEAD_LINES, CAPTION, LEGEND = 48, 46, 30, 48  # heights
SETTINGS_LINE = 17  # of the head, where any agent has settings to tell
FIRST_ACTION, ACTION_LINE = 82, 18


class Signed(Protocol):
    """A method whose maps may or may not be below zero."""

    @property
    def signed(self) -> bool:
        """Whether they may."""
        ...


def title(image: Image.Image, recording: Recording) -> None:
    """The game and how it was played, at the top left."""
    about = recording.about
    length = say(image, (MARGIN, 36), about.game, TITLE, width=image.width - 170)
    left = MARGIN + length + 14
    room = image.width - left - 170
    if room > 120:
        say(image, (left, 36), f"{about.name}, {about.policy} play", QUIETLY, width=room)


def top(recordings: Sequence[Recording]) -> int:
    """Where the pictures begin, below the title and the columns' heads."""
    told = any(recording.about.settings for recording in recordings)
    return TITLE_LINE + HEAD_LINES + SETTINGS_LINE * told


def clock(image: Image.Image, step: int, steps: int) -> None:
    """Which of the recorded steps this is, at the top right."""
    at = (image.width - MARGIN, 36)
    say(image, at, f"step {step + 1} / {steps}", PLAIN, width=140, anchor="r")


def column_head(image: Image.Image, left: int, recording: Recording) -> None:
    """The agent's lambda, seed, length of training and other settings, above its column."""
    about = recording.about
    say(image, (left, TITLE_LINE + 18), f"λ = {about.lambda_}", HEAD, width=190)
    trained = f"seed {about.seed}, trained for {about.env_steps:,} steps"
    say(image, (left, TITLE_LINE + 37), trained, QUIETLY, width=320)
    say(image, (left, TITLE_LINE + 37 + SETTINGS_LINE), about.settings, PLAIN, width=320)


def score(image: Image.Image, right: int, points: float) -> None:
    """The game points so far, in line with a column's head."""
    at = (right, TITLE_LINE + 18)
    say(image, at, f"score {points:,.0f}", HEAD, width=180, anchor="r")


def attention_width(recording: Recording, step: int) -> str:
    """The width of the attention at a step: effective cells of each map, entropy of all maps."""
    nats = recording.entropy[step]
    if not len(nats):
        return "no attention"
    cells = " + ".join(f"{exp(each):.1f}" for each in nats)
    return f"{cells} of 49 cells, {nats.sum():.2f} nats"


def outputs(image: Image.Image, top: int, width: int, recording: Recording, step: int) -> None:
    """The network's outputs at a step: the attention's width, the value, the policy."""
    say(image, (MARGIN, top + 20), attention_width(recording, step), PLAIN, width=width)
    say(image, (MARGIN, top + 54), "value", QUIETLY, width=124)
    value = f"{recording.value[step]:+.2f}"
    say(image, (MARGIN + width, top + 54), value, PLAIN, width=120, anchor="r")
    draw, left = ImageDraw.Draw(image), MARGIN + 132
    for action, name in enumerate(recording.about.action_names):
        line = top + FIRST_ACTION + ACTION_LINE * action
        chosen = action == recording.actions[step]
        look = Words(12, TEXT if chosen else MUTED, bold=chosen)
        say(image, (MARGIN, line), name, look, width=124)
        share = exp(recording.log_probs[step, action])
        room = width - 132 - 44
        draw.rectangle((left, line - 9, left + room, line - 1), drawing.EDGE)
        if share * room >= 1:
            draw.rectangle((left, line - 9, left + round(share * room), line - 1), look.colour)
        say(image, (MARGIN + width, line), f"{share:.0%}", look, width=40, anchor="r")


def attention_legend(image: Image.Image) -> int:
    """What the attention's brightness means, at the bottom left; returns its right end."""
    base, bar = _base(image), drawing.attention_bar()
    left = MARGIN
    left += say(image, (left, base), "attention, times uniform", QUIETLY, width=170) + 14
    image.paste(bar, (left, base + 2 - bar.height))
    places = left + drawing.strength(np.array(drawing.TICKS)) * bar.width
    for at, tick in zip(places.round().astype(int).tolist(), drawing.TICKS, strict=True):
        ImageDraw.Draw(image).line((at, base + 2, at, base + 5), MUTED)
        say(image, (at, base + 18), str(tick), QUIETLY, width=30, anchor="m")
    return left + bar.width


def saliency_legend(image: Image.Image, left: int, methods: Iterable[Signed]) -> None:
    """What the saliency's colours mean, right of the attention's."""
    kinds, base = {method.signed for method in methods}, _base(image)
    for signed, low, high in (
        (True, "lowers", "raises the target"),
        (False, "no effect", "most"),
    ):
        if signed not in kinds:
            continue
        left += 36
        left += say(image, (left, base), low, QUIETLY, width=120) + 8
        bar = drawing.saliency_bar(signed)
        image.paste(bar, (left, base + 2 - bar.height))
        left += bar.width + 8
        left += say(image, (left, base), high, QUIETLY, width=160)
    if kinds:
        left += 36
        notes = ("full colour: the number beside the name", "maps of the four frames: their sum")
        for line, note in enumerate(notes):
            at = (left, base + 18 * line)
            say(image, at, note, QUIETLY, width=image.width - MARGIN - left)


def _base(image: Image.Image) -> int:
    return image.height - 26
