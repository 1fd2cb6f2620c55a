"""Maps of gradients: of a planted agent, and worked out by hand."""

import pytest
import torch
from explaining import ACTION, GATES, agent, explain, frames
from planted import BOX, CELL, NEWEST, SPOT, log_prob, peak, planted, scene, share_in_spot
from torch import Generator, nn

from attn_ppo.interpret.network import see
from attn_ppo.interpret.saliency import gradients
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import OF_ATTENTION, TARGETS

SIGNED = [name for name, method in METHODS.items() if method.signed]


# The planted agent


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", [n for n in METHODS if METHODS[n].frames == 4])
def test_finds_the_spot(name, gate):
    maps = explain(name, planted(gate), scene(elsewhere=0, older=255))
    # 64 of 28,224 pixels, which hold all but what the softmax takes from the other 48 cells.
    assert share_in_spot(maps) > 0.95
    row, column = peak(maps)
    assert 28 <= row < 36
    assert 44 <= column < 52
    assert (maps[0, NEWEST][SPOT] > 0).all()
    assert (maps[0, :NEWEST] == 0).all()  # nobody looks at older frames


@pytest.mark.parametrize("target", OF_ATTENTION)
@pytest.mark.parametrize("name", [n for n in SIGNED if n != "guided_backprop"])
def test_finds_what_draws_the_attention(name, target):
    at = explain(name, planted(sharpness=6), scene(), target)[0, NEWEST]
    assert at[SPOT].min() > 0
    others = torch.cat([at[:28].flatten(), at[36:].flatten()])
    # Of the target's slope the other 48 cells together have as much as CELL, with the other sign,
    # though their own features are dim, where the normalisation is 2.8 times as steep.
    assert others.sum() < 0
    assert at[SPOT].mean() > 10 * others.abs().mean()


def test_cells_that_tie_share_what_is_attended():
    seen = see(agent(), frames(1))
    heeded = torch.zeros(1, 1, 7, 7, requires_grad=True)
    with torch.no_grad():
        heeded[0, 0, [1, 5], [2, 6]] = 3
    target = TARGETS["attended"](seen._replace(heeded=heeded), ACTION)
    (slope,) = torch.autograd.grad(target.sum(), heeded)
    assert target.item() == 3
    assert (slope[0, 0, 1, 2], slope[0, 0, 5, 6], slope.sum()) == (0.5, 0.5, 1)


def test_grad_cam_finds_the_cell():
    for gate in GATES:
        cells = gradients.grad_cam_cells(planted(gate), scene(), ACTION, TARGETS["log_prob"])
        assert divmod(int(cells.argmax()), 7) == CELL
        assert cells.max() > 3 * cells.flatten().sort().values[-2]
    # Without attention: d logit / d feature is 2 in one of 49 cells, the feature there is 4.
    model, obs = planted("none"), scene(ground=0)
    cells = gradients.grad_cam_cells(model, obs, ACTION, TARGETS["margin"])
    assert cells[0, 2, 4].item() == pytest.approx(2 / 49 * 4)
    cells[0, 2, 4] = 0
    assert (cells == 0).all()
    # With a sigmoid wide open there, the feature is normalised, 4 / sqrt(4^2 + 4^2) = .707107; not
    # normalised, Grad-CAM would find 4 * .0883883 - 4 * .0883883, nothing.
    seeing = gradients.grad_cam_cells(planted("sigmoid"), obs, ACTION, TARGETS["margin"])
    assert seeing[0, 2, 4].item() == pytest.approx(2 / 49 * 0.707107, rel=1e-4)
    maps = explain("grad_cam", model, obs, "margin")
    # Cell (2, 4) sees rows 16..51 and columns 32..67: evenly, whatever other cells see a pixel.
    assert maps[0, 0, [16, 16, 51], [60, 32, 67]].tolist() == pytest.approx([2 / 49 * 4] * 3)
    maps[0, 0][BOX] = 0
    assert (maps == 0).all()


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", SIGNED)
def test_sign(name, gate):
    model = planted(gate)
    assert log_prob(model, scene(spot=250)) > log_prob(model, scene(spot=230))
    assert explain(name, model, scene(spot=240))[0, NEWEST][SPOT].mean() > 0
    if name != "guided_backprop":
        assert explain(name, model, scene(spot=240), "value")[0, NEWEST][SPOT].mean() < 0


# Without attention the margin is 2 * (4 * mean of 64 pixels / 255 + .1), the other logits being 0,
# and the value is - 3 / 2 of that: slopes of 8 / (64 * 255) = 1 / 2040 and - 3 / 4080 by a pixel.
@pytest.mark.parametrize(
    ("name", "target", "expected"),
    [
        ("gradient", "margin", 1 / 2040),
        ("gradient", "value", -3 / 4080),
        ("smoothgrad", "margin", 1 / 2040),
        ("smoothgrad", "value", -3 / 4080),
        ("vargrad", "margin", 0),
        ("gradient_x_input", "margin", 200 / 2040),
        ("integrated_gradients", "margin", 200 / 2040),
        ("integrated_gradients", "value", -600 / 4080),
        ("guided_backprop", "margin", 1 / 2040),
        ("guided_backprop", "value", 0),  # passed back below zero into the body's ReLU
    ],
)
def test_where_the_agent_is_linear(name, target, expected):
    maps = explain(name, planted("none"), scene(spot=200, ground=0), target)
    exact = torch.zeros(1, 4, 84, 84)
    exact[0, NEWEST, SPOT[0], SPOT[1]] = expected
    # 3e-4: the midpoints' error in integrating t^3, 1 / (2 * 64^2) of it.
    torch.testing.assert_close(maps, exact, rtol=3e-4, atol=1e-10)


