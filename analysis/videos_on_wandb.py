"""Adds the videos of finished runs to their runs on W&B."""

from collections.abc import Callable, Mapping
from pathlib import Path

from analysis.runs import Problem, Run
from attn_ppo.lifecycle import wandb_mirror


class Mirror:
    """Sends videos to the runs on W&B that they show; reports errors in a line a run."""

    def __init__(self, say: Callable[[str], object]):
        self._say, self._reachable = say, True

    def show(self, run: Run, films: Mapping[str, Path], *, env_steps: int) -> None:
        """Sends `films`, name -> path; does nothing for a run that W&B doesn't know. Never raises.

        A run that isn't done will send rows, which W&B would refuse after the videos. Once the
        server has failed, further videos are recorded for `wandb sync`.
        """
        mode, run_id = run.status.get("wandb_mode"), run.status.get("wandb_id")
        if mode not in ("online", "offline") or not isinstance(run_id, str):
            return
        if run.status.get("state") != "done":
            self._say(str(Problem("note", run.folder, "on W&B once the run is done")))
            return
        mode = mode if self._reachable else "offline"
        sink = wandb_mirror.of_run(run.config, run.folder, run_id, self._say, mode=mode)
        if sink.mode != mode:
            self._reachable = False
        sink.film(films, env_steps=env_steps)
        if not sink.finish(wandb_mirror.of_evaluation(run.evaluation or {})):
            self._reachable = False
