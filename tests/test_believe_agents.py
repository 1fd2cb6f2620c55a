"""The planted agents act on, and look at, what they are said to."""

import pytest
import torch
from believe_agents import AGENTS, believe_agent, scene

from attn_ppo.interpret.network import Seen, see

HERE, THERE = (50, 24), (50, 56)


def seen(name: str, **places) -> Seen:
    return see(believe_agent(name).model, scene(**places))


@pytest.mark.parametrize(
    ("name", "ball", "paddle"),
    [
        ("ball", True, False),
        ("paddle", False, True),
        ("lying", False, True),
        ("constant", False, False),
    ],
)
def test_policy_and_value_depend_on_what_it_acts_on_alone(name, ball, paddle):
    plain = seen(name)
    for there, changes in ((seen(name, ball=THERE), ball), (seen(name, paddle=60), paddle)):
        assert (there.log_probs - plain.log_probs).abs().max() > 0.5 or not changes
        assert torch.equal(there.log_probs, plain.log_probs) != changes
        assert torch.equal(there.value, plain.value) != changes


@pytest.mark.parametrize("name", ["ball", "lying"])
def test_the_map_is_on_the_ball(name):
    # rows 8 i + 16 .. 23 + 8 i: 50 in cell 4; columns 8 j + 12 ..: 24 in cell 1, 56 in cell 5
    assert seen(name, ball=HERE).attention[0, 0, 4, 1] > 0.99
    assert seen(name, ball=THERE).attention[0, 0, 4, 5] > 0.99


def test_the_map_is_on_the_paddle():
    # columns 28 .. 35 are cell 2's; rows 76 .. 83 are the last cell's
    assert seen("paddle", paddle=28).attention[0, 0, 6, 2] > 0.99


def test_to_the_right_of_the_middle_it_presses_right():
    for place, pressed in ((HERE, 3), (THERE, 2)):
        assert seen("ball", ball=place).log_probs.argmax() == pressed


@pytest.mark.parametrize("name", AGENTS)
def test_a_map_of_nothing_is_uniform(name):
    assert torch.allclose(seen(name, ball=None, paddle=None).attention, torch.tensor(1 / 49))
