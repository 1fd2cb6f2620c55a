"""The life of one run, from its settings to its evaluation: `run`, read top to bottom."""

import torch
from torch import Tensor

from attn_ppo.agent import Agent, make_agent
from attn_ppo.atari.games import action_names
from attn_ppo.atari.step import Episode
from attn_ppo.config import RunConfig
from attn_ppo.evaluate import finish
from attn_ppo.filming import film
from attn_ppo.lifecycle import resume
from attn_ppo.lifecycle.keeper import Keeper
from attn_ppo.lifecycle.observers import observe
from attn_ppo.lifecycle.resume import Games
from attn_ppo.lifecycle.rows import Rows
from attn_ppo.lifecycle.run_dir import RunDir
from attn_ppo.lifecycle.saved import Saved
from attn_ppo.lifecycle.signals import StopRequest
from attn_ppo.ppo import update
from attn_ppo.rollout import collect


def run(settings: RunConfig, run_dir: RunDir, device: torch.device, stop: StopRequest) -> None:
    """Trains from scratch or from the folder's checkpoint, evaluates, and marks the run done.

    Raises RunError where it ends early: asked to stop (saved first), or not finite.
    """
    checkpoint = resume.load(run_dir, settings)
    agent = make_agent(settings, len(action_names(settings.env)), device, checkpoint)
    origin = resume.check_circumstances(settings, device, agent.backend, checkpoint)
    run_dir.cut_back(checkpoint.rows["sizes"] if checkpoint else {})
    with (
        observe(settings, run_dir, origin, checkpoint) as observers,
        Keeper(run_dir, stop, settings, checkpoint) as keeper,
    ):
        games = resume.begin_games(settings, checkpoint, origin, observers.terminal.message)
        earlier, resumes = checkpoint and checkpoint.rows, len(origin.inexact_resumes)
        rows = Rows(settings, run_dir, observers.sinks, earlier, resumes)

        def keep(number: int) -> None:
            states = agent.state(), rows.state(), games.state(), origin.state()
            keeper.keep(Saved(number, *states, observers.wandb.run_id))

        if settings.init_from and not checkpoint:
            keep(0)
            keeper.save()  # from here on the source may be trained further, or go
        if stop:
            raise stop.error("stopped before the first update")
        for number in range(checkpoint.update + 1 if checkpoint else 1, settings.num_updates + 1):
            episodes, metrics = learn(settings, agent, games, number)
            row = rows.write(number, episodes, metrics, agent.optimizer.learning_rate)
            agent.check_finite(number)
            keep(number)
            observers.watchdog.beat()
            if stop or settings.checkpoint_due(number):
                keeper.save()
                observers.watchdog.beat()
                if stop:
                    raise stop.error(f"saved at {row['env_steps']:,} steps")
            if settings.videos.due(number):
                film(settings, agent, number, observers, stop)
        games.close()
        observers.terminal.close()
        stop.raise_when_asked()
        finish(settings, run_dir, agent, observers)


def learn(
    settings: RunConfig, agent: Agent, games: Games, number: int
) -> tuple[list[list[Episode]], dict[str, Tensor]]:
    """The `number`-th update: a rollout with the present policy, then gradient steps on it.

    Returns the games that finished at each step of the rollout, and the update's metrics.
    """
    prepare, ppo = agent.backend.prepare, settings.ppo
    agent.optimizer.learning_rate, clip_range = settings.schedule(number)
    rollout, games.obs, episodes = collect(
        agent.model, games.groups, games.obs, ppo.num_steps, agent.rng, backend=agent.backend
    )
    metrics = update(
        agent.model,
        agent.optimizer,
        rollout,
        ppo,
        settings.regularizer,
        lambda_=settings.lambda_at(number),
        diversity=settings.diversity,
        clip_range=clip_range,
        rng=agent.rng,
        prepare=prepare,
    )
    return episodes, metrics
