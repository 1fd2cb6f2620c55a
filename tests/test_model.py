"""The network, its gates and the regulariser, layer by layer against the study's description."""

import math
from typing import Any

import pytest
import torch
from torch import Generator, nn

from attn_ppo import config
from attn_ppo.attention import GATES, spatial_softmax
from attn_ppo.compute.layers import normalize_channels
from attn_ppo.model import ActorCritic, sample
from attn_ppo.regularizers import attention_entropy, map_entropies


def build(gate: Any = "softmax", maps: int = 2, seed: int = 0) -> ActorCritic:
    settings = config.AttentionSettings(gate=gate, maps=maps, hidden=512)
    return ActorCritic(4, settings, Generator().manual_seed(seed))


def frames(batch: int, seed: int = 0) -> torch.Tensor:
    rng = Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 4, 84, 84), generator=rng, dtype=torch.uint8)


@pytest.mark.parametrize("gate", [*GATES, "none"])
@pytest.mark.parametrize("maps", [1, 2, 3])
def test_shapes_and_ranges(gate, maps):
    policy, value, attention, scores = build(gate, maps)(frames(3))
    assert policy.shape == (3, 4)
    assert value.shape == (3,)
    assert attention.shape == scores.shape == (3, 0 if gate == "none" else maps, 7, 7)
    if gate != "none":
        assert torch.equal(GATES[gate](scores), attention)
    torch.testing.assert_close(policy.exp().sum(-1), torch.ones(3))
    assert (attention >= 0).all()
    assert (attention <= 1).all()


def test_layers_are_the_studys():
    model = build()
    convolutions = [layer for layer in model.encoder if isinstance(layer, nn.Conv2d)]
    shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convolutions]
    assert shapes == [(4, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)]
    assert all(c.padding == (0, 0) for c in convolutions)
    # 4*32*64+32, 32*64*16+64, 64*64*9+64 | 64*512+512, 512*2+2 | 3136*512+512 | 512*4+4, 512+1
    expected = 8224 + 32832 + 36928 + 33280 + 1026 + 1606144 + 2052 + 513
    assert sum(p.numel() for p in model.parameters()) == expected
    # Orthogonal rows of length sqrt 2 (body: 512 rows of 3136), .01 and 1 in the heads.
    weight = model.state_dict()["body.0.weight"]
    gram = weight @ weight.T
    torch.testing.assert_close(gram, 2 * torch.eye(512), atol=1e-4, rtol=0)
    assert model.policy_head.weight.norm(dim=1).tolist() == pytest.approx([0.01] * 4, rel=1e-4)
    assert model.value_head.weight.norm().item() == pytest.approx(1, rel=1e-4)
    assert all((p == 0).all() for name, p in model.named_parameters() if name.endswith("bias"))


def test_plain_cnn_has_neither_attention_nor_norm():
    model = build("none")
    obs = frames(2)
    by_hand = model.policy_head(model.body(model.encoder(obs.float() / 255).flatten(1)))
    torch.testing.assert_close(model(obs).policy, by_hand.log_softmax(-1))
    assert not any("attention" in name for name, _ in model.named_parameters())


def test_features_are_weighed_by_the_sum_of_the_maps():
    model = build()
    obs = frames(2)
    features = normalize_channels(model.encoder(obs.float() / 255))
    torch.testing.assert_close(features.square().sum(1), torch.ones(2, 7, 7))
    attention = model(obs).attention
    weighed = features * (attention[:, 0] + attention[:, 1])[:, None]
    torch.testing.assert_close(
        model(obs).value, model.value_head(model.body(weighed.flatten(1)))[:, 0]
    )