def test_the_sum_of_the_attention_explains_nothing():
    def attention_sum(seen, _):
        return seen.attention.sum((1, 2, 3))

    model, obs = agent(), frames(1)
    nothing = explain("gradient", model, obs, attention_sum).abs().max()
    for target in OF_ATTENTION:
        assert explain("gradient", model, obs, target).abs().max() > 1e4 * nothing
    # a sum of sigmoids is a number like any other
    assert explain("gradient", agent("sigmoid"), obs, attention_sum).abs().max() > 1e4 * nothing


# Noise


class Ramp(nn.Module):
    """Not an agent, but enough for `see` to be replaced: its target is what the test says."""

    attention = None


@pytest.fixture
def scoring(monkeypatch):
    """Replaces the network: the target is a function of the pixels."""

    def of(function):
        monkeypatch.setattr(gradients, "see", lambda _model, pixels: pixels)
        return Ramp(), lambda pixels, _actions: function(pixels)

    return of


@pytest.mark.parametrize("sigma", [10.0, 38.25])
def test_mean_and_variance_of_a_gradient_that_is_the_noise(scoring, sigma):
    # The target is half the square, so its gradient is the noisy pixel itself.
    model, target = scoring(lambda pixels: pixels.square().sum((1, 2, 3)) / 2)
    obs = torch.full((1, 4, 84, 84), 250, dtype=torch.uint8)
    settings = {"samples": 50, "sigma": sigma}
    rng = Generator().manual_seed(0)
    mean = gradients.smoothgrad(model, obs, ACTION, target, rng, **settings)
    variance = gradients.vargrad(model, obs, ACTION, target, rng, **settings)
    # 28,224 pixels of 50 samples: the mean of means has an error of sigma / sqrt(1.4e6). Clipped
    # at 255 the mean would be below 242, wrapped around at 256 near 160.
    assert mean.mean().item() == pytest.approx(250, abs=sigma / 300)
    assert mean.std().item() == pytest.approx(sigma / 50**0.5, rel=0.02)
    assert variance.mean().item() == pytest.approx(sigma**2 * 49 / 50, rel=0.01)


def test_noise_is_of_fifteen_percent_and_fifty_samples(scoring):
    model, target = scoring(lambda pixels: pixels.square().sum((1, 2, 3)) / 2)
    mean = explain_by(gradients.smoothgrad, model, frames(1) * 0, target)
    assert mean.std().item() == pytest.approx(0.15 * 255 / 50**0.5, rel=0.02)


def explain_by(function, model, obs, target):
    return function(model, obs, ACTION, target, Generator().manual_seed(0))


def test_smoothgrad_keeps_signs_that_its_square_would_lose(scoring):
    model, target = scoring(lambda pixels: (pixels[:, 3] - pixels[:, 0]).sum((1, 2)))
    mean = explain_by(gradients.smoothgrad, model, frames(1), target)
    assert mean[0, :, 5, 5].tolist() == [-1, 0, 0, 1]
    assert (explain_by(gradients.vargrad, model, frames(1), target) == 0).all()


# Integrated gradients


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("gate", GATES)
def test_integrated_gradients_are_complete(gate, target):
    if gate == "none" and target in OF_ATTENTION:
        pytest.skip("no attention")
    for model, obs in ((agent(gate), frames(1)), (planted(gate), scene())):
        of = TARGETS[target]
        change = of(see(model, obs), ACTION) - of(see(model, obs * 0), ACTION)
        maps = explain("integrated_gradients", model, obs, target)
        gap = (maps.sum() - change).abs()
        assert gap < 5e-4 * maps.abs().sum()  # much of which cancels where weights are random
        if model is not agent(gate):
            assert gap < 1e-3 * change.abs()


def test_even_steps_miss_what_happens_near_black(monkeypatch):
    """A network without biases normalises any brightness alike; all change is next to black."""
    model, obs = planted(), scene()
    model.state_dict()["encoder.4.bias"].mul_(0.01)
    change = log_prob(model, obs) - log_prob(model, obs * 0)
    assert explain("integrated_gradients", model, obs).sum().item() == pytest.approx(
        change, rel=0.02
    )
    monkeypatch.setattr(gradients, "NEAR_BLACK", 1)
    assert abs(explain("integrated_gradients", model, obs).sum().item() - change) > 0.3 * change


def test_noisy_gives_smoothgrad_and_vargrad_of_the_same_copies():
    model, obs = agent(), frames(2)
    arguments = model, obs, ACTION.expand(2), TARGETS["log_prob"]
    mean, variance = gradients.smoothgrad_and_vargrad(
        *arguments, Generator().manual_seed(3), samples=4
    )
    for name, both in (("smoothgrad", mean), ("vargrad", variance)):
        alone = getattr(gradients, name)(*arguments, Generator().manual_seed(3), samples=4)
        torch.testing.assert_close(both, alone)
