"""The life of one run, from its settings to its evaluation: `run`, read top to bottom."""

import math
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import Any

import torch

from attn_ppo.agent import Agent, make_agent
from attn_ppo.atari.games import action_names
from attn_ppo.compute.backends import kernels_missing
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.evaluate import evaluate, summary, write_evaluation
from attn_ppo.lifecycle import checkpoint, resume, wandb_mirror
from attn_ppo.lifecycle.rows import Rows
from attn_ppo.lifecycle.run_dir import RunDir, read_status, video_path
from attn_ppo.lifecycle.signals import StopRequest
from attn_ppo.lifecycle.terminal import Terminal
from attn_ppo.lifecycle.watchdog import Watchdog
from attn_ppo.model import ActorCritic
from attn_ppo.ppo import update
from attn_ppo.rollout import collect


def run(settings: RunConfig, run_dir: RunDir, device: torch.device, stop: StopRequest) -> None:
    """Trains from scratch or from the folder's checkpoint, evaluates, and leaves the run done.

    Raises RunError where it ends early: asked to stop (saved first), or not finite.
    """
    saved = _saved(run_dir)
    torch.set_num_threads(saved.get("threads", torch.get_num_threads()))
    agent = make_agent(settings, len(action_names(settings.env)), device, saved)
    origin = resume.check(settings, device, agent.backend, saved)
    run_dir.cut_back(saved.get("sizes", {}))
    ppo, start = settings.ppo, saved.get("update", 0)
    with _company(settings, run_dir, saved) as (terminal, wandb, watchdog):
        kept = origin.as_dict() | {"threads": torch.get_num_threads(), "wandb_id": wandb.run_id}
        _tell(settings, agent, run_dir, terminal, origin, wandb)

        def alive() -> None:
            watchdog.beat()
            if stop:
                raise stop.error("stopped within a video; saved before it")

        games = resume.begin_games(settings, saved, origin, terminal.message)
        rows = Rows(settings, run_dir, [terminal, wandb], saved, len(origin.inexact_resumes))
        for number in range(start + 1, settings.num_updates + 1):
            if stop:
                raise stop.error("stopped before the first update")
            learning_rate, clip_range = settings.schedule(number)
            agent.optimizer.learning_rate = learning_rate
            rollout, games.obs, episodes = collect(
                agent.model,
                games.groups,
                games.obs,
                ppo.num_steps,
                agent.rng,
                prepare=agent.backend.prepare,
            )
            metrics = update(
                agent.model,
                agent.optimizer,
                rollout,
                ppo,
                lambda_=settings.lambda_,
                clip_range=clip_range,
                rng=agent.rng,
                prepare=agent.backend.prepare,
            )
            row = rows.write(number, episodes, metrics, learning_rate)
            _check_finite(row)
            watchdog.beat()
            film_due = settings.videos.due(number)
            due = number % settings.checkpoint.every_updates == 0 or film_due
            if stop or due or number == settings.num_updates:
                stop.no_hurry()
                _check_weights(agent, number)
                state = {"update": number, **agent.state(), **rows.state(), **games.state(), **kept}
                checkpoint.save(run_dir.folder, state)
                run_dir.write_status("running", env_steps=row["env_steps"])
                watchdog.beat()
            if film_due and not stop:
                _film(settings, run_dir, agent.model, number, wandb, terminal, alive)
            if stop:
                raise stop.error(f"saved at {row['env_steps']:,} steps")
        games.close()
        terminal.close()
        stop.stop_at_once()
        _evaluate(settings, run_dir, agent.model, wandb, terminal, watchdog)


def _saved(run_dir: RunDir) -> dict[str, Any]:
    """The checkpoint to go on from; {} for a new run."""
    saved = checkpoint.load(run_dir.folder)
    steps = read_status(run_dir.folder).get("env_steps")
    if saved is None and steps:
        reason = f"{run_dir.folder} has no checkpoint, though one was saved at {steps:,} steps"
        raise RunError(ExitCode.NO_CHECKPOINT, f"{reason}; delete the folder to begin afresh")
    return saved or {}


