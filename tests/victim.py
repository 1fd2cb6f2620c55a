"""A run that is killed at a named place: `python victim.py PLACE COUNT <arguments of a run>`.

It dies by SIGKILL when it comes to the place for the COUNT-th time.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from attn_ppo import ppo, run, train
from attn_ppo.atari.action_log import ActionLog
from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.lifecycle import checkpoint, run_dir
from attn_ppo.lifecycle.run_dir import RunDir


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit  # never reached


def counted(count: int, act: Callable[..., Any]) -> Callable[..., bool]:
    """Calls `act` at the `count`-th call, before which nothing happens."""
    calls = [0]

    def call(*args: Any) -> bool:
        calls[0] += 1
        if calls[0] == count:
            act(*args)
        return False

    return call


def before_save(count: int) -> None:
    real, trap = checkpoint.save, counted(count, die)
    checkpoint.save = lambda *args: trap() or real(*args)


def mid_write(count: int) -> None:
    real = checkpoint.write_atomically

    def half(path: Path, content: bytes) -> None:
        name = f".{path.name}.{os.getpid()}.pending"
        path.with_name(name).write_bytes(content[: len(content) // 2])
        die()

    trap = counted(count, half)
    checkpoint.write_atomically = lambda *args: trap(*args) or real(*args)


def after_replacing(name: str) -> Callable[[int], None]:
    """Right after the rename to `name`, before its folder is synced."""

    def patch(count: int) -> None:
        real, trap = os.replace, counted(count, die)

        def replace(source: Path, target: Path) -> None:
            real(source, target)
            if Path(target).name == name:
                trap()

        os.replace = replace

    return patch


def mid_metrics(count: int) -> None:
    real = RunDir.append

    def half(self: RunDir, table: str, rows: Any) -> None:
        file, columns = self._files[table]
        text = run_dir._lines([row[c] for c in columns] for row in rows)
        file.write(text[: len(text) // 2])
        file.flush()
        die()

    trap = counted(count, half)

    def append(self: RunDir, table: str, rows: Any) -> None:
        if table == "metrics.csv":
            trap(self, table, rows)
        real(self, table, rows)

    RunDir.append = append


def during_replay(count: int) -> None:
    real, loaded = ActionLog.load, [False]

    def load(self: ActionLog, state: dict[str, Any]) -> Any:
        loaded[0] = True
        return real(self, state)

    receive, trap = AtariEnvs._receive, counted(count, die)

    def counting(self: AtariEnvs, anchors_due: Any) -> Any:
        if loaded[0]:
            trap()
        return receive(self, anchors_due)

    ActionLog.load, AtariEnvs._receive = load, counting


def mid_update(count: int) -> None:
    real, trap = ppo.ppo_loss, counted(count, die)
    ppo.ppo_loss = lambda *args, **more: trap() or real(*args, **more)


def before_evaluation(count: int) -> None:
    real, trap = run.finish, counted(count, die)
    run.finish = lambda *args, **more: trap() or real(*args, **more)


PLACES = {
    "before save": before_save,
    "mid-write of a checkpoint": mid_write,
    "between the renames": after_replacing("checkpoint.prev.pt"),
    "after the rename": after_replacing("checkpoint.pt"),
    "mid-metrics": mid_metrics,
    "mid-update": mid_update,
    "during replay": during_replay,
    "mid-status": after_replacing("status.json"),
    "before evaluation": before_evaluation,
}


if __name__ == "__main__":
    PLACES[sys.argv[1]](int(sys.argv[2]))
    sys.exit(train.main(sys.argv[3:]))
