"""Playing: `collect` fills a Rollout with what the agent saw, did and got."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_ppo.atari.step import Episode, Step
from attn_ppo.compute.backends import BACKENDS, Backend
from attn_ppo.compute.host import share_of_threads, uploader
from attn_ppo.model import sample


class Environments(Protocol):
    """What `collect` needs of a vector environment: AtariEnvs, or a tiny game in a test."""

    num_envs: int
    num_actions: int

    def send(self, actions: np.ndarray) -> None: ...
    def receive(self) -> Step: ...


@dataclass
class Rollout:
    """T steps of N environments, all on the model's device. Rewards are clipped to their sign."""

    obs: Tensor  # (T, N, ...) uint8, what the action was chosen from
    actions: Tensor  # (T, N) int64
    log_probs: Tensor  # (T, N)
    values: Tensor  # (T, N)
    next_values: Tensor  # (T, N) of the next observation; meaningless where terminated
    rewards: Tensor  # (T, N)
    terminated: Tensor  # (T, N) bool: nothing comes after, so no bootstrap
    done: Tensor  # (T, N) bool: terminated or truncated, so no trace


class Choice(NamedTuple):
    """What the policy makes of one step's observations, each (N,)."""

    actions: Tensor  # int64
    log_probs: Tensor
    values: Tensor


def act(model: Callable[..., Any], obs: Tensor, noise: Tensor) -> Choice:
    """Actions sampled from the policy at `obs` (N, ...) uint8, with `noise` (N, A) for `sample`."""
    policy, values, *_ = model(obs)
    actions = sample(policy, noise)
    return Choice(actions, policy.gather(-1, actions[:, None]).squeeze(-1), values)


@torch.no_grad()
def collect(
    model: nn.Module,
    groups: Sequence[Environments],
    obs: Sequence[np.ndarray],
    num_steps: int,
    rng: Generator,
    *,
    backend: Backend = BACKENDS["torch"],
) -> tuple[Rollout, list[np.ndarray], list[list[Episode]]]:
    """Plays `num_steps` with the model's policy from each group's `obs` (n, ...) uint8 on.

    The groups take turns: while one is stepped, the model acts in the next. `backend` makes both
    fast. Returns the rollout, the next observations, and the games finished at each step.
    """
    ends = np.cumsum([envs.num_envs for envs in groups]).tolist()
    parts = [slice(end - envs.num_envs, end) for end, envs in zip(ends, groups, strict=True)]
    store = _Store(num_steps, ends[-1], obs[0].shape[1:], rng.device)
    noise = torch.empty(num_steps, ends[-1], groups[0].num_actions, device=rng.device)
    noise.exponential_(generator=rng)
    choose, actor, obs = backend.prepare(act), backend.freeze(model), list(obs)
    uploads = [uploader(shown, rng.device) for shown in obs]
    with share_of_threads(len(groups)):
        for t in range(num_steps):
            for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
                if t:
                    obs[g] = store.put(t - 1, part, envs.receive(), actor)
                uploads[g](obs[g], store.obs[t, part])
                choice = choose(actor, store.obs[t, part], noise[t, part])
                store.actions[t, part], store.log_probs[t, part], store.values[t, part] = choice
                envs.send(store.actions[t, part].cpu().numpy())
        for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
            obs[g] = store.put(num_steps - 1, part, envs.receive(), actor)
            uploads[g](obs[g], store.obs[-1, part])
        last_values = actor(store.obs[-1]).value
    return store.rollout(last_values), obs, store.episodes


class _Store:
    """What an iteration fills, each (T, N, ...); the emulator's part stays on the host."""

    def __init__(
        self, num_steps: int, num_envs: int, obs_shape: tuple[int, ...], device: torch.device
    ):
        shape = (num_steps, num_envs)
        frames = (num_steps + 1, num_envs, *obs_shape)  # a step more: what comes next
        self.obs = torch.empty(frames, dtype=torch.uint8, device=device)
        self.actions = torch.empty(shape, dtype=torch.int64, device=device)
        self.log_probs = torch.empty(shape, device=device)
        self.values = torch.empty(shape, device=device)
        self.truncated_values = torch.zeros(shape, device=device)  # of what a time limit cut off
        self.rewards = np.empty(shape, np.float32)
        self.terminated = np.empty(shape, np.bool_)
        self.truncated = np.empty(shape, np.bool_)
        self.episodes: list[list[Episode]] = [[] for _ in range(num_steps)]

    def put(self, t: int, part: slice, step: Step, actor: Callable[..., Any]) -> np.ndarray:
        """Stores what step `t` of a group led to; returns what the group shows next."""
        self.rewards[t, part] = np.sign(step.rewards)
        self.terminated[t, part] = step.terminated
        self.truncated[t, part] = step.truncated
        if step.final_obs is not None:
            final_obs = torch.from_numpy(step.final_obs).to(self.obs.device)
            self.truncated_values[t, part] = actor(final_obs).value
        self.episodes[t].extend(step.episodes)
        return step.obs

    def rollout(self, last_values: Tensor) -> Rollout:
        """All of it on the device, with the value of what each step led to."""
        rewards, terminated, truncated = (
            torch.from_numpy(array).to(last_values.device)
            for array in (self.rewards, self.terminated, self.truncated)
        )
        next_values = torch.cat([self.values[1:], last_values[None]])
        return Rollout(
            obs=self.obs[:-1],
            actions=self.actions,
            log_probs=self.log_probs,
            values=self.values,
            next_values=torch.where(truncated, self.truncated_values, next_values),
            rewards=rewards,
            terminated=terminated,
            done=terminated | truncated,
        )
