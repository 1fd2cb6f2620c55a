"""An agent of which we know what it looks at: weights set by hand, one spot of the newest frame.

Feature 0 of cell (i, j) is the brightness of one 8x8 spot, four times its mean / 255, and no two
cells share a pixel; feature 1 is always 4. The attention goes where feature 0 is large. The body
has one unit that lives, attended feature 0 of CELL: action LIKED rises with it, the value falls.
"""

import copy
from functools import cache
from typing import Any

import torch
from torch import Generator, Tensor

from attn_ppo import config
from attn_ppo.interpret.network import opened, see
from attn_ppo.model import ActorCritic

NEWEST = 3
CELL = (2, 4)
# Cell (i, j) takes pixel (i + 1, j + 1) of layer 2, which takes 2 i + 3 of layer 1, which takes
# rows 8 i + 12 .. + 7: the middle of the 36 rows from 8 i that it could see.
SPOT = (slice(28, 36), slice(44, 52))
BOX = (slice(16, 52), slice(32, 68))  # all that CELL could see
ELSEWHERE = (slice(52, 60), slice(12, 20))  # cell (5, 0)'s
LIKED, NUM_ACTIONS = 1, 4


def planted(gate: Any = "softmax", *, sharpness: float = 20.0) -> ActorCritic:
    """The agent; the attention's score is `sharpness` times the normalised feature 0."""
    bare = _bare(gate)
    model = copy.deepcopy(bare, {id(bare.layers): bare.layers})
    for parameter in model.parameters():
        parameter.zero_()
    weights = model.state_dict()  # the parameters themselves: setting one sets the model
    weights["encoder.0.weight"][0, NEWEST] = 1 / 64
    weights["encoder.2.weight"][0, 0, 1, 1] = 1
    weights["encoder.4.weight"][0, 0, 1, 1] = 4
    weights["encoder.4.bias"][1] = 4
    cell = 7 * CELL[0] + CELL[1]
    weights["body.0.weight"][0, cell] = 1  # channel 0 comes first in what is flattened
    weights["body.0.bias"][0] = 0.1
    weights["policy_head.weight"][LIKED, 0] = 2
    weights["value_head.weight"][0, 0] = -3
    if gate != "none":
        weights["attention.score.0.weight"][0, 0] = 1
        weights["attention.score.2.weight"][0, 0] = sharpness
    return model


@cache
def _bare(gate: Any) -> ActorCritic:
    """Drawing the weights takes a tenth of a second: once is enough."""
    settings = config.AttentionSettings(gate=gate, maps=1, hidden=8)
    return opened(ActorCritic(NUM_ACTIONS, settings, Generator().manual_seed(0)))


def scene(*, spot: int = 255, elsewhere: int = 0, older: int = 0, ground: int = 20) -> Tensor:
    """(1, 4, 84, 84) uint8: SPOT and ELSEWHERE in the newest frame, SPOT in the older ones."""
    obs = torch.full((1, 4, 84, 84), ground, dtype=torch.uint8)
    obs[0, :NEWEST, *SPOT] = older
    obs[0, NEWEST, *SPOT] = spot
    obs[0, NEWEST, *ELSEWHERE] = elsewhere
    return obs


def share_in_spot(maps: Tensor) -> float:
    """The share of |map| that lies in SPOT of the newest frame, or of the only map."""
    return (maps[0, -1].abs()[SPOT].sum() / maps[0].abs().sum()).item()


def peak(maps: Tensor) -> tuple[int, int]:
    """Row and column of the greatest |pixel| of the newest frame."""
    row, column = divmod(int(maps[0, -1].abs().argmax()), 84)
    return row, column


def log_prob(model: ActorCritic, obs: Tensor) -> float:
    """Of LIKED."""
    return see(model, obs).log_probs[0, LIKED].item()
