"""The GPU check's comparisons, on the CPU: what passes, what doesn't, and what zeros become."""

import math

import pytest
import torch
from asking import ask
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from attn_ppo.compute import backends
from bench import gpu_agreement, gpu_zeros
from bench.gpu_part import FAILED, LEFT_OUT, OK

CPU = torch.device("cpu")


class Rounded(TorchDispatchMode):
    """Products and convolutions whose factors have so many bits, as a GPU computes them in TF32."""

    PRODUCTS = ("aten::convolution", "aten::convolution_backward", "aten::addmm", "aten::mm")

    def __init__(self, bits: int):
        super().__init__()
        self.bits = bits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._schema.name in self.PRODUCTS:
            args = [self.rounded(each) for each in args]
        return func(*args, **(kwargs or {}))

    def rounded(self, each):
        if not isinstance(each, Tensor) or each.dim() < 2:
            return each
        mantissa, exponent = torch.frexp(each)
        return torch.ldexp((mantissa * 2**self.bits).round() / 2**self.bits, exponent)


@pytest.fixture(scope="module")
def played():
    """Settings, weights, a minibatch, and what comes of it in float64."""
    settings = gpu_agreement.settings_of("env=Breakout", "ppo.num_envs=8", "ppo.num_steps=32")
    weights, batch = gpu_agreement.played(settings)
    exact = gpu_agreement.computed(settings, weights, batch, CPU, "torch", "fp64")
    return settings, weights, batch, exact


@pytest.mark.parametrize(
    ("bits", "passes"), [(24, ("fp32", "tf32", "bf16")), (11, ("tf32", "bf16")), (8, ("bf16",))]
)
def test_tolerances_tell_the_precisions_apart(bits, passes, played):
    settings, weights, batch, exact = played
    with Rounded(bits):
        found = gpu_agreement.computed(settings, weights, batch, CPU, "torch", "fp32")
    rows = {name: gpu_agreement.compared("", found, exact, name) for name in ("fp32", "tf32")}
    rows["bf16"] = gpu_agreement.compared("", found, exact, "bf16")
    assert tuple(name for name, row in rows.items() if row.state == OK) == passes


def test_the_cpu_itself_agrees_in_bf16(played):
    settings, weights, batch, exact = played
    found = gpu_agreement.computed(settings, weights, batch, CPU, "torch", "bf16")
    assert gpu_agreement.compared("", found, exact, "bf16").state == OK
    assert gpu_agreement.compared("", found, exact, "fp32").state == FAILED


@pytest.mark.parametrize("field", ["outputs", "gradients"])
@pytest.mark.parametrize("wrong", [0.999, float("nan")])
def test_one_wrong_tensor_is_found_and_named(field, wrong, played):
    exact = played[3]
    name = {"outputs": "value", "gradients": "body.0"}[field]
    tensors = getattr(exact, field)
    found = exact._replace(**{field: tensors | {name: tensors[name] * wrong}})
    row = gpu_agreement.compared("", found, exact, "fp32")
    assert row.state == FAILED
    assert name in row.told
    assert gpu_agreement.compared("", exact, exact, "fp32").state == OK


def test_precision_is_set_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with gpu_agreement.products_in("tf32"):
        within = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with gpu_agreement.products_in("fp32"):
        exact = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    after = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    assert (within, exact, after) == (("high", True), ("highest", False), before)
    assert torch.get_default_dtype() == torch.float32


def test_fp32_has_convolutions_by_pytorch(played, monkeypatch):
    settings, weights, batch, _ = played
    seen = []
    by_cudnn = torch.backends.cudnn
    monkeypatch.setattr(gpu_agreement, "_once", lambda *_: seen.append(by_cudnn.enabled))
    for precision in ("fp32", "tf32", "bf16"):
        gpu_agreement.computed(settings, weights, batch, CPU, "torch", precision)
    assert (seen, by_cudnn.enabled) == ([False, True, True], True)


@pytest.mark.parametrize(("tf32", "left_out"), [(True, ""), (False, "this GPU has no TF32")])
def test_without_tf32_its_rows_are_left_out(tf32, left_out, monkeypatch):
    monkeypatch.setattr(backends, "has_tf32", lambda _: tf32)
    cuda = torch.device("cuda")
    assert gpu_agreement.missing("torch", "tf32", cuda, ask()) == left_out
    assert gpu_agreement.missing("torch", "fp32", cuda, ask()) == ""
    assert gpu_agreement.missing("torch", "tf32", CPU, ask()) == ""


class Winograd(TorchDispatchMode):
    """Convolutions of 128 samples or more leave 1e-5 where 0 should be, as cuDNN's in fp32."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func._schema.name == "aten::convolution" and len(found) >= 128:
            return found + 1e-5 * found.abs().max() * (found == 0)
        return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_left_where_only_zeros_are_seen(precision):
    settings = gpu_agreement.settings_of("env=Breakout", f"compute.precision={precision}")
    rests = {n: gpu_zeros.rest(settings, CPU, "torch", n) for n in (4, 128)}
    row = gpu_zeros.judged_row("zeros", rests)
    assert (row.state, rests) == (OK, {4: 0.0, 128: 0.0})
    assert row.told == "exactly 0 where only zeros are seen, 4, 128 samples at once"
    with Winograd():
        rests = {n: gpu_zeros.rest(settings, CPU, "torch", n) for n in (4, 128)}
    row = gpu_zeros.judged_row("zeros", rests)
    assert (row.state, rests[4]) == (FAILED, 0.0)
    assert 9e-6 < rests[128] < 1e-3  # the layers after the first see more than its own rest
    assert " of the largest with 128, not 0, where only zeros are seen" in row.told


def test_not_a_number_is_not_zero():
    assert gpu_zeros.judged_row("zeros", {4: 0.0, 64: math.inf}).state == FAILED
    assert gpu_agreement.share(torch.tensor(math.nan), torch.tensor(1.0)) == math.inf


def test_zeros_are_looked_at_as_a_run_has_them(monkeypatch):
    """With what it sets for its convolutions, in both of its precisions, at all sizes."""
    asked, settled = [], []
    monkeypatch.setattr(backends, "settle_convolutions", settled.append)
    monkeypatch.setattr(backends, "compile_missing", lambda _: "no compiler")

    def rest(settings, _, name, batch):
        asked.append((settings.compute.precision, name, batch))
        return 0.0

    monkeypatch.setattr(gpu_zeros, "rest", rest)
    rows = list(gpu_zeros.rows(ask()))
    sizes = (4, 64, 128, 256, 1024)
    assert asked == [(precision, "torch", n) for precision in ("fp32", "bf16") for n in sizes]
    assert settled == [CPU]
    assert [row.state for row in rows] == [OK, OK, LEFT_OUT, LEFT_OUT]
    assert rows[0].what == "CPU, torch, compute.precision=fp32"
