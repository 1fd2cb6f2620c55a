"""plan.json beside a sweep's runs: the commands that were given, and the runs that each planned.

So `status` knows those that have not begun, which have no folder. Delete the file to forget them.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attn_ppo.config import RunConfig
from attn_ppo.lifecycle.disk import write_atomically

NAME = "plan.json"


class Planned(NamedTuple):
    """What is said of a run before it begins, named as in RunConfig."""

    env: str
    lambda_: float
    seed: int
    trained_steps: int
    axes: Sequence[str]


class Plan(NamedTuple):
    """A command, whether it would go on with the runs here, and these by their folders.

    It wouldn't with a copy of them, nor from another working folder.
    """

    command: str
    is_here: bool
    runs: dict[Path, Planned]


def record(command: str, configs: Iterable[RunConfig]) -> None:
    """Notes in the folder of each sweep what the command planned; a command's latest plan counts.

    A disk that doesn't take it is no reason not to begin.
    """
    planned: dict[Path, dict[str, Planned]] = {}
    for c in configs:
        name = str(c.folder.relative_to(c.sweep_folder))
        run = Planned(c.env, c.lambda_, c.seed, c.trained_steps, c.axes)
        planned.setdefault(c.sweep_folder, {})[name] = run
    for sweep, runs in planned.items():
        with contextlib.suppress(OSError):
            sweep.mkdir(parents=True, exist_ok=True)
            plan = {"folder": str(sweep), "runs": runs}
            plans = json.dumps(_load(sweep) | {command: plan}, indent=2)
            write_atomically(sweep / NAME, plans + "\n")


def find(root: Path) -> Iterator[Plan]:
    """The plans with runs at or below a folder, and of these runs only those."""
    above = [folder for folder in (root, *root.parents) if (folder / NAME).is_file()]
    below = sorted(path.parent for path in root.glob(f"*/{NAME}"))
    for sweep in [*above, *below]:
        for command, plan in _load(sweep).items():
            runs = {sweep / name: Planned(*values) for name, values in plan["runs"].items()}
            there = {path: run for path, run in runs.items() if path.is_relative_to(root)}
            if there:
                yield Plan(command, Path(plan["folder"]).resolve() == sweep.resolve(), there)


def _load(sweep: Path) -> dict[str, dict[str, Any]]:
    """Command -> the sweep's folder, and name of a run's folder -> Planned.

    What can't be read is left out.
    """
    try:
        plans = json.loads((sweep / NAME).read_text())
        return {
            command: {
                "folder": str(plan["folder"]),
                "runs": {k: values for k, values in plan["runs"].items() if _is_planned(values)},
            }
            for command, plan in plans.items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _is_planned(values: object) -> bool:
    if not isinstance(values, list) or len(values) != len(Planned._fields):
        return False
    env, lambda_, *numbers, axes = values
    return (
        isinstance(env, str)
        and isinstance(lambda_, int | float)
        and isinstance(axes, list)
        and all(isinstance(axis, str) for axis in axes)
        and all(type(number) is int and number >= 0 for number in numbers)
    )
