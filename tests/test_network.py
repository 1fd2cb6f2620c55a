"""What pictures show is what the agent computes: `see` against `forward`, and both by hand."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from attn_ppo import config
from attn_ppo.attention import GATES
from attn_ppo.compute import kernels, layers
from attn_ppo.interpret.network import Seen, opened_copy, see, see_all
from attn_ppo.model import ActorCritic, Output

# Those of all backends: `compile` has PyTorch's, and test_backends ties what it makes of them.
LAYERS = {"torch": layers, "kernels": kernels}
# The more an attention takes away, the more is given back, or the heads' biases say it all.
BODY_GAIN = {"softmax": 100, "sigmoid": 5, "uniform": 100, "none": 1}


def lively(gate: Any, computed_by: Any) -> ActorCritic:
    """An agent all of whose weights matter: biases too, peaked attention, a decided policy."""
    settings = config.AttentionSettings(gate=gate, maps=2, hidden=64)
    model = ActorCritic(4, settings, Generator().manual_seed(0), layers=computed_by)
    noise = Generator().manual_seed(1)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            if name.endswith("bias"):
                weight.normal_(0, 0.1, generator=noise)
        weights["policy_head.weight"].mul_(100)
        weights["body.0.weight"].mul_(BODY_GAIN[gate])
        if gate != "none":
            weights["attention.score.2.weight"].mul_(10)
    return model


def frames(batch: int = 3) -> Tensor:
    """Squares of 7 pixels, each of a random grey: images that differ in what the network sees."""
    rng = Generator().manual_seed(2)
    squares = torch.randint(0, 256, (batch, 4, 12, 12), generator=rng, dtype=torch.uint8)
    return squares.repeat_interleave(7, 2).repeat_interleave(7, 3)


def assert_close(found: Tensor, expected: Tensor) -> None:
    """As close as float32 is, computed in another order."""
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-4)


def assert_same(seen: Seen, output: Output) -> None:
    assert_close(seen.log_probs, output.policy)
    assert_close(seen.value, output.value)
    assert_close(seen.attention, output.attention)


@pytest.mark.parametrize("gate", [*GATES, "none"])
@pytest.mark.parametrize("computed_by", LAYERS)
@torch.no_grad()
def test_pictures_show_what_the_agent_does(computed_by, gate):
    model, obs = lively(gate, LAYERS[computed_by]), frames()
    acted = model(obs)
    assert_same(see(model, obs), acted)  # computed as the agent computes
    opened = opened_copy(model)  # as pictures are made
    assert_same(see(opened, obs), acted)
    assert_same(see(opened, obs.float()), acted)
    assert_same(see_all(opened, obs, batch=2), acted)


@pytest.mark.parametrize("gate", [*GATES, "none"])
@torch.no_grad()
def test_both_are_the_network_by_hand(gate):
    model, obs = lively(gate, layers), frames()
    w = {name: weight.double() for name, weight in model.state_dict().items()}
    x = obs.double() / 255
    for layer, stride in ((0, 4), (2, 2), (4, 1)):
        kernel, bias = w[f"encoder.{layer}.weight"], w[f"encoder.{layer}.bias"]
        x = F.conv2d(x, kernel, bias, stride=stride).clamp(min=0)
    features = attended = x
    scores = attention = torch.zeros(3, 0, 7, 7).double()
    if gate != "none":
        unit = features / features.pow(2).sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        hidden = F.conv2d(unit, w["attention.score.0.weight"], w["attention.score.0.bias"])
        hidden = torch.where(hidden > 0, hidden, hidden.exp() - 1)
        scores = F.conv2d(hidden, w["attention.score.2.weight"], w["attention.score.2.bias"])
        if gate == "sigmoid":
            attention = 1 / (1 + (-scores).exp())
        elif gate == "uniform":
            attention = torch.full((3, 2, 7, 7), 1 / 49).double()
        else:
            attention = scores.exp() / scores.exp().sum((2, 3), keepdim=True)
        attended = unit * attention[:, :1] + unit * attention[:, 1:]
    body = F.linear(attended.reshape(3, 3136), w["body.0.weight"], w["body.0.bias"]).clamp(min=0)
    logits = F.linear(body, w["policy_head.weight"], w["policy_head.bias"])
    value = F.linear(body, w["value_head.weight"], w["value_head.bias"])[:, 0]
    log_probs = logits - logits.exp().sum(1, keepdim=True).log()

    # Else a mistake in them would go unnoticed.
    assert log_probs.exp().amax(1).min() > 0.3
    assert value.abs().min() > 0.01
    if gate not in ("none", "uniform"):
        assert (attention.amax((2, 3)) > 1.2 * attention.mean((2, 3))).all()
        assert (attention[:, 0] - attention[:, 1]).abs().max() > 0.1

    seen, acted = see(model, obs), model(obs)
    assert_close(seen.features, features)
    assert_close(seen.scores, scores)
    assert_close(seen.attention, attention)
    assert_close(seen.logits, logits)
    assert_close(seen.value, value)
    assert_close(acted.policy, log_probs)
    assert_close(acted.value, value)
    assert_close(acted.attention, attention)
