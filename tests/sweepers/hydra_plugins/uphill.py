"""A sweeper that asks for a number, two at a time, and takes its next points from the better one.

With this folder's parent on PYTHONPATH Hydra finds it: `hydra/sweeper=uphill`.
"""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class UphillConf:
    """As other sweepers' settings."""

    _target_: str = "hydra_plugins.uphill.Uphill"
    start: float = 0.1
    params: dict[str, str] = field(default_factory=dict)


class Uphill(Sweeper):
    """Two rounds over lambda: at `start` and twice that, then beside the better of these."""

    def __init__(self, start: float, params: dict[str, str]):
        self._start, self._params = start, params

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As Hydra calls it."""
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Asks for the runs; what it is told has to be a number."""
        fixed = [text for text in arguments if not text.startswith("lambda=")]
        best, points = 0.0, [self._start, 2 * self._start]
        for first in (0, 2):
            texts = [[*fixed, f"lambda={point}"] for point in points]
            returned: Any = self._launcher.launch(texts, initial_job_idx=first)
            values = [float(each.return_value) for each in returned]
            print("told:", values)
            best = points[values.index(max(values))]
            points = [best / 4, best * 4]


ConfigStore.instance().store(group="hydra/sweeper", name="uphill", node=UphillConf)
