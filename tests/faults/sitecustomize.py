"""Faults for runs, from outside: with this folder on PYTHONPATH, every Python process reads it.

ATTN_PPO_FAULTS maps seeds to what happens in the runs of that seed: `{"3": "segfault", "4":
"hang@5"}`, at the second update of the process unless another is given (`nan`: at the seventh).
Kinds: exception, segfault, sigkill, hang, memory, nan. Nothing else is touched: not the sweep's own
processes, and without the variable nothing at all.
"""

import os
import sys


def _fault() -> str | None:
    """What ATTN_PPO_FAULTS has for this process, if it is a run."""
    import json

    module, *overrides = sys.orig_argv[2:] or [""]
    if module != "attn_ppo.train" or not {"-m", "--multirun"}.isdisjoint(overrides):
        return None
    seeds = [text.removeprefix("seed=") for text in overrides if text.startswith("seed=")]
    return json.loads(os.environ["ATTN_PPO_FAULTS"]).get(seeds[-1] if seeds else "0")


def _inject(kind: str, number: int) -> None:
    """Lets the fault happen in the update of this number, as soon as there is an `update`."""
    import importlib.util
    from types import ModuleType, SimpleNamespace
    from typing import Any

    def find_spec(name: str, *_: object):
        if name != "attn_ppo.ppo":
            return None
        sys.meta_path.remove(finder)
        spec = importlib.util.find_spec(name)
        assert spec
        assert spec.loader
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            vars(module)["update"] = _faulty(vars(module)["update"], kind, number)

        spec.loader.exec_module = exec_module
        return spec

    finder: Any = SimpleNamespace(find_spec=find_spec)
    sys.meta_path.insert(0, finder)


def _faulty(update, kind: str, number: int):
    """`update` with a fault in its `number`th call."""
    calls = 0

    def faulty(*arguments, **options):
        nonlocal calls
        calls += 1
        if kind == "hang":  # for the watchdog's next beat
            vars(sys.modules["attn_ppo.lifecycle.watchdog"])["LEAST_SECONDS"] = 10
        metrics = update(*arguments, **options)
        if calls != number:
            return metrics
        if kind == "nan":
            return metrics | {"policy_loss": metrics["policy_loss"] * float("nan")}
        return FAULTS[kind]()

    return faulty


def _exception() -> None:
    raise RuntimeError("an injected fault")


def _segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def _sigkill() -> None:
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    """Locks a mutex twice: as deaf to signals as a stuck emulator."""
    import ctypes

    mutex, libc = ctypes.create_string_buffer(256), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def _memory() -> None:
    """Allocates until there's nothing left of 256 MB more than is in use."""
    import resource

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
    blocks = []
    while True:
        blocks.append(bytearray(2**24))


FAULTS = {
    "exception": _exception,
    "segfault": _segfault,
    "sigkill": _sigkill,
    "hang": _hang,
    "memory": _memory,
}

if "ATTN_PPO_FAULTS" in os.environ:
    _kind, _, _number = (_fault() or "").partition("@")
    if _kind:
        _inject(_kind, int(_number or (7 if _kind == "nan" else 2)))
