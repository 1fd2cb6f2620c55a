"""Whether the network and the loss on a device are those of the CPU, outputs and gradients.

Both are held against the CPU in float64, on observations of a real game, with weights that make
the maps peaked and the policy decided. The CPU's own float32 is the first row: what is usual.

TOLERANCES are errors relative to the largest output, or to the length of a layer's gradient. A
product rounds its factors to p bits, a relative error of 2^-p at most: p is 24 for fp32, 11 for
TF32, 8 for bf16. Ten products follow one another, forward and backward, and a ReLU or a clip that
goes the other way adds what it lets through. What that comes to was measured on a CPU, TF32 by
rounding all factors to 11 bits (tests/test_gpu_agreement.py does it again):

    fp32  outputs 1.2e-6  gradients 1.5e-6
    TF32          8.9e-4            1.1e-2
    bf16          7.2e-3            4.6e-2

The tolerances are four times that, fp32's more. So neither TF32 passes for fp32, nor bf16 for TF32.
fp32 (gpu_fp32.py) has PyTorch's own convolutions on a GPU: cuDNN's are not 0 where only zeros are
seen, which the normalisation of each cell would blow up. No run has those
(backends.settle_convolutions), and gpu_zeros.py says whether a run's are exactly 0 there.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attn_ppo.agent import make_agent
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.compute import backends, layers
from attn_ppo.compute.backends import BACKENDS, Backend
from attn_ppo.config import RunConfig
from attn_ppo.model import ActorCritic
from attn_ppo.ppo import Minibatch, gae, ppo_loss
from attn_ppo.rollout import collect
from bench.gpu_part import LEFT_OUT, Ask, Row, judged
from bench.ours import settings_of

LAMBDA, CLIP_RANGE = 0.005, 0.1
TOLERANCES = {  # outputs, gradients
    "fp32": (2e-5, 1e-4),
    "tf32": (3.6e-3, 4.4e-2),
    "bf16": (2.9e-2, 1.9e-1),
}
REPEATS = 3  # of a compiled function: it is run, recorded, and replayed


class Result(NamedTuple):
    """What a network makes of a minibatch, on the CPU in float64."""

    outputs: dict[str, Tensor]  # policy, value, attention, loss
    gradients: dict[str, Tensor]  # of each layer, weights and biases in one vector


def rows(ask: Ask, precisions: Sequence[str] = ("tf32", "bf16")) -> Iterator[Row]:
    """A row for each backend and precision, with fp32 one for the CPU before them."""
    settings = settings_of("env=Breakout", "ppo.num_envs=8", "ppo.num_steps=32")
    weights, batch = played(settings)
    exact = computed(settings, weights, batch, torch.device("cpu"), "torch", "fp64")
    if "fp32" in precisions:
        cpu = computed(settings, weights, batch, torch.device("cpu"), "torch", "fp32")
        yield compared("the CPU's own fp32", cpu, exact, "fp32")
    device = torch.device(ask.device)
    for name in ("torch", "compile"):
        for precision in precisions:
            if ask.rehearsal and name == "compile" and precision != "fp32":
                continue
            what = f"{device.type.upper()}, {name}, {precision}"
            if why := missing(name, precision, device, ask):
                yield Row(what, LEFT_OUT, why)
                continue
            found = computed(settings, weights, batch, device, name, precision)
            yield compared(what, found, exact, precision)


def missing(name: str, precision: str, device: torch.device, ask: Ask) -> str:
    """Why a row is left out, in a line; "" where it isn't."""
    if name == "compile" and (why := backends.compile_missing(device)):
        return why
    if precision == "tf32" and device.type == "cuda" and not backends.has_tf32(device):
        return "this GPU has no TF32"
    if precision == "bf16" and device.type == "cuda" and backends.bf16_is_emulated(device):
        return "this GPU has no instructions for bf16"
    return "" if ask.left else "no time; give more --minutes"


def played(settings: RunConfig) -> tuple[dict[str, Tensor], Minibatch]:
    """Weights, and the samples of a short rollout as a minibatch, a third of whose ratios clip."""
    envs = AtariEnvs(
        settings.env,
        num_envs=settings.ppo.num_envs,
        seed=0,
        protocol=settings.protocol,
        num_threads=1,
    )
    agent = make_agent(settings, envs.num_actions, torch.device("cpu"))
    decide(agent.model)
    start = [envs.reset()]
    rollout, _, _ = collect(agent.model, [envs], start, settings.ppo.num_steps, agent.rng)
    envs.close()
    advantages = gae(rollout, gamma=0.99, gae_lambda=0.95)
    noise = torch.randn(rollout.log_probs.shape, generator=torch.Generator().manual_seed(0))
    batch = Minibatch(
        obs=rollout.obs.flatten(0, 1),
        actions=rollout.actions.flatten(),
        log_probs=(rollout.log_probs + 0.1 * noise).flatten(),
        values=rollout.values.flatten(),
        advantages=advantages.flatten(),
        returns=(advantages + rollout.values).flatten(),
    )
    return agent.model.state_dict(), batch


@torch.no_grad()
def decide(model: ActorCritic) -> None:
    """Makes maps peaked and a policy decided, as in a trained agent: fresh ones are nearly even."""
    model.policy_head.weight.mul_(100)
    if model.attention is not None:
        last = model.attention.score[-1]
        assert isinstance(last, nn.Conv2d)
        last.weight.mul_(10)


