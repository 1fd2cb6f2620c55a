"""Those that follow a run: its progress on the terminal, its mirror on W&B, its watchdog, and who
asks whether it learns."""

import platform
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import NamedTuple

import torch

from attn_ppo.compute import backends
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.learning.flags import HELD, Follower
from attn_ppo.lifecycle import resume, wandb_mirror, wandb_summary
from attn_ppo.lifecycle.resume import Origin
from attn_ppo.lifecycle.rows import Sink
from attn_ppo.lifecycle.run_dir import RunDir, read_last_rows, read_status
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.terminal import Terminal
from attn_ppo.lifecycle.wandb_mirror import WandbMirror
from attn_ppo.lifecycle.watchdog import Watchdog


class Observers(NamedTuple):
    """What a run reports to; none of them can end it but the watchdog."""

    terminal: Terminal
    wandb: WandbMirror
    watchdog: Watchdog
    learning: Follower

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """Where each row goes."""
        return self.terminal, self.wandb, self.learning


@contextmanager
def observe(
    settings: RunConfig, run_dir: RunDir, origin: Origin, saved: Saved | None
) -> Iterator[Observers]:
    """Opens them and records the start in status.json; closes them with the run's exit code."""

    def record_hang(reason: str) -> None:
        run_dir.write_status("failed", cause=reason, exit_code=int(ExitCode.HUNG))

    start = saved.update * settings.ppo.batch_size if saved else 0
    terminal = Terminal(settings.label, settings.trained_steps, start)
    wandb_id = saved.wandb_id if saved else None
    opening = _open_wandb(settings, run_dir, wandb_id, terminal)
    with Watchdog(record_hang) as watchdog, closing(terminal), opening as wandb:
        _record_start(settings, run_dir, origin, wandb)
        for warning in _slower(settings, origin):
            terminal.message(warning)
        known = read_last_rows(run_dir.folder, HELD) if saved else []
        learning = Follower(settings, terminal.message, known)
        yield Observers(terminal, wandb, watchdog, learning)


def _slower(settings: RunConfig, origin: Origin) -> Iterator[str]:
    """What makes the run slower than it could be, a line each."""
    device = torch.device(origin.circumstances["device"])
    auto = settings.compute.backend == "auto" and origin.circumstances["backend"] == "torch"
    if auto and (why := backends.slower(settings, device)):
        yield f"computing with PyTorch's own operators: {why}"
    if settings.compute.precision == "bf16" and backends.bf16_is_emulated(device):
        yield (
            "warning: no bf16 instructions here: compute.precision=bf16 is emulated, which made "
            "27 steps/s on a CPU where fp32 made 133"
        )


def _record_start(settings: RunConfig, run_dir: RunDir, origin: Origin, wandb: WandbMirror) -> None:
    versions = {"python": platform.python_version(), "gymnasium": version("gymnasium")}
    facts = dict(origin.circumstances)
    versions |= {name: facts.pop(name) for name in resume.PACKAGES}
    run_dir.write_status(
        "running",
        cause=None,
        exit_code=None,
        total_steps=settings.total_steps,
        versions=versions,
        inexact_resumes=origin.inexact_resumes,
        wandb_id=wandb.run_id,
        wandb_mode=wandb.mode,
        wandb_unsent=None,
        **({"wandb_known": wandb.known} if wandb.known else {}),
        **facts,
    )


@contextmanager
def _open_wandb(
    settings: RunConfig, run_dir: RunDir, run_id: str | None, terminal: Terminal
) -> Iterator[WandbMirror]:
    """The run on W&B, under the id that it has there, ended with the run's own exit code."""
    run_id = run_id or read_status(run_dir.folder).get("wandb_id")
    mirror = wandb_mirror.of_run(settings, run_dir.folder, run_id, terminal.message)
    code, cause = ExitCode.RUN_FAILED, ""
    try:
        yield mirror
        code = ExitCode.DONE
    except RunError as error:
        code, cause = error.code, str(error)
        raise
    finally:
        summary = wandb_summary.of_end(run_dir.folder, code, cause)
        hurry = code == ExitCode.PREEMPTED
        arrived = mirror.finish(summary, exit_code=int(code), hurry=hurry)
        if code == ExitCode.DONE and not arrived:
            run_dir.write_status("done", wandb_unsent=mirror.part.name)
