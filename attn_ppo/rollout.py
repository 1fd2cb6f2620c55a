"""Playing: the loop that fills one iteration's storage with what the agent saw, did and got."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_ppo.atari.envs import Episode, Step
from attn_ppo.compute.backends import Prepare, unprepared
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
    ends = np.cumsum([envs.num_envs for envs in groups]).tolist()
    parts = [slice(end - envs.num_envs, end) for end, envs in zip(ends, groups, strict=True)]
    store = _empty_store(num_steps, ends[-1], obs[0].shape[1:], rng.device)
    noise = torch.empty(num_steps, ends[-1], groups[0].num_actions, device=rng.device)
    noise.exponential_(generator=rng)
    choose, obs = prepare(act), list(obs)
    with _share_of_threads(len(groups)):
        for t in range(num_steps):
            for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
                if t:
                    obs[g] = _note(store, t - 1, part, envs.receive(), model)
                _upload(obs[g], store.obs[t, part])
                choice = choose(model, store.obs[t, part], noise[t, part])
                store.actions[t, part], store.log_probs[t, part], store.values[t, part] = choice
                envs.send(store.actions[t, part].cpu().numpy())
        for g, (envs, part) in enumerate(zip(groups, parts, strict=True)):
            obs[g] = _note(store, num_steps - 1, part, envs.receive(), model)
            _upload(obs[g], store.obs[-1, part])
        last = model(store.obs[-1]).value
    return _rollout(store, last), obs, store.episodes


class _Store(NamedTuple):
    """What an iteration fills, each (T, N, ...)."""

    obs: Tensor  # and one step more, what comes next
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    cut_off: Tensor  # values of what a time limit cut off
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    episodes: list[list[Episode]]  # (T,)


def _empty_store(
    num_steps: int, num_envs: int, obs_shape: tuple[int, ...], device: torch.device
) -> _Store:
    shape = (num_steps, num_envs)
    obs = torch.empty(num_steps + 1, num_envs, *obs_shape, dtype=torch.uint8, device=device)
    return _Store(
        obs=obs,
        actions=torch.empty(shape, dtype=torch.int64, device=device),
        log_probs=torch.empty(shape, device=device),
        values=torch.empty(shape, device=device),
        cut_off=torch.zeros(shape, device=device),
        rewards=np.empty(shape, np.float32),
        terminated=np.empty(shape, np.bool_),
        truncated=np.empty(shape, np.bool_),
        episodes=[[] for _ in range(num_steps)],
    )


def _note(store: _Store, t: int, part: slice, step: Step, model: nn.Module) -> np.ndarray:
    """Stores what step `t` of a group led to; returns what it observes next."""
    store.rewards[t, part] = np.sign(step.rewards)
    store.terminated[t, part] = step.terminated
    store.truncated[t, part] = step.truncated
    if step.final_obs is not None:
        final_obs = torch.from_numpy(step.final_obs).to(store.obs.device)
        store.cut_off[t, part] = model(final_obs).value
    store.episodes[t].extend(step.episodes)
    return step.obs


def _rollout(store: _Store, last: Tensor) -> Rollout:
    """The filled store, with the values of what each step led to; `last` (N,) after the last."""
    rewards, terminated, truncated = (
        torch.from_numpy(array).to(last.device)
        for array in (store.rewards, store.terminated, store.truncated)
    )
    next_values = torch.cat([store.values[1:], last[None]])
    next_values = torch.where(truncated, store.cut_off, next_values)
    return Rollout(
        store.obs[:-1],
        store.actions,
        store.log_probs,
        store.values,
        next_values,
        rewards,
        terminated,
        terminated | truncated,
    )


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
