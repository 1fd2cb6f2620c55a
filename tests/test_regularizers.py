"""What lambda and diversity weigh, by hand: values, ranges, gradients, at saturation above all."""

import math

import pytest
import torch
from torch import Tensor

from attn_ppo.attention import GATES, spatial_softmax
from attn_ppo.compute.adam import Adam
from attn_ppo.config import RegularizerSettings
from attn_ppo.regularizers import REGULARIZERS, map_movement, map_overlap

SETTINGS = {"target_entropy": RegularizerSettings("target_entropy", 0.693147)}  # others need none


def maps_of(*maps: dict[int, float]) -> Tensor:
    """One sample's maps (1, K, 7, 7), each given by the weights of some cells, the others 0."""
    attention = torch.zeros(1, len(maps), 49)
    for number, weights in enumerate(maps):
        for cell, weight in weights.items():
            attention[0, number, cell] = weight
    return attention.view(1, len(maps), 7, 7)


def settings_of(name: str) -> RegularizerSettings:
    return SETTINGS.get(name, RegularizerSettings(name, None))


def value(name: str, attention: Tensor) -> float:
    return REGULARIZERS[name](attention, torch.zeros_like(attention), settings_of(name)).item()


ONE, TWO, EVEN = {5: 1.0}, {5: 0.5, 9: 0.5}, dict.fromkeys(range(49), 1 / 49)


@pytest.mark.parametrize(
    ("maps", "entropy", "from_ln_2"),
    [
        ((EVEN, EVEN), 7.783641, 7.090494),  # 2 ln 49, less ln 2 = 0.693147
        ((ONE, TWO), 0.693147, 0.0),
        ((ONE, ONE), 0.0, 0.693147),  # below the target: as far, at the other side
        ((TWO, TWO), 1.386294, 0.693147),
        (({5: 0.8, 9: 0.8}, ONE), 0.693147, 0.0),  # the sigmoid gate's: of shares
    ],
)
def test_values_by_hand(maps, entropy, from_ln_2):
    assert value("entropy", maps_of(*maps)) == pytest.approx(entropy, abs=1e-5)
    assert value("target_entropy", maps_of(*maps)) == pytest.approx(from_ln_2, abs=1e-5)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # p = (.8, .2): H = .500402, dH/ds0 = -p0 (log p0 + H) = -.8 * (-.223144 + .500402)
        (0.3, -0.221807),  # above the target: as the entropy's
        (0.6, 0.221807),  # below it: the other way
    ],
)
def test_the_gradient_points_to_the_target(target, expected):
    scores = torch.tensor([[[[math.log(4.0), 0.0]]]], requires_grad=True)
    settings = RegularizerSettings("target_entropy", target)
    REGULARIZERS["target_entropy"](spatial_softmax(scores), scores, settings).sum().backward()
    assert scores.grad is not None
    assert scores.grad.flatten().tolist() == pytest.approx([expected, -expected], abs=1e-5)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("peak", [0.0, 3.0, 50.0, 200.0, 1e4, -1e4])