def computed(
    settings: RunConfig,
    weights: dict[str, Tensor],
    batch: Minibatch,
    device: torch.device,
    name: str,
    precision: str,
) -> Result:
    """The outputs and gradients by this backend, in this precision, on this device."""
    backend = BACKENDS[name]
    model = network(settings, weights, backend, precision).to(device)
    fields = (each.to(device) for each in batch)
    if precision == "fp64":
        fields = (each.double() if each.is_floating_point() else each for each in fields)
    batch = Minibatch(*fields)
    torch.compiler.reset()  # what was compiled, or recorded as a CUDA graph, has its precision
    own = without_cudnn() if precision == "fp32" else contextlib.nullcontext()
    with products_in(precision), own:
        for _ in range(REPEATS if name == "compile" else 1):
            result = _once(settings, model, batch, backend)
    torch.compiler.reset()
    return result


def network(
    settings: RunConfig, weights: dict[str, Tensor], backend: Backend, precision: str
) -> ActorCritic:
    """A network with these weights."""
    used = DOUBLE if precision == "fp64" else backend.layers
    num_actions = len(weights["policy_head.bias"])
    model = ActorCritic(
        num_actions,
        settings.attention,
        torch.Generator(),
        layers=used,
        bf16=precision == "bf16",
    )
    model.load_state_dict(weights)
    model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model.double() if precision == "fp64" else model


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """While this lasts, products and convolutions of float32 are computed in TF32, or aren't.

    What is made without a type is of float64 for fp64. By PyTorch's older switches: after the newer
    ones, `fp32_precision`, some versions can't compile.
    """
    tf32 = precision == "tf32"
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.set_default_dtype(torch.float64 if precision == "fp64" else torch.float32)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_float32_matmul_precision(before[0])
            torch.backends.cudnn.allow_tf32 = before[1]


@contextlib.contextmanager
def without_cudnn() -> Iterator[None]:
    """While this lasts, a GPU's convolutions are PyTorch's own."""
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def outputs(model: nn.Module, obs: Tensor) -> tuple[Tensor, ...]:
    """Policy, value and attention."""
    policy, value, attention, _ = model(obs)
    return policy, value, attention


def _once(settings: RunConfig, model: nn.Module, batch: Minibatch, backend: Backend) -> Result:
    device = batch.actions.device
    with torch.no_grad():
        found = [exactly(each) for each in backend.prepare(outputs)(model, batch.obs)]
    dtype = batch.values.dtype
    weight, clip = (torch.tensor(x, device=device, dtype=dtype) for x in (LAMBDA, CLIP_RANGE))
    model.zero_grad()
    loss, _ = backend.prepare(ppo_loss)(
        model,
        batch,
        settings.ppo,
        settings.regularizer,
        lambda_=weight,
        diversity=0.1,
        clip_range=clip,
    )
    loss.backward()
    named = zip(("policy", "value", "attention", "loss"), [*found, exactly(loss)], strict=True)
    layers: dict[str, list[Tensor]] = {}
    for weight_name, parameter in model.named_parameters():
        assert parameter.grad is not None
        layers.setdefault(weight_name.rpartition(".")[0], []).append(
            exactly(parameter.grad).flatten()
        )
    return Result(dict(named), {layer: torch.cat(each) for layer, each in layers.items()})


def compared(what: str, found: Result, exact: Result, precision: str) -> Row:
    """The row of a result: its worst output and worst gradient, held against the tolerances."""
    errors = {name: _error(found.outputs[name], exact.outputs[name]) for name in exact.outputs}
    worst = max(errors, key=lambda name: errors[name])
    slopes = {
        layer: share((found.gradients[layer] - gradient).norm(), gradient.norm())
        for layer, gradient in exact.gradients.items()
    }
    steepest = max(slopes, key=lambda layer: slopes[layer])
    allowed, allowed_slope = TOLERANCES[precision]
    good = errors[worst] <= allowed and slopes[steepest] <= allowed_slope
    told = (
        f"outputs within {errors[worst]:.1e} ({worst}; allowed {allowed:.0e}), gradients "
        f"{slopes[steepest]:.1e} ({steepest}; allowed {allowed_slope:.0e})"
    )
    return judged(what, good, told, outputs=errors, gradients=slopes)


def _error(found: Tensor, exact: Tensor) -> float:
    """The largest error, as a share of the largest value."""
    return share((found - exact).abs().max(), exact.abs().max())


def share(error: Tensor, of: Tensor) -> float:
    """How much of it the error is; infinite where something is nan, which max() would lose."""
    share = float(error / of)
    return math.inf if math.isnan(share) else share


def exactly(tensor: Tensor) -> Tensor:
    """A copy on the CPU, in float64."""
    return tensor.detach().to("cpu", torch.float64, copy=True)


def _encode(encoder: nn.Sequential, obs: Tensor) -> Tensor:
    return encoder(obs.double() / 255)


DOUBLE: Any = SimpleNamespace(
    encode=_encode,
    normalize_channels=layers.normalize_channels,
    score=layers.score,
    attend=layers.attend,
)
