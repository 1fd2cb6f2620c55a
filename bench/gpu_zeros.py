"""Whether convolutions are exactly 0 where only zeros are seen, as a run computes them.

Each cell's features are scaled to length one: what should be 0 and is 1e-6 would become noise of
length one, and its gradient hundreds of times too large. cuDNN chooses an algorithm for each number
of samples, and Winograd's leaves such a rest.
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from attn_ppo.compute import backends
from attn_ppo.compute.backends import BACKENDS, Backend
from attn_ppo.config import RunConfig
from attn_ppo.model import ActorCritic
from bench.gpu_agreement import REPEATS, missing, share
from bench.gpu_part import LEFT_OUT, Ask, Row, judged
from bench.ours import settings_of

BATCHES = (4, 64, 128, 256, 1024)
FEW = BATCHES[:2]  # where compiling takes longest
PRECISIONS = ("fp32", "bf16")  # compute.precision
LIT = (36, 20)  # rows and columns of pixels that aren't 0; 5 rows and 3 columns of cells see them
CELLS = (5, 3)


def rows(ask: Ask) -> Iterator[Row]:
    """A row for each backend and precision of a run."""
    device = torch.device(ask.device)
    backends.settle_convolutions(device)
    for name in ("torch", "compile"):
        for precision in PRECISIONS:
            what = f"{device.type.upper()}, {name}, compute.precision={precision}"
            if why := missing(name, precision, device, ask):
                yield Row(what, LEFT_OUT, why)
                continue
            settings = settings_of("env=Breakout", f"compute.precision={precision}")
            batches = FEW if ask.rehearsal and name == "compile" else BATCHES
            yield judged_row(what, {n: rest(settings, device, name, n) for n in batches})


def judged_row(what: str, rests: dict[int, float]) -> Row:
    """The row of what there is, by the number of samples, where 0 should be."""
    worst = max(rests, key=lambda batch: rests[batch])
    good = rests[worst] == 0
    told = "exactly 0" if good else f"{rests[worst]:.1e} of the largest with {worst}, not 0,"
    told += f" where only zeros are seen, {', '.join(map(str, rests))} samples at once"
    return judged(what, good, told, rests=rests)


def rest(settings: RunConfig, device: torch.device, name: str, batch: int) -> float:
    """The largest feature of cells that see only zeros, as a share of the largest of all."""
    backend = BACKENDS[name]
    model = encoder_of(settings, backend).to(device)
    obs = torch.zeros(batch, 4, 84, 84, dtype=torch.uint8)
    lit = obs[:, :, : LIT[0], : LIT[1]]
    lit.random_(1, 256, generator=Generator().manual_seed(0))
    torch.compiler.reset()  # each number of samples is compiled for itself, as a run's are
    fast, obs = backend.prepare(encoded), obs.to(device)
    with torch.no_grad():
        for _ in range(REPEATS if name == "compile" else 1):
            features = fast(model, obs).double().cpu()
    torch.compiler.reset()
    largest = features.abs().max()
    features[:, :, : CELLS[0], : CELLS[1]] = 0
    return share(features.abs().max(), largest)


def encoder_of(settings: RunConfig, backend: Backend) -> ActorCritic:
    """A fresh network, whose biases are 0, as a run's is."""
    bf16 = settings.compute.precision == "bf16"
    model = ActorCritic(4, settings.attention, Generator(), layers=backend.layers, bf16=bf16)
    model.encoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return model


def encoded(model: ActorCritic, obs: Tensor) -> Tensor:
    """The features after the last convolution."""
    return model.encode(obs)
