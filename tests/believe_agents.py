"""Agents of which we know what they act on and where they look, for real games of Breakout.

The networks are ours, with weights set by hand; only what lies between the convolutions and the
body is another (`Between`). Features: channel 0 is the ball's brightness in one 8x8 spot a cell of
the newest frame (a whole ball has about 0.7), channel 1 the same times its column; channels 2 and 3
the paddle's. An object outside the spots is unseen: rows 40 to 71 (ball) and 76 to 83 (paddle),
columns 12 to 67. The body has brightness times column (unit 0) and brightness (unit 1) of what the
agent acts on; RIGHT rises and LEFT falls with the column from the middle, and the value rises.
"""

import dataclasses
from functools import cache
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from attn_ppo.compute import layers
from attn_ppo.interpret.network import OpenAgent, opened, weights_digest
from attn_ppo.launch import command_line
from attn_ppo.model import ActorCritic

NEWEST = 3
NUM_ACTIONS, RIGHT, LEFT = 4, 2, 3
COLUMNS = 12  # cell j sees columns 8 j + 12 .. + 7


class Part(NamedTuple):
    """One of the two things in the field: cell (i, j) sees rows 8 i + `top` .. + 7."""

    channel: int
    top: int
    cells: slice  # rows of cells whose spots lie where nothing else is


PARTS = {"ball": Part(0, 16, slice(3, 7)), "paddle": Part(2, 28, slice(6, 7))}


class Between(NamedTuple):
    """What computes normalisation and attention: no normalisation, scores of a part's cells alone.

    Where the attention is not `used` the body has all features as they are.
    """

    cells: slice
    used: bool

    def encode(self, encoder: nn.Sequential, obs: Tensor) -> Tensor:
        return layers.encode(encoder, obs)

    def normalize_channels(self, features: Tensor) -> Tensor:
        return features

    def score(self, net: nn.Sequential, features: Tensor) -> Tensor:
        inside = torch.zeros(7, 1)
        inside[self.cells] = 1
        return net(features) * inside

    def attend(self, features: Tensor, attention: Tensor) -> Tensor:
        return layers.attend(features, attention) if self.used else features.flatten(1)


def acting(on: str | None, *, looking_at: str | None, sharpness: float = 20) -> ActorCritic:
    """A network that acts on the ball, on the paddle or, if None, alike always.

    Its map is on another part or, if None, uniform; then the attention doesn't reach the action.
    """
    model = _bare()
    for parameter in model.parameters():
        parameter.zero_()
    weights = model.state_dict()  # the parameters themselves: setting one sets the model
    for part in PARTS.values():
        _see_part(weights, part)
    if on:
        _act_on(weights, PARTS[on])
    if looking_at:
        weights["attention.score.0.weight"][0, PARTS[looking_at].channel] = 1
        weights["attention.score.2.weight"][0, 0] = sharpness
    cells = PARTS[looking_at or "ball"].cells
    model.layers = Between(cells, used=on == looking_at)  # pyright: ignore
    return model


def _see_part(weights: dict[str, Tensor], part: Part) -> None:
    """Layer 3 takes layer 2's unit `row // 8`, `column // 8` on, which takes `% 8 // 4` of layer 1:
    the three strides are 4, 8 and 8 pixels."""
    (down, below), (right, beside) = _taps(part.top), _taps(COLUMNS)
    for channel in (part.channel, part.channel + 1):
        weights["encoder.0.weight"][channel, NEWEST] = 1
        weights["encoder.2.weight"][channel, channel, below, beside] = 1
        weights["encoder.4.weight"][channel, channel, down, right] = 1
    weights["encoder.0.weight"][part.channel + 1, NEWEST] = torch.arange(8) / 84


def _taps(offset: int) -> tuple[int, int]:
    """Which of layer 3's three units, and which of layer 2's four, begins `offset` pixels on."""
    third = min(offset // 8, 2)
    return third, (offset - 8 * third) // 4


def _act_on(weights: dict[str, Tensor], part: Part) -> None:
    body = weights["body.0.weight"].view(512, 64, 7, 7)
    body[0, part.channel, part.cells] = (8 * torch.arange(7) + COLUMNS) / 84
    body[0, part.channel + 1, part.cells] = 1
    body[1, part.channel, part.cells] = 1
    for action, slope in ((RIGHT, 16), (LEFT, -16)):
        weights["policy_head.weight"][action, 0] = slope
        weights["policy_head.weight"][action, 1] = -slope / 2
    weights["value_head.weight"][0, 0] = 1


def _bare() -> ActorCritic:
    settings = dataclasses.replace(_settings().attention, maps=1, hidden=8)
    return opened(ActorCritic(NUM_ACTIONS, settings, Generator().manual_seed(0)))


@cache
def _settings():
    """Without pauses or sticky presses of its own: Breakout as in the study."""
    return command_line.parse(["env=Breakout"]).configs[0]


def open_agent(model: ActorCritic) -> OpenAgent:
    """The network as a run's agent."""
    attention = dataclasses.replace(_settings().attention, maps=1, hidden=8)
    settings = dataclasses.replace(_settings(), attention=attention)
    return OpenAgent(settings, model, 4_096, weights_digest(model))


AGENTS = {
    "ball": {"on": "ball", "looking_at": "ball"},
    "paddle": {"on": "paddle", "looking_at": "paddle"},
    "lying": {"on": "paddle", "looking_at": "ball"},  # the map is not what it acts on
    "constant": {"on": None, "looking_at": None},
}


def believe_agent(name: str) -> OpenAgent:
    """One of AGENTS."""
    return open_agent(acting(**AGENTS[name]))


def scene(*, ball: tuple[int, int] | None = (50, 40), paddle: int | None = 40) -> Tensor:
    """(1, 4, 84, 84) uint8, all four frames alike: a black field, the ball's row and column, the
    paddle's first column of eight."""
    obs = torch.zeros(1, 4, 84, 84, dtype=torch.uint8)
    if ball:
        obs[..., ball[0] : ball[0] + 2, ball[1]] = 110
    if paddle is not None:
        obs[..., 76:78, paddle : paddle + 8] = 110
    return obs
