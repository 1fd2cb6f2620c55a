"""Follows the trials of a search, by its study and by what is in the folders of its runs."""

from contextlib import AbstractContextManager
from typing import Any

from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.launch.search import results
from attn_ppo.launch.search.results import Searched
from attn_ppo.launch.search.study import ENDED, Study, Trial
from attn_ppo.launch.watch import following, standing
from attn_ppo.lifecycle import plan, process
from attn_ppo.lifecycle.run_dir import FINAL, read_status
from attn_ppo.lifecycle.terminal import Terminal


class SearchWatch:
    """A line as each trial ends, and the progress of the search."""

    def __init__(
        self,
        study: Study,
        searched: Searched,
        total: int,
        trained_steps: int,
        begun: list[RunConfig],
        *,
        interval: float = 2.0,
    ):
        """`total` trials are to be made, of about so many agent steps each.

        `begun` is filled with the settings of those that begin.
        """
        self._study, self._searched = study, searched
        self._total, self._steps_each = total, trained_steps
        self._begun, self._interval = begun, interval
        self._settings: dict[int, RunConfig | None] = {}
        self._before: dict[int, dict[str, Any]] = {}  # what was said of a run when it was met
        trials = study.trials()
        self._told = {trial.number for trial in trials if trial.state in ENDED}
        steps = sum(self._steps(trial)[0] for trial in trials)
        what = f"{total} trial{'s' * (total != 1)}"
        self._terminal = Terminal(what, total * trained_steps, steps)

    def follow(self) -> AbstractContextManager[None]:
        """Follows them until the context is left."""
        return following(self._look, self._terminal, self._interval)

    def _look(self) -> None:
        steps = running = 0
        for trial in self._study.trials():
            made, goes_on = self._steps(trial)
            steps += made
            running += goes_on
            if trial.number not in self._told and self._has_ended(trial):
                self._told.add(trial.number)
                self._tell_end(trial)
        state = f"{len(self._told)} of {self._total} trials"
        state += f", {running} running" if running else ""
        self._terminal.write({"env_steps": steps}, state)

    def _steps(self, trial: Trial) -> tuple[int, bool]:
        """The agent steps of a trial that count, and whether more are being made."""
        if trial.number in self._told or not trial.params:
            return self._steps_each * (trial.number in self._told), False
        settings = self._meet(trial)
        if settings is None:
            return 0, False
        said, before = read_status(settings.folder), self._before[trial.number]
        steps, doing = standing(settings, said, before)
        return min(steps, self._steps_each), bool(doing)

    def _meet(self, trial: Trial) -> RunConfig | None:
        """The settings of a trial's run, None if they aren't allowed."""
        if trial.number not in self._settings:
            try:
                settings = self._searched.settings(trial.params)
            except ConfigError:
                settings = None
            self._settings[trial.number] = settings
            if settings:
                self._before[trial.number] = read_status(settings.folder)
                self._begun.append(settings)
                plan.record(process.command(), self._begun)  # for `status`, whatever happens here
        return self._settings[trial.number]

    def _has_ended(self, trial: Trial) -> bool:
        """Whether it has, for the study, which learns it with others, or for its run's folder."""
        settings = self._settings.get(trial.number)
        if trial.state in ENDED or settings is None:
            return trial.state in ENDED
        said = read_status(settings.folder)
        new = said.get("heartbeat") != self._before[trial.number].get("heartbeat")
        return new and said.get("state") in FINAL and said["state"] != "preempted"

    def _tell_end(self, trial: Trial) -> None:
        (run,) = results.of_study([trial], self._searched)
        self._terminal.message(
            f"[{len(self._told)}/{self._total}] {results.line(run, self._searched)}"
        )
