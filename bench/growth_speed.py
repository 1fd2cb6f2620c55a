"""Agent steps a second of a run by its environments and threads, and of several runs at once.

`python -m bench.growth_speed GAME THREADS ENVIRONMENTS ...` is a child: it has a run of each size,
and does an iteration of the one that the parent names.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence

from bench.contenders import AGENT_STEPS
from bench.pace import Child, Clock, ContenderError, take_turns
from bench.race import Setup, Tell, at_once, child, environment

START_SECONDS = 600.0  # an environment takes a fifth of a second to begin, one after the other


def environments(
    game: str, threads: Sequence[int], sizes: Sequence[int], deadline: float, tell: Tell
) -> dict[int, dict[int, list[float]]]:
    """Threads -> environments -> agent steps a second of one run, a number an iteration.

    An iteration has 1,024 agent steps whatever the environments, so its updates are the same work.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        team: dict[int, Child] = {}
        for count in threads:
            words = [game, str(count), *map(str, sizes)]
            command = [sys.executable, "-m", "bench.growth_speed", *words]
            started = Child(command, folder=folder, env=environment(count))
            stack.callback(started.close)
            team[count] = started
        for started in team.values():
            started.report(START_SECONDS)
        turns = {f"{count} {size}": (count, size) for size in sizes for count in threads}
        for name in turns:  # once before anything counts
            _rate(team, turns, name)
        tell(f"environments: {len(turns)} runs are ready")
        taken, _ = take_turns(
            list(turns), lambda name: _rate(team, turns, name), deadline=deadline, at_least=2
        )
    return {
        count: {size: taken[f"{count} {size}"] for size in sizes if f"{count} {size}" in taken}
        for count in threads
    }


def side_by_side(
    counts: Sequence[int], setup: Setup, deadline: float, tell: Tell
) -> dict[int, list[float]]:
    """One-thread runs at the same time -> agent steps a second of all together, a number a round.

    Raises ContenderError.
    """
    with contextlib.ExitStack() as stack:
        team = [stack.enter_context(child("ours", setup, 1)) for _ in range(max(counts))]
        for started in team:
            started.report(START_SECONDS)
        at_once(team)  # once before anything counts
        tell(f"at once: {len(team)} runs are ready")
        taken, lost = take_turns(
            list(counts), lambda count: at_once(team[:count]), deadline=deadline, at_least=2
        )
    for why in lost.values():
        raise ContenderError(why)
    return taken


def _rate(team: dict[int, Child], turns: dict[str, tuple[int, int]], name: str) -> float:
    """Agent steps a second in an iteration."""
    count, size = turns[name]
    team[count].go(str(size))
    return AGENT_STEPS / team[count].report()["seconds"]


def main(arguments: Sequence[str]) -> None:
    """The child."""
    from bench.ours import Ours, settings_of

    game, threads, *sizes = arguments
    clock = Clock(AGENT_STEPS)
    runs = {
        size: Ours(
            settings_of(
                f"env={game}",
                f"ppo.num_envs={size}",
                f"ppo.num_steps={AGENT_STEPS // int(size)}",
            ),
            int(threads),
        )
        for size in sizes
    }
    while True:
        began = clock.wait()
        ours = runs[clock.asked]
        rollout, _ = ours.collect()
        ours.update(rollout)
        clock.tell(seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1:])
