"""Sums that run backwards through time, in both orders of adding up."""

import pytest
import torch
from torch import Tensor

from attn_ppo.compute import scan

ORDERS = {"looped": scan.looped, "doubled": scan.doubled}


def column(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


# terms, decays, sums. gamma .5, gae_lambda 1, values 0, rewards 1 2 3, next values 0 9 4: the
# episode that ends at t=1 has the terms 1, 2, 3 + .5*4 where it is terminated, and its trace stops;
# where truncated 1, 2 + .5*9, 5.
BY_HAND = {
    "terminated": ((1, 2, 5), (0.5, 0, 0.5), (2, 2, 5)),
    "truncated": ((1, 6.5, 5), (0.5, 0, 0.5), (4.25, 6.5, 5)),
    # t=3: 8.  t=2: 4 + .5*8 = 8.  t=1: 2 + .5*8 = 6.  t=0: 1 + .5*6 = 4.
    "no ending": ((1, 2, 4, 8), (0.5, 0.5, 0.5, 0.5), (4, 6, 8, 8)),
    # t=4: 1.  t=3: 1 + 4*1 = 5.  t=2: 1 + 3*5 = 16.  t=1: 1 + 2*16 = 33.  t=0: 1 + 1*33 = 34.
    "five steps": ((1, 1, 1, 1, 1), (1, 2, 3, 4, 9), (34, 33, 16, 5, 1)),
    "two steps": ((1, 3), (2, 9), (7, 3)),
    "one step": ((3,), (9,), (3,)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", BY_HAND)
def test_sums_by_hand(order, case):
    terms, decays, sums = (column(*numbers) for numbers in BY_HAND[case])
    kept = terms.clone(), decays.clone()
    assert torch.equal(ORDERS[order](terms, decays), sums)
    assert torch.equal(terms, kept[0])  # the caller's own are left as they are
    assert torch.equal(decays, kept[1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("steps", [1, 2, 3, 127, 128, 129])
def test_a_rollout_in_either_order_is_the_definition(order, steps):
    """S[t] is the sum over s >= t of terms[s] times the product of decays[t .. s - 1]."""
    rng = torch.Generator().manual_seed(steps)
    terms = torch.randn(steps, 8, generator=rng, dtype=torch.float64)
    done = torch.rand(steps, 8, generator=rng) < 0.05
    decays = 0.99 * 0.95 * ~done
    exact = torch.zeros(steps, 8, dtype=torch.float64)
    for first in range(steps):
        weight = torch.ones(8, dtype=torch.float64)
        for last in range(first, steps):
            exact[first] += weight * terms[last]
            weight = weight * decays[last]
    torch.testing.assert_close(ORDERS[order](terms, decays.double()), exact, rtol=0, atol=1e-13)
    single = ORDERS[order](terms.float(), decays.float())
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-5)


def test_the_cpu_keeps_the_loop_and_its_bits():
    rng = torch.Generator().manual_seed(0)
    terms, decays = torch.randn(128, 8, generator=rng), torch.full((128, 8), 0.9405)
    assert torch.equal(scan.discounted(terms, decays), scan.looped(terms, decays))
    assert not torch.equal(scan.doubled(terms, decays), scan.looped(terms, decays))


def test_elsewhere_no_step_is_taken_one_by_one():
    """On a device without memory: only how many operations there are."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counting(TorchDispatchMode):
        computed = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.computed += not func._schema.name.startswith(("aten::slice", "aten::detach"))
            return func(*args, **(kwargs or {}))

    terms = torch.zeros(128, 8, device="meta")
    with Counting() as counted:
        assert scan.discounted(terms, terms).shape == (128, 8)
    assert counted.computed == 22  # a copy, then 7 times: multiply, add, multiply
