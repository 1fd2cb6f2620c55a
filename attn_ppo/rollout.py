"""Playing: the loop that fills one iteration's storage with what the agent saw, did and got."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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

    def step(self, actions: np.ndarray) -> Step: ...


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
    envs: Environments,
    obs: np.ndarray,
    num_steps: int,
    rng: Generator,
    *,
    prepare: Prepare = unprepared,
) -> tuple[Rollout, np.ndarray, list[list[Episode]]]:
    """Plays `num_steps` with the model's policy from `obs` (N, ...) uint8 on.

    Returns the rollout, the observations that come next, and the games finished at each step.
    """
    device, shape = rng.device, (num_steps, envs.num_envs)
    choose = prepare(act)
    all_obs = torch.empty(num_steps + 1, *obs.shape, dtype=torch.uint8, device=device)
    to_device = _upload(obs.shape, device)
    noise = torch.empty(*shape, envs.num_actions, device=device).exponential_(generator=rng)
    actions = torch.empty(shape, dtype=torch.int64, device=device)
    log_probs, values = torch.empty(shape, device=device), torch.empty(shape, device=device)
    rewards, terminated, truncated = (
        np.empty(shape, np.float32),
        np.empty(shape, bool),
        np.empty(shape, bool),
    )
    cut_off: dict[int, Tensor] = {}  # step -> values of the observations that a time limit cut off
    episodes = []
    for t in range(num_steps):
        to_device(obs, all_obs[t])
        actions[t], log_probs[t], values[t] = choose(model, all_obs[t], noise[t])
        step = envs.step(actions[t].cpu().numpy())
        obs, rewards[t], terminated[t], truncated[t] = (
            step.obs,
            np.sign(step.rewards),
            step.terminated,
            step.truncated,
        )
        if step.final_obs is not None:
            to_device(step.final_obs, all_obs[-1])
            cut_off[t] = model(all_obs[-1]).value
        episodes.append(step.episodes)
    to_device(obs, all_obs[-1])
    next_values = torch.cat([values[1:], model(all_obs[-1]).value[None]])
    for t, value in cut_off.items():
        next_values[t] = torch.where(
            torch.from_numpy(truncated[t]).to(device), value, next_values[t]
        )
    consequences = [
        torch.from_numpy(a).to(device) for a in (rewards, terminated, terminated | truncated)
    ]
    rollout = Rollout(all_obs[:-1], actions, log_probs, values, next_values, *consequences)
    return rollout, obs, episodes


def _upload(shape: tuple[int, ...], device: torch.device) -> Callable[[np.ndarray, Tensor], Any]:
    """A function that copies observations from the host to the device."""
    if device.type != "cuda":
        return lambda obs, to: to.copy_(torch.from_numpy(obs))
    locked = torch.empty(shape, dtype=torch.uint8, pin_memory=True)  # or the copy would block

    def copy(obs: np.ndarray, to: Tensor) -> None:
        locked.copy_(torch.from_numpy(obs))
        to.copy_(locked, non_blocking=True)  # over before `locked` changes: actions are waited for

    return copy
