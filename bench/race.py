"""The race: all contenders started, warmed up, and let go in turns until the time is spent."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_ppo.compute import devices
from bench.contenders import AGENT_STEPS, CONTENDERS, REPOSITORIES
from bench.pace import PARTS, START_SECONDS, Child, ContenderError, speedup, spread, take_turns

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 2  # iterations that don't count; whatever compiles does so in the first
Tell = Callable[[str], object]


@dataclass(frozen=True)
class Setup:
    """What all children have in common."""

    game: str
    threads: int
    peer_python: str  # the interpreter that has the peers' packages
    checkouts: Mapping[str, str]  # of REPOSITORIES, those that the user has
    device: str = "auto"


@dataclass(frozen=True)
class Race:
    """Seconds a part, a round: key -> rounds. What each child told of itself. Who is missing."""

    rounds: dict[str, list[dict[str, float]]]
    facts: dict[str, dict[str, Any]]
    lost: dict[str, str]

    def seconds(self, key: str) -> list[float]:
        """An iteration's, round by round."""
        return [sum(parts.values()) for parts in self.rounds[key]]


def race(keys: Sequence[str], setup: Setup, deadline: float, tell: Tell) -> Race:
    """Rounds of one iteration each, at least three."""
    lost = {key: text for key in keys if (text := missing_checkout(key, setup))}
    for key, why in lost.items():
        tell(f"{key}: {why}")
    facts: dict[str, dict[str, Any]] = {}
    children: dict[str, Child] = {}
    with contextlib.ExitStack() as stack:
        for key in [key for key in keys if key not in lost]:  # all of them load at once
            with _survive(key, lost, tell):
                children[key] = stack.enter_context(child(key, setup, setup.threads))
        for key, started in children.items():
            with _survive(key, lost, tell):
                facts[key] = warm_up(started)
                tell(f"{key}: ready")

        def iterate(key: str) -> dict[str, float]:
            parts = children[key].iterate()
            tell(f"{key}: {sum(parts.values()):.2f} s")
            return parts

        rounds, lost_later = take_turns(list(facts), iterate, deadline=deadline, tell=tell)
    return Race(rounds, facts, lost | lost_later)


def summary(result: Race, against: str, floors: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Each contender's numbers; `floors` are seconds an agent step by attention gate."""
    table = {}
    for key, rounds in result.rounds.items():
        seconds, contender = result.seconds(key), CONTENDERS[key]
        middle = spread(seconds)
        share = {part: sum(r[part] for r in rounds) / sum(seconds) for part in PARTS}
        step = middle.median / AGENT_STEPS
        table[key] = {
            "label": contender.label,
            "gate": contender.gate,
            "seconds_per_iteration": middle._asdict(),
            "agent_steps_per_second": 1 / step,
            "ms_per_agent_step": {part: 1e3 * step * share[part] for part in PARTS},
            "percent_of_floor_rate": 100 * floors[contender.gate] / step,
            "speedup": None,
            "versions": result.facts[key].get("versions", {}),
            "rounds": rounds,
        }
        if against in result.rounds:
            table[key]["speedup"] = speedup(seconds, result.seconds(against))._asdict()
    return table


def missing_checkout(key: str, setup: Setup) -> str:
    """How to get what this contender's script lies in; empty if it's there or not needed."""
    name = CONTENDERS[key].repository
    if name is None or name in setup.checkouts:
        return ""
    return f"left out; git clone {REPOSITORIES[name]}, then --{name} PATH"


@contextlib.contextmanager
def child(key: str, setup: Setup, threads: int) -> Iterator[Child]:
    """A contender that has begun to start, in an empty folder; gone when this is left."""
    contender = CONTENDERS[key]
    python = sys.executable if contender.ours else setup.peer_python
    checkout = setup.checkouts.get(contender.repository or "", "")
    env: dict[str, str | None] = {**environment(threads)}
    if not contender.ours and os.environ.get("GOMP_SPINCOUNT") == devices.SPINS:
        env["GOMP_SPINCOUNT"] = None  # a command of ours set it for itself, see wait_briefly
    with tempfile.TemporaryDirectory() as folder:
        command = contender.command(key, python, setup.game, threads, checkout, setup.device)
        started = Child(command, folder=folder, env=env)
        try:
            yield started
        finally:
            started.close()


def environment(threads: int) -> dict[str, str]:
    """The variables of a process that computes with so many threads, wherever it works."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "PYTHONPATH": python_path(),
        "WANDB_MODE": "disabled",
    }


def python_path() -> str:
    """The user's own, behind the checkout, which a child imports wherever it works."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def warm_up(started: Child) -> dict[str, Any]:
    """What the child tells of itself, once its first iterations are behind it."""
    facts = started.report(START_SECONDS)
    for _ in range(WARM_UP):
        started.iterate()
    return facts


def at_once(children: Sequence[Child]) -> float:
    """Agent steps a second of all of them together, an iteration each at the same time."""
    began = time.monotonic()
    for each in children:
        each.go()
    for each in children:
        each.report()
    return len(children) * AGENT_STEPS / (time.monotonic() - began)


@contextlib.contextmanager
def _survive(key: str, lost: dict[str, str], tell: Tell) -> Iterator[None]:
    """Whoever fails inside is `lost`, and nothing else happens."""
    try:
        yield
    except ContenderError as error:
        lost[key] = str(error)
        tell(f"{key}: {error}")
