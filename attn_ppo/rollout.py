"""Playing: the loop that fills one iteration's storage with what the agent saw, did and got."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from attn_ppo.envs import Episode, Step
from attn_ppo.model import sample


class Environments(Protocol):
    """What `collect` needs of a vector environment: AtariEnvs, or a tiny game in a test."""

    num_envs: int

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


@torch.no_grad()
def collect(
    model: nn.Module, envs: Environments, obs: np.ndarray, num_steps: int, rng: Generator
) -> tuple[Rollout, np.ndarray, list[list[Episode]]]:
    """Plays `num_steps` with the model's policy from `obs` (N, ...) uint8 on.

    Returns the rollout, the observations that come next, and the games finished at each step.
    """
    device, shape = rng.device, (num_steps, envs.num_envs)
    all_obs = torch.empty(*shape, *obs.shape[1:], dtype=torch.uint8, device=device)
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
        all_obs[t] = torch.from_numpy(obs)
        output = model(all_obs[t])
        actions[t] = sample(output.policy, rng)
        log_probs[t] = output.policy.gather(-1, actions[t, :, None]).squeeze(-1)
        values[t] = output.value
        step = envs.step(actions[t].cpu().numpy())
        obs, rewards[t], terminated[t], truncated[t] = (
            step.obs,
            np.sign(step.rewards),
            step.terminated,
            step.truncated,
        )
        if step.final_obs is not None:
            cut_off[t] = model(torch.from_numpy(step.final_obs).to(device)).value
        episodes.append(step.episodes)
    last = model(torch.from_numpy(obs).to(device)).value
    next_values = torch.cat([values[1:], last[None]])
    for t, value in cut_off.items():
        next_values[t] = torch.where(
            torch.from_numpy(truncated[t]).to(device), value, next_values[t]
        )
    to_device = [
        torch.from_numpy(a).to(device) for a in (rewards, terminated, terminated | truncated)
    ]
    return Rollout(all_obs, actions, log_probs, values, next_values, *to_device), obs, episodes
