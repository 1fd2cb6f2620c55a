"""Our trainer in the two halves of an iteration: the one place here that knows its functions."""

import time
from collections.abc import Callable
from typing import Any

import torch

from attn_ppo.agent import device_for, make_agent
from attn_ppo.atari.envs import AtariEnvs, two_groups
from attn_ppo.atari.step import Step
from attn_ppo.config import RunConfig
from attn_ppo.launch import command_line
from attn_ppo.model import ActorCritic
from attn_ppo.ppo import update
from attn_ppo.rollout import collect


class Ours:
    """A fresh agent and its games; `collect`, then `update`, is an iteration as run.py does it."""

    def __init__(self, settings: RunConfig, threads: int) -> None:
        self.settings = settings
        self.groups = two_groups(
            settings.env,
            num_envs=settings.ppo.num_envs,
            seed=settings.seed,
            protocol=settings.protocol,
            num_threads=threads,
        )
        num_actions = self.groups[0].num_actions
        self.agent = make_agent(settings, num_actions, device_for(settings))
        self._obs = [envs.reset() for envs in self.groups]
        self.waited = 0.0  # seconds, for the emulator
        for envs in self.groups:
            envs.receive = self._timed(envs.receive)

    def _timed(self, receive: Callable[[], Step]) -> Callable[[], Step]:
        def timed() -> Step:
            began = time.perf_counter()
            step = receive()
            self.waited += time.perf_counter() - began
            return step

        return timed

    def finish(self) -> None:
        """Waits for what a GPU still has to do; a run waits for it once an update, at its row."""
        if self.agent.rng.device.type == "cuda":
            torch.cuda.synchronize(self.agent.rng.device)

    def collect(self) -> Any:
        """A rollout and, in a list a step, the games that finished."""
        agent, num_steps = self.agent, self.settings.ppo.num_steps
        rollout, self._obs, episodes = collect(
            agent.model,
            self.groups,
            self._obs,
            num_steps,
            agent.rng,
            backend=agent.backend,
        )
        return rollout, episodes

    def update(self, rollout: Any) -> Any:
        """The metrics of an update on this rollout."""
        ppo = self.settings.ppo
        return update(
            self.agent.model,
            self.agent.optimizer,
            rollout,
            ppo,
            self.settings.regularizer,
            lambda_=self.settings.lambda_,
            diversity=self.settings.diversity,
            clip_range=ppo.clip_range,
            rng=self.agent.rng,
            prepare=self.agent.backend.prepare,
        )


def network(game: str, gate: str) -> ActorCritic:
    """The network that plays `game`, computed by PyTorch's own operators."""
    settings = settings_of(f"env={game}", f"attention.gate={gate}")
    envs = AtariEnvs(game, num_envs=1, seed=0, protocol=settings.protocol, num_threads=1)
    return ActorCritic(envs.num_actions, settings.attention, torch.Generator())


def settings_of(*overrides: str) -> RunConfig:
    """The settings of a run that logs nowhere."""
    return command_line.parse(["wandb.mode=disabled", *overrides]).configs[0]
