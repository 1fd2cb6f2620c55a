"""How fast runs are on a device, alone and several at once, beside Stable-Baselines3.

Runs at the same time go at their own pace, as in a sweep: one may play while another one learns.
They share the cores as `engine=local` shares them.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.contenders import AGENT_STEPS
from bench.gpu_part import LEFT_OUT, MEASURED, Ask, Row
from bench.pace import PARTS, Child, ContenderError
from bench.race import WARM_UP, Setup, child

COUNTS = (1, 2, 4, 8, 16)
SECONDS = 8.0  # of measuring a number of runs
REHEARSED = 1.0  # instead, on the CPU: an iteration of each, which takes longer
NEEDED = {16: 77.0}  # seconds for a number of runs: to start, compile and be measured, on an H100
NEEDED_ELSE = 45.0
NEARLY = 0.97  # of the best rate: not worth more runs at once
MIB = 2**20


@dataclass(frozen=True)
class Rate:
    """What runs at the same time made, all of them together."""

    per_second: float  # agent steps
    milliseconds: dict[str, float]  # an agent step of one of them, by part of PARTS
    mebibytes: float  # of the device's memory, a run

    @property
    def told(self) -> str:
        """In words."""
        parts = ", ".join(f"{part} {self.milliseconds[part]:.3f}" for part in PARTS)
        return (
            f"{self.per_second:,.0f} agent steps/s together, {self.mebibytes:,.0f} MiB a run; "
            f"ms an agent step of one: {parts}"
        )


def rows(ask: Ask) -> Iterator[Row]:
    """A row for each number of runs, one for a Stable-Baselines3 and one for as many as is best."""
    ours: dict[int, float] = {}
    theirs: dict[int, float] = {}
    for key, count in (("ours", 1), ("sb3", 1), *(("ours", n) for n in counts(ask)[1:])):
        yield _measured(key, count, ask, theirs if key == "sb3" else ours)
    best = advised(ours) if ours else 1
    if best > 1:
        yield _measured("sb3", best, ask, theirs)
    yield setting(ours, theirs, ask.cores)


def counts(ask: Ask) -> Sequence[int]:
    """The numbers of runs at once to be measured."""
    return COUNTS[:2] if ask.rehearsal else COUNTS


def advised(rates: dict[int, float]) -> int:
    """The smallest number of runs at once that is nearly the fastest."""
    return min(count for count, rate in rates.items() if rate >= NEARLY * max(rates.values()))


def setting(ours: dict[int, float], theirs: dict[int, float], cores: int) -> Row:
    """What `engine=local` should be told on this machine."""
    what = "setting of engine=local"
    if not ours:
        return Row(what, LEFT_OUT, "nothing was measured")
    best = advised(ours)
    told = f"hydra.launcher.n_jobs={best} for each GPU ({ours[best]:,.0f} agent steps/s together)"
    told += f"; by itself it takes {cores}, one a core"
    ratios = {count: ours[count] / theirs[count] for count in sorted(ours.keys() & theirs.keys())}
    for count, ratio in ratios.items():
        told += f"; {count} at once: {ratio:.2f} x Stable-Baselines3"
    numbers = {"n_jobs": best, "times_sb3": ratios, "agent_steps_per_second": ours}
    return Row(what, MEASURED, told, numbers)


def _measured(key: str, count: int, ask: Ask, found: dict[int, float]) -> Row:
    """The row of so many at once; its rate goes into `found`."""
    name = {"ours": "attn_ppo", "sb3": "Stable-Baselines3"}[key]
    what = f"{name}, {count} at once" if count > 1 else f"{name}, one run"
    if ask.left < NEEDED.get(count, NEEDED_ELSE):
        return Row(what, LEFT_OUT, "no time; give more --minutes")
    try:
        rate = measure(key, count, ask)
    except ContenderError as error:
        return Row(what, LEFT_OUT, str(error))
    found[count] = rate.per_second
    numbers = {
        "at_once": count,
        "threads": share(ask.cores, count),
        "agent_steps_per_second": rate.per_second,
        "ms_per_agent_step": rate.milliseconds,
        "mebibytes": rate.mebibytes,
    }
    return Row(what, MEASURED, rate.told, numbers)


def measure(key: str, count: int, ask: Ask) -> Rate:
    """So many runs at once, for some seconds. Raises ContenderError."""
    threads = share(ask.cores, count)
    setup = Setup(ask.game, threads, sys.executable, {}, ask.device)
    before = memory(ask.device)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        first = stack.enter_context(child(key, setup, threads))
        _begin(first, ask)  # what it compiles, the others find
        others = [stack.enter_context(child(key, setup, threads)) for _ in range(count - 1)]
        list(pool.map(lambda each: _begin(each, ask), others))
        until = time.monotonic() + min(REHEARSED if ask.rehearsal else SECONDS, ask.left)
        taken = list(pool.map(lambda each: _drive(each, until, ask), [first, *others]))
        used = memory(ask.device) - before
    rounds = [parts for each, _ in taken for parts in each]
    return Rate(
        per_second=sum(len(each) * AGENT_STEPS / seconds for each, seconds in taken),
        milliseconds={
            part: 1e3 * sum(each[part] for each in rounds) / len(rounds) / AGENT_STEPS
            for part in PARTS
        },
        mebibytes=used / count / MIB,
    )


def share(cores: int, count: int) -> int:
    """Threads of each of so many runs, as launch/sweep.py divides them."""
    return max(1, cores // count)


def memory(device: str) -> int:
    """Bytes of a GPU's memory that are in use, by whomever; of this machine's for `cpu`."""
    if device != "cpu":
        free, whole = torch.cuda.mem_get_info(device)
        return whole - free
    lines = Path("/proc/meminfo").read_text().splitlines()
    kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return 1024 * (kibibytes["MemTotal"] - kibibytes["MemAvailable"])


def _begin(started: Child, ask: Ask) -> None:
    """Waits until it has made the iterations that don't count."""
    started.report(ask.left)
    for _ in range(1 if ask.rehearsal else WARM_UP + 1):
        started.iterate(ask.left)


def _drive(started: Child, until: float, ask: Ask) -> tuple[list[dict[str, float]], float]:
    """Its iterations, seconds a part, from now until then; and the seconds that they took."""
    rounds, began = [], time.monotonic()
    while not rounds or time.monotonic() < until:
        rounds.append(started.iterate(ask.left))
    return rounds, time.monotonic() - began
