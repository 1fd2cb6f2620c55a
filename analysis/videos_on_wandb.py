"""Adds videos and measures of finished runs to their runs on W&B."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from analysis.runs import Problem, Run
from attn_ppo.errors import ExitCode
from attn_ppo.lifecycle import wandb_mirror, wandb_session, wandb_summary


class Mirror:
    """Sends videos to the runs on W&B that they show; reports errors in a line a run."""

    def __init__(self, say: Callable[[str], object], what: str = "the videos"):
        self._say, self._what, self._reachable = say, what, True
        self._offline: list[Path] = []  # run folders

    def show(self, run: Run, films: Mapping[str, Path], *, env_steps: int) -> None:
        """Sends `films`, name -> path; does nothing for a run that W&B doesn't know. Never raises.

        A run that isn't done will send rows, which W&B would refuse after the videos. Once the
        server has failed, further videos are recorded for `wandb sync`. W&B can't add to what was
        recorded: the whole run is recorded once more beside its folder, which it then replaces.
        """
        mode, run_id = run.status.get("wandb_mode"), run.status.get("wandb_id")
        if mode not in ("online", "offline") or not isinstance(run_id, str):
            return
        if run.status.get("state") != "done":
            self._say(str(Problem("note", run.folder, "on W&B once the run is done")))
            return
        beside = run.folder / ".videos-on-wandb"
        try:
            shutil.rmtree(beside, ignore_errors=True)  # of an earlier time that was killed
            beside.mkdir()
            mode = mode if self._reachable else "offline"
            self._record(run, run_id, films, env_steps, mode, beside)
        except OSError as error:
            self._say(str(Problem("note", run.folder, f"W&B doesn't have {self._what}: {error}")))
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def tell_how_to_sync(self) -> None:
        """One command for all that was recorded offline, if anything was."""
        if command := wandb_session.sync_command(self._offline):
            self._say(f"W&B: to upload what it lacks: {command}")

    def _record(
        self,
        run: Run,
        run_id: str,
        films: Mapping[str, Path],
        env_steps: int,
        mode: str,
        beside: Path,
    ) -> None:
        sink = wandb_mirror.of_run(
            run.config, run.folder, run_id, self._say, mode=mode, elsewhere=beside
        )
        if sink.mode != mode:
            self._reachable = False
        if films:
            sink.film(films, env_steps=env_steps)
        evaluation = run.evaluation or {}
        if not sink.finish(
            wandb_summary.of_end(
                run.folder, ExitCode.DONE, evaluation=evaluation, settings=run.config
            )
        ):
            self._reachable = False
        elif sink.mode == "offline":
            if wandb_session.put_in_place(sink.part, run.folder / "wandb"):
                self._offline.append(run.folder)
            else:
                why = f"what W&B recorded of it stays as it is, without {self._what}"
                self._say(str(Problem("note", run.folder, why)))