def test_each_has_its_range_and_a_finite_gradient(name, gate, peak):
    scores = torch.randn(5, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    scores[1:, :, 2, 3] += peak
    scores.requires_grad_()
    found = REGULARIZERS[name](GATES[gate](scores), scores, settings_of(name))
    assert found.shape == (5,)
    assert ((found >= 0) & (found <= 3 * math.log(49) + 1e-5)).all()
    found.sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ((EVEN, EVEN), 0.020619),  # sum p q = 1/49; -ln(48/49)
        ((TWO, TWO), 0.693147),  # 1/4 + 1/4; -ln(1/2)
        ((ONE, TWO), 0.693147),  # 1 * 1/2
        ((ONE, {9: 1.0}), 0.0),
        (({5: 0.9, 9: 0.1}, {5: 0.9, 9: 0.1}), 1.714798),  # .81 + .01; -ln(.18)
        ((TWO, TWO, ONE), 2.079442),  # three pairs of ln 2
        ((TWO, {5: 0.3, 9: 0.3}), 0.693147),  # the sigmoid gate's: of shares
        ((ONE, ONE), 69.077553),  # at most: -ln(1e-30)
        ((ONE,), 0.0),
        ((), 0.0),
    ],
)
def test_overlap_by_hand(maps, expected):
    assert map_overlap(maps_of(*maps)).tolist() == pytest.approx([expected], abs=1e-5)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([(ONE,), ({9: 1.0},)], 0.5),  # mean 1/2 on each cell: both are 1/2 from it
        ([(ONE,), ({9: 1.0},), ({11: 1.0},), ({13: 1.0},)], 0.75),  # from 1/4 on each of four
        ([(ONE,), (ONE,), ({9: 1.0},)], 4 / 9),  # mean 2/3, 1/3: 1/3, 1/3 and 2/3 from it
        ([(ONE, ONE), (ONE, {9: 1.0})], 0.25),  # the first map stands still
        ([(TWO,), ({5: 1.0},)], 0.25),  # mean 3/4, 1/4: |1/2 - 3/4| = |1 - 3/4| = 1/4
        ([({5: 0.5},), ({5: 0.1},)], 0.0),  # the sigmoid gate's: of shares
        ([(ONE, TWO), (ONE, TWO)], 0.0),
        ([(EVEN,)], 0.0),
        ([(), ()], math.nan),
    ],
)
def test_movement_by_hand(samples, expected):
    found = map_movement(torch.cat([maps_of(*maps) for maps in samples])).item()
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_the_overlaps_gradient_by_hand():
    # p = q = (.8, .2): o = .64 + .04 = .68; dL/ds0 = p0 (q0 - o) / (1 - o) = .8 * .12 / .32 = .3
    scores = torch.tensor([math.log(4.0), 0.0]).expand(1, 2, 1, 2).clone().requires_grad_()
    map_overlap(spatial_softmax(scores)).sum().backward()
    assert scores.grad is not None
    for each in scores.grad[0, :, 0]:
        assert each.tolist() == pytest.approx([0.3, -0.3], abs=1e-6)


@pytest.mark.parametrize("peak", [12.0, 20.0, 60.0])
def test_maps_that_came_down_to_one_cell_still_feel_their_overlap(peak):
    """There p = 1 - 48 e, o = 1 - 96 e: (q - o) / (1 - o) = 48 e / 96 e, whatever e may be."""
    scores = torch.zeros(1, 2, 7, 7)
    scores[0, :, 2, 3] = peak
    scores.requires_grad_()
    overlap = map_overlap(spatial_softmax(scores))
    # -ln(96 e^-peak) = peak - 4.564348
    assert overlap.item() == pytest.approx(peak - 4.564348, rel=1e-3)
    overlap.sum().backward()
    assert scores.grad is not None
    for each in scores.grad[0]:
        assert each[2, 3].item() == pytest.approx(0.5, rel=1e-2)
        assert each[0, 0].item() == pytest.approx(-0.5 / 48, rel=1e-2)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("peak", [0.0, 3.0, 50.0, 200.0, 1e4, -1e4])
def test_the_overlap_has_its_range_and_a_finite_gradient(gate, peak):
    scores = torch.randn(5, 64, 7, 7, generator=torch.Generator().manual_seed(0))
    scores[1:, :, 2, 3] += peak
    scores.requires_grad_()
    found = map_overlap(GATES[gate](scores))
    assert ((found >= 0) & (found <= 69.08 * 64 * 63 / 2)).all()
    (1000 * found).sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_maps_part_that_had_come_down_to_one_cell():
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn(1, 2, 7, 7, generator=rng)
    scores[0, :, 2, 3] += 20
    scores.requires_grad_()
    optimizer = Adam([scores], 0.1)
    assert map_overlap(spatial_softmax(scores)).item() > 10
    for _ in range(300):
        optimizer.zero_grad()
        map_overlap(spatial_softmax(scores)).sum().backward()
        optimizer.step()
    first, second = spatial_softmax(scores)[0].flatten(1).detach()
    assert (first * second).sum().item() < 1e-3
