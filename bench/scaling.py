"""What our trainer's speed depends on, and what a run costs besides: one function a question."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from attn_ppo.lifecycle import checkpoint
from attn_ppo.lifecycle.rows import Rows
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.terminal import Terminal
from bench.contenders import AGENT_STEPS
from bench.machine import cores
from bench.ours import Ours, settings_of
from bench.pace import Child, ContenderError, spread, take_turns
from bench.race import Setup, Tell, at_once, child, warm_up

NUM_ENVS = (8, 16, 32, 64, 128, 256)
MINIBATCHES = (64, 128, 256, 512, 1024)
SAVES, ROWS = 5, 50


def collecting(game: str, threads: int, deadline: float) -> dict[int, float]:
    """Number of environments -> ms an agent step of playing, 1,024 steps at a time.

    The emulator takes a tenth of a second or more to begin a game: only as many environments as
    can be had within three quarters of the time.
    """
    now = time.monotonic()
    latest, begun = now + 0.75 * (deadline - now), 0.0
    players: dict[int, Callable[[], object]] = {}
    for num_envs in NUM_ENVS:
        now = time.monotonic()
        if players and now + 2 * begun > latest:
            break
        sizes = [f"ppo.num_envs={num_envs}", f"ppo.num_steps={AGENT_STEPS // num_envs}"]
        players[num_envs] = Ours(settings_of(f"env={game}", *sizes), threads).collect
        begun = time.monotonic() - now
    return _ms_per_sample(players, deadline)


def updating(game: str, threads: int, deadline: float) -> dict[int, float]:
    """Samples in a minibatch -> ms a sample and epoch of an update on 1,024 of them."""
    ours = Ours(settings_of(f"env={game}"), threads)
    rollout, _ = ours.collect()

    def learner(minibatch: int) -> Callable[[], object]:
        sizes = ["ppo.num_epochs=1", f"ppo.num_minibatches={AGENT_STEPS // minibatch}"]
        settings = settings_of(f"env={game}", *sizes)

        def learn() -> None:
            ours.settings = settings
            ours.update(rollout)

        return learn

    return _ms_per_sample({minibatch: learner(minibatch) for minibatch in MINIBATCHES}, deadline)


def concurrent(
    keys: Sequence[str], setup: Setup, deadline: float, tell: Tell
) -> dict[str, dict[int, float]]:
    """Of each contender: one-thread runs at the same time -> agent steps a second of all together.

    Contenders and numbers of runs take turns. One that doesn't start is left out.
    """
    powers = {2**power for power in range(cores().bit_length()) if 2**power <= cores()}
    counts = sorted(powers | {cores()})
    with contextlib.ExitStack() as stack:
        teams: dict[str, list[Child]] = {}
        for key in keys:
            try:
                team = [stack.enter_context(child(key, setup, 1)) for _ in range(counts[-1])]
                for started in team:
                    warm_up(started)
                teams[key] = team
            except ContenderError as error:
                tell(f"{key}, several at once: {error}")
        turns = {f"{key} {count}": (key, count) for count in counts for key in teams}

        def rate(turn: str) -> float:
            key, count = turns[turn]
            return at_once(teams[key][:count])

        rates, _ = take_turns(list(turns), rate, deadline=deadline, at_least=2)
    return {
        key: {
            count: spread(rates[turn]).median
            for turn, (k, count) in turns.items()
            if k == key and turn in rates
        }
        for key in teams
    }


def overhead(game: str, threads: int, folder: Path) -> dict[str, float]:
    """Milliseconds of a row, of a checkpoint with its status, and an update's share of both.

    Without W&B; on the disk that holds `folder`.
    """
    settings = settings_of(f"env={game}")
    ours = Ours(settings, threads)
    rollout, episodes = ours.collect()
    metrics = ours.update(rollout)
    terminal = Terminal(settings.label, settings.trained_steps, file=io.StringIO())
    with (
        tempfile.TemporaryDirectory(dir=folder) as temporary,
        contextlib.chdir(temporary),
        contextlib.closing(RunDir(settings)) as run_dir,
    ):
        rows = Rows(settings, run_dir, [terminal])

        def save() -> None:
            checkpoint.save(run_dir.folder, {**ours.agent.state(), **rows.state()})
            run_dir.write_status("running", env_steps=0)

        row = _ms(lambda: rows.write(1, episodes, metrics, 1e-4), ROWS)
        saved = _ms(save, SAVES)
    every = settings.checkpoint.every_updates
    return {
        "row_ms": row,
        "save_ms": saved,
        "every_updates": every,
        "ms_per_update": row + saved / every,
    }


def _ms_per_sample(
    work: dict[int, Callable[[], object]], deadline: float, at_least: int = 2
) -> dict[int, float]:
    """The median of each piece of work on 1,024 samples, done once before and then in turns."""
    for piece in work.values():
        piece()
    seconds, _ = take_turns(
        list(work), lambda size: _seconds(work[size]), deadline=deadline, at_least=at_least
    )
    return {size: 1e3 * spread(taken).median / AGENT_STEPS for size, taken in seconds.items()}


def _ms(action: Callable[[], object], times: int) -> float:
    """Median milliseconds."""
    return 1e3 * float(np.median([_seconds(action) for _ in range(times)]))


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
