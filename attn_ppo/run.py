"""The life of one run, from its settings to its evaluation: `run`, read top to bottom."""

import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import Any

import torch

from attn_ppo import __version__, checkpoint, config, sinks
from attn_ppo.agent import make_agent
from attn_ppo.backends import kernels_missing
from attn_ppo.config import RunConfig
from attn_ppo.envs import rom_md5, two_groups
from attn_ppo.evaluate import evaluate, summary, write_evaluation
from attn_ppo.model import ActorCritic
from attn_ppo.ppo import update
from attn_ppo.rollout import collect
from attn_ppo.rows import Rows
from attn_ppo.run_dir import ExitCode, RunDir, RunError
from attn_ppo.schema import ConfigError
from attn_ppo.signals import StopRequest
from attn_ppo.terminal import Terminal


def run(settings: RunConfig, run_dir: RunDir, device: torch.device, stop: StopRequest) -> None:
    """Trains from scratch or from the folder's checkpoint, evaluates, and leaves the run done.

    Raises RunError where it ends early: asked to stop (saved first), or not finite.
    """
    ppo, total = settings.ppo, settings.num_updates
    saved = checkpoint.load(run_dir.folder) or {}
    _check_device(saved, device)
    start = saved.get("update", 0)
    run_dir.cut_back(saved.get("sizes", {}))
    torch.set_num_threads(saved.get("threads", torch.get_num_threads()))
    # Games in progress aren't in a checkpoint: a resumed run begins new ones, of new seeds.
    groups = two_groups(settings.env, num_envs=ppo.num_envs, seed=settings.seed,
                        protocol=settings.protocol, stream=start,
                        num_threads=torch.get_num_threads())  # fmt: skip
    agent = make_agent(settings, groups[0].num_actions, device, saved)
    obs = [envs.reset() for envs in groups]

    terminal = Terminal(settings.label, settings.trained_steps, start * ppo.batch_size)
    opening = _open_wandb(settings, run_dir, saved.get("wandb_id"), terminal)
    with closing(terminal), opening as wandb:
        facts = _facts(settings, device) | {"wandb_id": wandb.run_id, "wandb_mode": wandb.mode}
        facts |= {"backend": agent.backend.name}
        run_dir.write_status("running", cause=None, exit_code=None, **facts)
        missing = kernels_missing(settings, device)
        if missing and settings.compute.backend == "auto" and agent.backend.name == "torch":
            terminal.message(f"computing with PyTorch's own operators: {missing}")
        rows = Rows(settings, run_dir, [terminal, wandb], saved)
        for number in range(start + 1, total + 1):
            left = 1 - (number - 1) / total
            learning_rate = ppo.learning_rate * (left if ppo.anneal_learning_rate else 1)
            clip_range = ppo.clip_range * (left if ppo.anneal_clip_range else 1)
            agent.optimizer.param_groups[0]["lr"] = learning_rate

            rollout, obs, episodes = collect(
                agent.model, groups, obs, ppo.num_steps, agent.rng, prepare=agent.backend.prepare
            )
            metrics = update(
                agent.model, agent.optimizer, rollout, ppo,
                lambda_=settings.lambda_, clip_range=clip_range, rng=agent.rng,
                prepare=agent.backend.prepare,
            )  # fmt: skip
            row = rows.write(number, episodes, metrics, learning_rate)
            _check_finite(row)

            if stop or number == total or number % settings.checkpoint.every_updates == 0:
                progress = {
                    "update": number,
                    "threads": torch.get_num_threads(),
                    "device": str(device),
                }
                state = agent.state() | rows.state() | progress | {"wandb_id": wandb.run_id}
                checkpoint.save(run_dir.folder, state)
                run_dir.write_status("running", env_steps=row["env_steps"])
            if stop:
                raise stop.error(f"at {row['env_steps']:,} steps")
        for envs in groups:
            envs.close()
        terminal.close()
        stop.stop_at_once()
        _evaluate(settings, run_dir, agent.model, wandb, terminal)


def _evaluate(
    settings: RunConfig,
    run_dir: RunDir,
    model: ActorCritic,
    wandb: sinks.Wandb,
    terminal: Terminal,
) -> None:
    """Lets the finished agent play, and marks the run done."""
    env_steps = settings.trained_steps
    facts: dict[str, Any] = {"env_steps": env_steps, "exit_code": ExitCode.DONE}
    if settings.evaluation.episodes:
        result = evaluate(model, settings, episodes=settings.evaluation.episodes)
        write_evaluation(run_dir.folder, result, env_steps=env_steps)
        terminal.message(f"{settings.label}: {summary(result)}")
        keys = ("score_mean", "score_std", "attention_entropy", "episodes")
        wandb.finish({f"evaluation/{key}": result[key] for key in keys})
        facts |= {"score": result["score_mean"], "attention_entropy": result["attention_entropy"]}
    run_dir.write_status("done", **facts)


def _check_device(saved: Mapping[str, Any], device: torch.device) -> None:
    """Random numbers of one kind of device can't be continued on another."""
    began_on = torch.device(saved.get("device", device)).type
    if began_on != device.type:
        raise ConfigError("device", device.type, f"{began_on}, on which this run began")


def _check_finite(row: Mapping[str, float]) -> None:
    for key in ("policy_loss", "value_loss", "attention_entropy", "grad_norm"):
        if not math.isfinite(row[key]):
            reason = f"{key} is {row[key]} at update {row['update']}"
            raise RunError(ExitCode.NOT_FINITE, reason)


def _facts(settings: RunConfig, device: torch.device) -> dict[str, Any]:
    """What this process runs on, for status.json."""
    packages = ("torch", "ale-py", "gymnasium", "numpy")
    versions = {"attn_ppo": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in packages}
    return {"versions": versions, "rom_md5": rom_md5(settings.env), "device": str(device),
            "threads": torch.get_num_threads(), "total_steps": settings.total_steps}  # fmt: skip


@contextmanager
def _open_wandb(
    settings: RunConfig, run_dir: RunDir, run_id: str | None, terminal: Terminal
) -> Iterator[sinks.Wandb]:
    """The run on W&B, grouped by sweep, ended with the run's own exit code."""
    logging = settings.wandb
    tags = [*logging.tags, settings.env, f"lambda={config.plain(settings.lambda_)}"]
    sink = sinks.Wandb(
        mode=logging.mode, project=logging.project, entity=logging.entity, tags=tags,
        name=settings.label, group=settings.name, config=config.as_dict(settings),
        run_dir=run_dir.folder, run_id=run_id, say=terminal.message,
    )  # fmt: skip
    code = ExitCode.RUN_FAILED
    try:
        yield sink
        code = ExitCode.DONE
    except RunError as error:
        code = error.code
        raise
    finally:
        sink.finish(exit_code=int(code))