def test_normalising_dead_cells_is_finite():
    features = torch.zeros(1, 2, 1, 2, requires_grad=True)
    with torch.no_grad():
        features[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    result = normalize_channels(features)
    assert result[0, :, 0, 0].tolist() == pytest.approx([0.6, 0.8])
    assert result[0, :, 0, 1].tolist() == [0, 0]
    result.sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_same_seed_same_agent_seed_zero_included():
    same, again, other = (build(seed=s).state_dict() for s in (0, 0, 1))
    assert all((same[key] == again[key]).all() for key in same)
    assert not (same["body.0.weight"] == other["body.0.weight"]).any()


def test_softmax_is_over_cells_of_each_map():
    scores = torch.zeros(1, 2, 7, 7)
    scores[0, 1, 3, 5] = math.log(48)  # 48 against 48 cells of weight 1: a half
    attention = spatial_softmax(scores)
    assert attention[0, 0].flatten().tolist() == pytest.approx([1 / 49] * 49)
    assert attention[0, 1, 3, 5].item() == pytest.approx(0.5)


def attention_to(model: ActorCritic, constant: float) -> torch.Tensor:
    """The two maps of an agent whose scores are log 3 + constant at one cell of each, else the
    constant: cell (2, 5) of the first map, cell (6, 0) of the second."""
    weights = {name: w for name, w in model.named_parameters() if "attention.score" in name}
    with torch.no_grad():
        for weight in weights.values():
            weight.zero_()
        for number in (0, 1):  # a map a feature; ELU leaves what is not negative as it is
            weights["attention.score.0.weight"][number, number] = 1
            weights["attention.score.2.weight"][number, number] = 1
        weights["attention.score.2.bias"].fill_(constant)
        features = torch.zeros(1, 64, 7, 7)
        features[0, 0, 2, 5] = features[0, 1, 6, 0] = math.log(3)
        _, attention, _ = model.attend(features)
    return attention[0]


@pytest.mark.parametrize(
    ("constant", "strongest", "others", "sums"),
    [
        # 1 / (1 + e^-s), each score by itself.  log 3: 3 / (3 + 1).  0: 1 / 2.
        (0.0, 0.75, 0.5, 24.75),  # .75 + 48 * .5
        # less log 3: 1 / 2 and 1 / (1 + 3)
        (-math.log(3), 0.5, 0.25, 12.5),  # .5 + 48 * .25
    ],
)
def test_the_sigmoid_gate_weighs_each_cell_by_itself(constant, strongest, others, sums):
    first, second = attention_to(build("sigmoid"), constant)
    assert first[2, 5].item() == pytest.approx(strongest)
    assert second[6, 0].item() == pytest.approx(strongest)
    assert first[6, 0].item() == pytest.approx(others)
    assert second[2, 5].item() == pytest.approx(others)
    assert [first.sum().item(), second.sum().item()] == pytest.approx([sums, sums])


@pytest.mark.parametrize("constant", [0.0, -math.log(3)])
def test_the_softmax_gate_weighs_cells_against_each_other(constant):
    # 3 / (3 + 48) = 1 / 17 and 1 / 51, whatever is added to all scores: both maps sum to one
    first, second = attention_to(build("softmax"), constant)
    assert first[2, 5].item() == pytest.approx(1 / 17)
    assert second[6, 0].item() == pytest.approx(1 / 17)
    assert first[6, 0].item() == pytest.approx(1 / 51)
    assert second[2, 5].item() == pytest.approx(1 / 51)
    assert [first.sum().item(), second.sum().item()] == pytest.approx([1, 1])


def test_the_uniform_gate_lets_all_through_alike_and_teaches_the_scores_nothing():
    model = build("uniform")
    first, second = attention_to(model, 7.0)
    assert first.flatten().tolist() == pytest.approx([1 / 49] * 49)
    assert second.flatten().tolist() == pytest.approx([1 / 49] * 49)
    output = model(frames(2))
    (output.policy[:, 0].sum() + attention_entropy(output.attention).sum()).backward()
    for name, weight in model.named_parameters():
        taught = weight.grad is not None and bool(weight.grad.any())
        assert taught == (not name.startswith(("attention.", "value_head."))), name


def test_entropy_of_known_maps():
    uniform = torch.full((7, 7), 1 / 49)
    one_cell = torch.zeros(7, 7)
    one_cell[2, 3] = 1
    two_cells = torch.zeros(7, 7)
    two_cells[0, 0] = two_cells[6, 6] = 0.5
    attention = torch.stack([torch.stack([uniform, uniform]), torch.stack([one_cell, two_cells])])
    entropies = map_entropies(attention)
    # ln 49 = 3.891820, ln 1 = 0, ln 2 = 0.693147
    torch.testing.assert_close(entropies, torch.tensor([[3.891820, 3.891820], [0, 0.693147]]))
    torch.testing.assert_close(attention_entropy(attention), torch.tensor([7.783641, 0.693147]))


def test_entropy_of_maps_that_do_not_sum_to_one():
    # the sigmoid gate: four cells of .8 and the rest 0 are spread over four cells, ln 4 = 1.386294
    attention = torch.zeros(1, 1, 7, 7)
    attention[0, 0, 0, :4] = 0.8
    assert attention_entropy(attention).item() == pytest.approx(1.386294, abs=1e-6)
    assert attention_entropy(torch.zeros(1, 1, 7, 7)).item() == 0
    assert attention_entropy(torch.zeros(3, 0, 7, 7)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("peak", [0.0, 50.0, 200.0, 1e4])
def test_entropy_gradient_is_finite_on_a_saturated_softmax(peak):
    scores = torch.zeros(1, 1, 7, 7)
    scores[0, 0, 0, 0] = peak
    scores.requires_grad_()
    attention_entropy(spatial_softmax(scores)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_entropy_gradient_points_towards_spread():
    # p = (.8, .2): dH/ds0 = -p0 (log p0 + H) = -.8 * (-.223144 + .500402) = -.221807
    scores = torch.tensor([[[[math.log(4.0), 0.0]]]], requires_grad=True)
    attention_entropy(spatial_softmax(scores)).sum().backward()
    assert scores.grad is not None
    assert scores.grad.flatten().tolist() == pytest.approx([-0.221807, 0.221807], abs=1e-5)


def test_actions_follow_the_policy():
    policy = torch.tensor([[0.7, 0.2, 0.1]]).log().expand(20_000, 3)
    noise = torch.empty(20_000, 3).exponential_(generator=Generator().manual_seed(0))
    shares = sample(policy, noise).bincount(minlength=3) / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.015, rtol=0)


def test_first_ratio_of_an_update_is_one():
    model, obs = build(), frames(16)
    with torch.no_grad():  # acting sees 8 at a time, learning 256
        acting = torch.cat([model(half).policy for half in obs.split(8)])
    torch.testing.assert_close((model(obs).policy - acting).exp(), torch.ones(16, 4))
