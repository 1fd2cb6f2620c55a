"""Playing: the loop that fills one iteration's storage with what the agent saw, did and got."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_ppo.backends import Prepare, unprepared
from attn_ppo.envs import Episode, Step
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
    next_values: Tensor  # (T, N) of what the action led to, before any reset
    rewards: Tensor  # (T, N)
    terminated: Tensor  # (T, N) bool: nothing comes after, so no bootstrap
    done: Tensor  # (T, N) bool: terminated or truncated, so no trace


class Consequences(NamedTuple):
    """What the steps led to, each (T, N), on the host."""

    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Choice(NamedTuple):
    """What the policy makes of one step's observations, each (N,)."""

    actions: Tensor  # int64
    log_probs: Tensor
    values: Tensor


def act(model: nn.Module, obs: Tensor, noise: Tensor) -> Choice:
    """Actions sampled from the policy at `obs` (N, ...) uint8, with `noise` (N, A) for `sample`."""
    policy, values, _ = model(obs)
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
    prepare: Prepare = unprepared,
) -> tuple[Rollout, list[np.ndarray], list[list[Episode]]]:
    """Plays `num_steps` with the model's policy from each group's `obs` (n, ...) uint8 on.

    The groups take turns: while one is stepped, the model acts in the next. Returns the rollout,
    the observations that come next, and the games finished at each step.
    """
    device, shape = rng.device, (num_steps, sum(envs.num_envs for envs in groups))
    choose, obs = prepare(act), list(obs)
    all_obs = torch.empty(
        num_steps + 1, shape[1], *obs[0].shape[1:], dtype=torch.uint8, device=device
    )
    noise = torch.empty(*shape, groups[0].num_actions, device=device).exponential_(generator=rng)
    actions = torch.empty(shape, dtype=torch.int64, device=device)
    log_probs, values = torch.empty(shape, device=device), torch.empty(shape, device=device)
    happened = Consequences(np.empty(shape, np.float32), *np.empty((2, *shape), bool))
    cut_off = torch.zeros(shape, device=device)  # values of what a time limit cut off
    episodes: list[list[Episode]] = [[] for _ in range(num_steps)]
    ends = np.cumsum([envs.num_envs for envs in groups])
    parts = [slice(end - envs.num_envs, end) for end, envs in zip(ends, groups, strict=True)]

    def receive(t: int, envs: Environments, part: slice) -> np.ndarray:
        step = envs.receive()
        happened.rewards[t, part] = np.sign(step.rewards)
        happened.terminated[t, part] = step.terminated
        happened.truncated[t, part] = step.truncated
        if step.final_obs is not None:
            cut_off[t, part] = model(torch.from_numpy(step.final_obs).to(device)).value
        episodes[t] += step.episodes
        return step.obs

    with _share_of_threads(len(groups)):
        for t in range(num_steps):
            for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
                if t:
                    obs[g] = receive(t - 1, envs, part)
                _upload(obs[g], all_obs[t, part])
                choice = choose(model, all_obs[t, part], noise[t, part])
                actions[t, part], log_probs[t, part], values[t, part] = choice
                envs.send(actions[t, part].cpu().numpy())
        for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
            obs[g] = receive(num_steps - 1, envs, part)
            _upload(obs[g], all_obs[-1, part])
        last = model(all_obs[-1]).value
    rewards, terminated, truncated = (torch.from_numpy(a).to(device) for a in happened)
    next_values = torch.where(truncated, cut_off, torch.cat([values[1:], last[None]]))
    done = terminated | truncated
    rollout = Rollout(
        all_obs[:-1], actions, log_probs, values, next_values, rewards, terminated, done
    )
    return rollout, obs, episodes


@contextmanager
def _share_of_threads(groups: int) -> Iterator[None]:
    """While one group is stepped by its threads, the model has the others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // groups))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _upload(obs: np.ndarray, to: Tensor) -> None:
    """Copies observations to the device; to a GPU from page-locked memory, without waiting."""
    source = torch.from_numpy(obs)
    to.copy_(source.pin_memory() if to.is_cuda else source, non_blocking=True)
