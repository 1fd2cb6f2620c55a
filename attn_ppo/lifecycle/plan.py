"""plan.json beside a sweep's runs: the commands that were given, and the runs that each planned.

So `status` knows those that have not begun, which have no folder. Delete the file to forget them.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.disk import write_atomically

NAME = "plan.json"


class Planned(NamedTuple):
    """What is said of a run before it begins, named as in RunConfig."""

    env: str
    lambda_: float
    seed: int
    trained_steps: int


class Plan(NamedTuple):
    """A command, and the runs that it planned by their folders."""

    command: str
    runs: dict[Path, Planned]


def record(command: str, configs: Iterable[RunConfig]) -> None:
    """Notes in the folder of each sweep what the command planned; a command's latest plan counts.

    A disk that doesn't take it is no reason not to begin.
    """
    planned: dict[Path, dict[str, Planned]] = {}
    for c in configs:
        name = str(c.folder.relative_to(c.sweep_folder))
        run = Planned(c.env, c.lambda_, c.seed, c.trained_steps)
        planned.setdefault(c.sweep_folder, {})[name] = run
    for sweep, runs in planned.items():
        with contextlib.suppress(OSError):
            sweep.mkdir(parents=True, exist_ok=True)
            plans = json.dumps(_load(sweep) | {command: runs}, indent=2)
            write_atomically(sweep / NAME, plans + "\n")


def find(root: Path) -> Iterator[Plan]:
    """The plans with runs at or below a folder, and of these runs only those."""
    above = [folder for folder in (root, *root.parents) if (folder / NAME).is_file()]
    below = sorted(path.parent for path in root.glob(f"*/{NAME}"))
    for sweep in [*above, *below]:
        for command, runs in _load(sweep).items():
            there = {sweep / name: Planned(*values) for name, values in runs.items()}
            there = {path: run for path, run in there.items() if path.is_relative_to(root)}
            if there:
                yield Plan(command, there)


def is_here(runs: Iterable[Path]) -> bool:
    """Whether they lie in runs/ of the working folder, where their command would go on with them:
    not a copy, nor another folder's."""
    return all(Path("runs").resolve() in folder.resolve().parents for folder in runs)


def _load(sweep: Path) -> dict[str, dict[str, Sequence]]:
    """Command -> name of a run's folder -> Planned; what can't be read is left out."""
    try:
        plans = json.loads((sweep / NAME).read_text())
        return {
            command: {name: values for name, values in runs.items() if _is_planned(values)}
            for command, runs in plans.items()
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _is_planned(values: object) -> bool:
    if not isinstance(values, list) or len(values) != len(Planned._fields):
        return False
    env, lambda_, *numbers = values
    return (
        isinstance(env, str)
        and isinstance(lambda_, int | float)
        and all(type(number) is int and number >= 0 for number in numbers)
    )
