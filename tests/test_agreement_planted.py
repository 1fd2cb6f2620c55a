"""Maps against cause where both are known: agents that act on the ball, on the paddle, on nothing.

Scenes of ball, paddle and a wall that no agent sees; an object's importance is the effect of taking
it away.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from believe_agents import AGENTS, acting, scene
from torch import Generator, Tensor

from attn_ppo.interpret.believe.agreement import (
    Agreement,
    agreement,
    beside,
    masses,
    mean_of_known,
)
from attn_ppo.interpret.network import see_all
from attn_ppo.interpret.saliency.maps import on_pixels, saliency_maps
from attn_ppo.interpret.saliency.targets import TARGETS

STEPS = 10
BALL, PADDLE, WALL = range(3)


class Scenes(NamedTuple):
    obs: Tensor  # (S, 4, 84, 84)
    without: list[Tensor]  # the ball, the paddle, the wall
    masks: np.ndarray  # (S, 3, 4, 84, 84)


@cache
def scenes() -> Scenes:
    rng = np.random.default_rng(0)
    places = [tuple(rng.integers([41, 14, 14], [69, 66, 58]).tolist()) for _ in range(STEPS)]

    def drawn(*, ball=True, paddle=True, wall=True) -> Tensor:
        shown = torch.cat(
            [
                scene(ball=(r, c) if ball else None, paddle=p if paddle else None)
                for r, c, p in places
            ]
        )
        shown[..., 20:26, 12:68] = 90 if wall else 0
        return shown

    obs, without = drawn(), [drawn(ball=False), drawn(paddle=False), drawn(wall=False)]
    masks = [255 * (obs != each).numpy().astype(np.uint8) for each in without]
    return Scenes(obs, without, np.stack(masks, 1))


@cache
def measured(name: str) -> dict[str, Agreement]:
    model, (obs, without, masks) = acting(**AGENTS[name]), scenes()
    seen = see_all(model, obs)
    policy = seen.log_probs.double()
    importance = np.stack(
        [(policy.exp() * (policy - see_all(model, each).log_probs)).sum(-1) for each in without], 1
    )
    methods = ["gradient", "gradient_x_input", "perturbation_actor"]
    maps = saliency_maps(
        model, obs, policy.argmax(-1), TARGETS["log_prob"], methods, Generator().manual_seed(0)
    )
    on = {each: on_pixels(each, some).numpy() for each, some in maps.items()}
    on |= beside(obs.numpy(), seen.attention.numpy())
    on["noise"] = np.random.default_rng(1).normal(size=(STEPS, 4, 84, 84))
    return {each: agreement(masses(some, masks), importance) for each, some in on.items()}


@pytest.mark.parametrize("name", ["ball", "paddle", "lying"])
def test_methods_find_what_the_agent_acts_on(name):
    found = measured(name)
    for method in ("gradient", "gradient_x_input"):
        assert found[method].within == pytest.approx(np.ones(STEPS))  # which object: always right
        assert found[method].pooled > 0.85
    # Spots are as wide as the ball is far from the paddle: it is told apart from it, not always.
    assert found["perturbation_actor"].pooled > 0.75
    assert abs(found["noise"].pooled) < 0.4  # of 30 pairs: 0 +- 1 / sqrt(29) = .19
    # No better than by knowing which object matters: the policy is saturated where the object
    # matters most, and there its gradient is small. Perturbation isn't fooled.
    acted_on = BALL if name == "ball" else PADDLE
    assert found["gradient"].timeless > found["gradient"].pooled
    assert found["gradient"].over_time[acted_on] < 0
    assert found["perturbation_actor"].over_time[acted_on] > 0.9
    assert found["perturbation_actor"].timeless < found["perturbation_actor"].pooled


def test_attention_agrees_with_cause_where_the_agent_acts_on_it():
    for name in ("ball", "paddle"):
        assert measured(name)["attention"].pooled > 0.5
        assert mean_of_known(measured(name)["attention"].within) > 0.6


def test_attention_that_lies_is_found_out():
    """On the ball, while the agent acts on the paddle alone."""
    lying = measured("lying")["attention"]
    assert lying.pooled < 0
    assert mean_of_known(lying.within) < 0
    assert lying.pooled < measured("paddle")["attention"].pooled - 0.5


def test_where_nothing_matters_nothing_agrees():
    for found in measured("constant").values():
        assert np.isnan([found.pooled, found.timeless, *found.within, *found.over_time]).all()


def test_the_screen_alone_knows_no_agent():
    pooled = [measured(name)["brightness"].pooled for name in ("paddle", "lying")]
    assert pooled[0] == pytest.approx(pooled[1], abs=0.001)  # but for rounding
    assert pooled[0] < 0.6
    assert np.isnan(measured("ball")["motion"].pooled)  # nothing moves
