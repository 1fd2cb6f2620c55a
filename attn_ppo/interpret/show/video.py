"""Videos of agents at play: `compare`, several side by side, and `explain`, one with its saliency.

Both yield a frame (H, W, 3) uint8 for each recorded step, which mp4.py writes to a file. Only a few
frames are in memory at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import exp, sqrt
from typing import NamedTuple

import numpy as np
from PIL import Image

from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.interpret.saliency.maps import maps_of_steps, on_pixels
from attn_ppo.interpret.saliency.methods import METHODS, Method
from attn_ppo.interpret.saliency.targets import TARGETS, check_target
from attn_ppo.interpret.show import drawing, labels
from attn_ppo.interpret.show.drawing import PLAIN, QUIETLY, Scale, say
from attn_ppo.interpret.show.labels import CAPTION, LEGEND, MARGIN
from attn_ppo.schema import check_choice

GAP = 12
SCREEN = 320  # pixels across: the game's 160, doubled
TILE, TILE_HEAD = 252, 34  # the input's 84, thrice


def compare(recordings: Sequence[Recording]) -> Iterator[np.ndarray]:
    """Frames with a column for each recording: the screen above the input.

    Those of equal settings stand together, in the order given, by lambda, then seed.

    As long as the shortest recording.
    """
    given = list(dict.fromkeys(r.about.settings for r in recordings))
    columns = sorted(
        recordings,
        key=lambda r: (given.index(r.about.settings), float(r.about.lambda_), r.about.seed),
    )
    lefts = [MARGIN + i * (SCREEN + GAP) for i in range(len(columns))]
    height = 2 * columns[0].screens.shape[1]
    top = labels.top(columns)
    input_top = top + height + CAPTION
    sheet = _sheet(lefts[-1] + SCREEN, input_top + SCREEN, columns[0])
    for recording, left in zip(columns, lefts, strict=True):
        labels.column_head(sheet, left, recording)
    labels.attention_legend(sheet)
    steps, scores = min(map(len, columns)), [recording.returns for recording in columns]
    for step in range(steps):
        image = sheet.copy()
        labels.clock(image, step, steps)
        for recording, left, points in zip(columns, lefts, scores, strict=True):
            strength = drawing.intensity(recording.attention[step])
            labels.score(image, left + SCREEN, points[step])
            image.paste(_screen(recording, step, strength), (left, top))
            caption = labels.attention_width(recording, step)
            say(image, (left, input_top - 10), caption, PLAIN, width=SCREEN)
            shaded = drawing.green(recording.frames[step], strength)
            image.paste(drawing.enlarge(shaded, SCREEN, SCREEN), (left, input_top))
        yield np.asarray(image)


def explain(
    agent: OpenAgent,
    recording: Recording,
    *,
    target: str = "log_prob",
    methods: Sequence[str] = tuple(METHODS),
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Frames with one agent's screen, policy and attention, and each method's map of `target`.

    Where a method gives a map for each of the four frames, their sum is shown. Raises ConfigError
    at once where a name is unknown, or where the target is of an attention that the agent doesn't
    have.
    """
    check_choice("target", target, TARGETS)
    for name in methods:
        check_choice("methods", name, METHODS)
    check_target(agent.model, TARGETS[target])
    chosen = {name: METHODS[name] for name in methods}
    return _explained(recording, target, chosen, _saliency(agent, recording, target, chosen, seed))


class _Place(NamedTuple):
    left: int
    top: int


def _explained(
    recording: Recording,
    target: str,
    methods: Mapping[str, Method],
    saliencies: Iterator[dict[str, np.ndarray]],
) -> Iterator[np.ndarray]:
    height, looks = 2 * recording.screens.shape[1], recording.attention.shape[1]
    top = labels.top([recording])
    places = _grid(looks + len(methods), top)
    looked_at, explained = places[:looks], dict(zip(methods, places[looks:], strict=True))
    actions = labels.FIRST_ACTION + labels.ACTION_LINE * len(recording.about.action_names)
    bottom = max(top + height + actions, *(place.top + TILE for place in places))
    sheet = _sheet(max(place.left for place in places) + TILE, bottom, recording)
    labels.column_head(sheet, MARGIN, recording)
    labels.saliency_legend(sheet, labels.attention_legend(sheet), methods.values())
    scales = {name: Scale(method.least) for name, method in methods.items()}
    scores = recording.returns
    for step, saliency in enumerate(saliencies):
        image, frame = sheet.copy(), recording.frames[step]
        labels.clock(image, step, len(recording))
        labels.score(image, MARGIN + SCREEN, scores[step])
        strength = drawing.intensity(recording.attention[step])
        image.paste(_screen(recording, step, strength), (MARGIN, top))
        labels.outputs(image, top + height, SCREEN, recording, step)
        for number, place in enumerate(looked_at):
            cells = exp(recording.entropy[step, number])
            _tile_head(image, place, f"attention map {number + 1}", f"{cells:.1f} cells")
            strength = drawing.intensity(recording.attention[step, number : number + 1])
            shaded = drawing.green(frame, strength)
            image.paste(drawing.enlarge(shaded, TILE, TILE), place)
        for name, place in explained.items():
            tinted = drawing.tinted(frame, scales[name](saliency[name]), methods[name].signed)
            note = f"{methods[name].explains or target} {scales[name].full:.1g}"
            _tile_head(image, place, name.replace("_", " "), note)
            image.paste(drawing.enlarge(tinted, TILE, TILE), place)
        yield np.asarray(image)


def _sheet(right: int, bottom: int, recording: Recording) -> Image.Image:
    """The background that all frames share: the title, and room for the rest; even sides."""
    size = (right + MARGIN, bottom + LEGEND)
    sheet = Image.new("RGB", (size[0] + size[0] % 2, size[1] + size[1] % 2), drawing.BACKGROUND)
    labels.title(sheet, recording)
    return sheet


def _grid(count: int, top: int) -> list[_Place]:
    """The positions of `count` tiles right of the screen, row by row, from `top`."""
    across = max(1, round(sqrt(1.4 * count)))
    left = MARGIN + SCREEN + 2 * GAP
    return [
        _Place(left + (TILE + GAP) * (i % across), top + (TILE + TILE_HEAD) * (i // across))
        for i in range(count)
    ]


def _tile_head(image: Image.Image, place: _Place, name: str, note: str) -> None:
    length = say(image, (place.left, place.top - 9), name, PLAIN, width=TILE - 60)
    at = (place.left + TILE, place.top - 9)
    say(image, at, note, QUIETLY, width=TILE - length - 8, anchor="r")


def _screen(recording: Recording, step: int, strength: np.ndarray) -> Image.Image:
    """The colour screen at twice its size, lit by the attention where there is one."""
    screen = recording.colours(step)
    if recording.attention.shape[1]:
        screen = drawing.lit(screen, strength)
    return drawing.enlarge(screen, SCREEN, 2 * screen.shape[0])


def _saliency(
    agent: OpenAgent, recording: Recording, target: str, methods: Mapping[str, Method], seed: int
) -> Iterator[dict[str, np.ndarray]]:
    """Each step's map (84, 84) by each method, those of the four frames summed."""
    for found in maps_of_steps(agent.model, recording, TARGETS[target], list(methods), seed=seed):
        yield {name: on_pixels(name, each)[0].sum(0).numpy() for name, each in found.items()}
