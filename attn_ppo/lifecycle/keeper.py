"""Keeps what the newest update left, so that a stop costs the update in progress at most."""

from types import TracebackType
from typing import Any

from torch import Tensor

from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError, describe
from attn_ppo.lifecycle import milestones, saved
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.signals import StopRequest


class Keeper:
    """The run after its newest whole update: in memory at once, on the disk when asked.

    As a context it saves what isn't saved yet where a request to stop ends the run, and says so in
    the RunError.
    """

    def __init__(
        self, run_dir: RunDir, stop: StopRequest, settings: RunConfig, begun: Saved | None
    ):
        """`begun` is the checkpoint that the run goes on from, None for a new run."""
        self._run_dir, self._stop, self._settings = run_dir, stop, settings
        self._kept: Saved | None = None
        self._before: Saved | None = None  # whose memory the next one takes
        self._on_disk = begun.update if begun else 0

    def keep(self, state: Saved) -> None:
        """Copies the agent's tensors, which the next update will change.

        Two copies take turns, so that one is whole at any moment. Memory that is already ours takes
        2 ms, new memory up to 100.
        """
        copied: Any = _copied(state.agent, self._before.agent if self._before else None)
        self._before, self._kept = self._kept, state._replace(agent=copied)

    def save(self) -> None:
        """Makes what was kept last the newest checkpoint, and before that the milestone it may be.

        A kill between the two costs nothing: the run comes by there again. Raises RunError where
        the disk fails.
        """
        assert self._kept
        self._stop.cancel_deadline()  # saving takes as long as it takes
        self._run_dir.sync()
        number, agent = self._kept.update, self._kept.agent
        if number and self._settings.milestone_due(number):
            milestones.save(self._run_dir.folder, self._env_steps(number), agent)
        saved.save(self._run_dir.folder, self._kept)
        self._on_disk = number
        self._run_dir.write_status("running", env_steps=self._env_steps(number))

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception) or not self._stopped_by(error):
            return
        if self._kept and self._kept.update > self._on_disk:
            self.save()
        steps = self._env_steps(self._on_disk)
        if not steps:
            raise self._stop.error("no checkpoint yet: starts again") from None
        if self._stop.gave_up:
            told = f"saved at {steps:,} steps, without the update in progress"
            raise self._stop.error(told) from None

    def _env_steps(self, update: int) -> int:
        return update * self._settings.ppo.batch_size

    def _stopped_by(self, error: Exception) -> bool:
        """Whether it is the request to stop; what it interrupted may have made another of it."""
        code, _ = describe(error)
        gave_up = self._stop.gave_up and code == ExitCode.RUN_FAILED
        return gave_up or (isinstance(error, RunError) and code == ExitCode.PREEMPTED)


def _copied(state: Any, into: Any) -> Any:
    """The state with its tensors in the memory of those of `into`, where it has such."""
    if isinstance(state, Tensor):
        fits = isinstance(into, Tensor) and into.shape == state.shape
        return into.copy_(state) if fits else state.clone()
    if isinstance(state, dict):
        into = into or {}
        return {key: _copied(value, into.get(key)) for key, value in state.items()}
    return state
