"""The GPU check of recorded graphs, on the CPU: stale, deaf or wrong replays are found."""

from functools import cache
from typing import Any, cast

import pytest
import torch
from asking import ask

from attn_ppo.compute import backends
from attn_ppo.compute.backends import unprepared
from attn_ppo.ppo import ppo_loss
from bench import gpu_agreement, gpu_fp32, gpu_graphs, gpu_zeros
from bench.gpu_part import FAILED, LEFT_OUT, MEASURED, OK


def stale(name):
    """A `prepare` that gives the outputs of a call before, as a graph with a wrong address does."""

    def prepare(function):
        calls = []

        def call(*args, **kwargs):
            calls.append(function(*args, **kwargs))
            return calls[max(0, len(calls) - 2)] if function.__name__ == name else calls[-1]

        return call

    return prepare


def deaf(key):
    """A `prepare` whose loss keeps one of the numbers of its first call."""
    kept = {}

    def prepare(function):
        def call(*args, **kwargs):
            if key in kwargs:
                kwargs[key] = kept.setdefault(key, kwargs[key])
            return function(*args, **kwargs)

        return call

    return prepare


def wrong_gradient(function):
    """A `prepare` whose loss is right and whose gradient is 1 % off."""

    def call(*args, **kwargs):
        found = function(*args, **kwargs)
        if function is not ppo_loss:
            return found
        loss, metrics = found
        return loss.detach() + 1.01 * (loss - loss.detach()), metrics

    return call


REPLAYS = {
    "right": (unprepared, OK, ""),
    "stale actions": (stale("act"), FAILED, "wrong: actions"),
    "deaf to lambda": (deaf("lambda_"), FAILED, "wrong: loss"),
    "deaf to the clip range": (deaf("clip_range"), FAILED, "clip_fraction"),
    "gradient": (wrong_gradient, FAILED, "wrong: gradient 1.0e-02"),
}


@pytest.mark.parametrize("case", REPLAYS)
def test_replays_are_compared_call_by_call(case):
    prepare, state, told = REPLAYS[case]
    first, again, recorded = gpu_graphs.check(ask(), prepare)
    assert (first.state, told in first.told) == (state, True), first.told
    # 4 updates of 8 steps of 2 groups, and of 4 epochs of 4 minibatches
    assert first.numbers["calls"] == {"act": 64, "ppo_loss": 64}
    assert again.state == OK
    assert (recorded.state, recorded.numbers) == (MEASURED, {"recorded": 0, "replayed": 0})


def test_what_is_compiled_again_is_found():
    calls = []

    def prepare(function: Any, /) -> Any:
        def call(*args, **kwargs):
            calls.append(function)
            if len(calls) == 100:
                raise RuntimeError("Detected recompile when torch.compile stance is 'fail...'")
            return function(*args, **kwargs)

        return call

    states = [row.state for row in gpu_graphs.check(ask(), prepare)]
    assert states == [OK, FAILED, MEASURED]


@pytest.mark.parametrize(
    ("recorded", "before", "replayed", "state"),
    [(3, 3, 100, OK), (4, 3, 100, FAILED), (0, 0, 0, FAILED), (3, 3, 40, FAILED)],
)
def test_recordings(recorded, before, replayed, state):
    """Of 128 calls at least half have to be replays, and none is recorded after the warm-up."""
    counts, twice = gpu_graphs.Counts(), gpu_graphs.Twice.__new__(gpu_graphs.Twice)
    counts.recorded, counts.replayed = recorded, replayed
    twice.calls = {"act": 64, "ppo_loss": 64}
    row = gpu_graphs._recordings(torch.device("cuda"), counts, before, twice)
    assert row.state == state


def test_graphs_are_counted_and_left_as_they_were(monkeypatch):
    done = []
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda _: done.append("replay"))
    monkeypatch.setattr(torch.cuda.CUDAGraph, "capture_begin", lambda _, pool: done.append(pool))
    before, graph = torch.cuda.CUDAGraph.replay, cast(Any, torch.cuda.CUDAGraph)
    with gpu_graphs.counted() as counts:
        graph.capture_begin(None, pool="pool")
        graph.replay(None)
        graph.replay(None)
    assert (counts.recorded, counts.replayed, done) == (1, 2, ["pool", "replay", "replay"])
    assert torch.cuda.CUDAGraph.replay is before


@cache
def traced(function):
    """Compiled as far as guards go, with PyTorch's operators: seconds instead of minutes."""
    return torch.compile(function, backend="eager")


LATE = ["no time; give more --minutes"]


@pytest.mark.slow
def test_what_the_compiler_traces_agrees_and_is_traced_once(monkeypatch):
    monkeypatch.setattr(backends, "compiled", traced)
    rows = list(gpu_graphs.rows(ask()))
    assert [row.state for row in rows] == [OK, OK, MEASURED], rows
    as_compiled = backends.BACKENDS["compile"]._replace(prepare=traced)
    monkeypatch.setitem(backends.BACKENDS, "compile", as_compiled)
    rows = [*gpu_fp32.rows(ask()), *gpu_agreement.rows(ask())]
    names = ["torch, fp32", "compile, fp32", "torch, tf32", "torch, bf16"]
    assert [row.what for row in rows] == ["the CPU's own fp32", *(f"CPU, {name}" for name in names)]
    assert {row.state for row in rows} == {OK}, rows
    rows = list(gpu_zeros.rows(ask()))
    assert [row.state for row in rows] == [OK] * 4, rows
    monkeypatch.setattr(backends, "compile_missing", lambda _: "no compiler")
    rows = [*gpu_graphs.rows(ask()), *gpu_fp32.rows(ask(0)), *gpu_agreement.rows(ask(0))]
    left = [row.told for row in rows if row.state == LEFT_OUT]
    assert left == ["no compiler", *LATE, "no compiler", *LATE * 2]