@contextmanager
def _company(
    settings: RunConfig, run_dir: RunDir, saved: Mapping[str, Any]
) -> Iterator[tuple[Terminal, wandb_mirror.WandbMirror, Watchdog]]:
    """Those that follow a run: its progress shown, its mirror on W&B, its watchdog."""

    def last_words(reason: str) -> None:
        run_dir.write_status("failed", cause=reason, exit_code=int(ExitCode.HUNG))

    start = saved.get("update", 0) * settings.ppo.batch_size
    terminal = Terminal(settings.label, settings.trained_steps, start)
    wandb_id = saved.get("wandb_id") or read_status(run_dir.folder).get("wandb_id")
    opening = _open_wandb(settings, run_dir, wandb_id, terminal)
    with Watchdog(last_words) as watchdog, closing(terminal), opening as wandb:
        yield terminal, wandb, watchdog


def _tell(
    settings: RunConfig,
    agent: Agent,
    run_dir: RunDir,
    terminal: Terminal,
    origin: resume.Origin,
    wandb: wandb_mirror.WandbMirror,
) -> None:
    """status.json at the start, and a line where the network is computed slower than need be."""
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
        **facts,
    )
    missing = kernels_missing(settings, agent.rng.device)
    if missing and settings.compute.backend == "auto" and agent.backend.name == "torch":
        terminal.message(f"computing with PyTorch's own operators: {missing}")


def _evaluate(
    settings: RunConfig,
    run_dir: RunDir,
    model: ActorCritic,
    wandb: wandb_mirror.WandbMirror,
    terminal: Terminal,
    watchdog: Watchdog,
) -> None:
    """Lets the finished agent play, and marks the run done."""
    env_steps, episodes = settings.trained_steps, settings.evaluation.episodes
    facts: dict[str, Any] = {"env_steps": env_steps, "exit_code": ExitCode.DONE}
    if episodes:
        result = evaluate(model, settings, episodes=episodes, on_step=watchdog.beat)
        write_evaluation(run_dir.folder, result, env_steps=env_steps)
        terminal.message(f"{settings.label}: {summary(result)}")
        wandb.finish(wandb_mirror.of_evaluation(result))
        facts |= {"score": result["score_mean"], "attention_entropy": result["attention_entropy"]}
    run_dir.write_status("done", **facts)


def _film(
    settings: RunConfig,
    run_dir: RunDir,
    model: ActorCritic,
    number: int,
    wandb: wandb_mirror.WandbMirror,
    terminal: Terminal,
    alive: Callable[[], None],
) -> None:
    """A video of the agent after an update; one that can't be made costs a line."""
    path, env_steps = video_path(run_dir.folder, number), number * settings.ppo.batch_size
    try:
        from attn_ppo.interpret.show import training_video  # what encodes it is heavy

        training_video.film(model, settings, path, env_steps=env_steps, alive=alive)
    except Exception as error:
        alive()  # or it was the request to stop that came through
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        terminal.message(f"no video of update {number}: {reason}")
    else:
        wandb.film({wandb_mirror.TRAINING_VIDEO: path}, env_steps=env_steps, update=number)


def _check_weights(agent: Agent, number: int) -> None:
    """A checkpoint of broken weights would be the last good one's end."""
    if not agent.is_finite():
        raise RunError(ExitCode.NOT_FINITE, f"the weights aren't finite after update {number}")


def _check_finite(row: Mapping[str, float]) -> None:
    for key in ("policy_loss", "value_loss", "attention_entropy", "policy_entropy", "grad_norm"):
        if not math.isfinite(row[key]):
            reason = f"{key} is {row[key]} at update {row['update']}"
            raise RunError(ExitCode.NOT_FINITE, reason)


@contextmanager
def _open_wandb(
    settings: RunConfig, run_dir: RunDir, run_id: str | None, terminal: Terminal
) -> Iterator[wandb_mirror.WandbMirror]:
    """The run on W&B, ended with the run's own exit code."""
    sink = wandb_mirror.of_run(settings, run_dir.folder, run_id, terminal.message)
    code = ExitCode.RUN_FAILED
    try:
        yield sink
        code = ExitCode.DONE
    except RunError as error:
        code = error.code
        raise
    finally:
        sink.finish(exit_code=int(code), hurry=code == ExitCode.PREEMPTED)
