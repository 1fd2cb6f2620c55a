"""The algorithm: advantages, the loss, and the update. Schulman et al. 2016 and 2017."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from attn_ppo import config
from attn_ppo.compute.adam import Adam
from attn_ppo.compute.backends import Prepare, unprepared
from attn_ppo.compute.scan import discounted
from attn_ppo.regularizers import REGULARIZERS, attention_entropy, map_movement, map_overlap
from attn_ppo.rollout import Rollout


class Minibatch(NamedTuple):
    """M samples of a rollout; `log_probs` and `values` are those of the time of acting."""

    obs: Tensor  # (M, ...) uint8
    actions: Tensor  # (M,) int64
    log_probs: Tensor  # (M,)
    values: Tensor  # (M,)
    advantages: Tensor  # (M,), not yet normalised
    returns: Tensor  # (M,)


def gae(rollout: Rollout, *, gamma: float, gae_lambda: float) -> Tensor:
    """Generalised advantage estimates, (T, N). Schulman et al. 2016, eq. 16.

    Two kinds of ending, two masks: `terminated` stops the bootstrap, `done` stops the trace.
    """
    deltas = rollout.rewards + gamma * rollout.next_values * ~rollout.terminated - rollout.values
    return discounted(deltas, gamma * gae_lambda * ~rollout.done)


def ppo_loss(
    model: nn.Module,
    batch: Minibatch,
    ppo: config.PPOSettings,
    regularizer: config.RegularizerSettings,
    *,
    lambda_: Tensor,
    diversity: float,
    clip_range: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of one minibatch and its parts, all scalars on the device."""
    policy, value, attention, scores = model(batch.obs)
    log_ratio = policy.gather(-1, batch.actions[:, None]).squeeze(-1) - batch.log_probs
    ratio = log_ratio.exp()
    advantages = (batch.advantages - batch.advantages.mean()) / (batch.advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy_loss = -torch.minimum(advantages * ratio, advantages * clipped).mean()
    value_clip = clip_range if ppo.clip_value_loss else None
    value_loss = clipped_value_loss(value, batch.values, batch.returns, value_clip)
    policy_entropy = -(policy.exp() * policy).sum(-1).mean()
    penalty = REGULARIZERS[regularizer.name](attention, scores, regularizer).mean()
    overlap = map_overlap(attention).mean()

    vf, ent, div = ppo.vf_coef, ppo.ent_coef, diversity
    loss = policy_loss + vf * value_loss - ent * policy_entropy + lambda_ * penalty + div * overlap

    with torch.no_grad():
        metrics = {
            "map_movement": map_movement(attention),
            "regularization": penalty.detach(),
            "map_overlap": overlap.detach(),
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "policy_entropy": policy_entropy.detach(),
            "attention_entropy": attention_entropy(attention).mean(),
            "approx_kl": (ratio - 1 - log_ratio).mean(),  # Schulman's k3, joschu.net/blog/kl-approx
            "clip_fraction": ((ratio - 1).abs() > clip_range).float().mean(),
        }
    return loss, metrics


def clipped_value_loss(
    value: Tensor, old_value: Tensor, returns: Tensor, clip_range: Tensor | None
) -> Tensor:
    """Half the mean squared error, where clipped the worse of it and that of a value within
    `clip_range` of the old one (OpenAI Baselines PPO2)."""
    error = (value - returns).square()
    if clip_range is not None:
        near_old = old_value + (value - old_value).clamp(-clip_range, clip_range)
        error = torch.maximum(error, (near_old - returns).square())
    return error.mean() / 2


def update(
    model: nn.Module,
    optimizer: Adam,
    rollout: Rollout,
    ppo: config.PPOSettings,
    regularizer: config.RegularizerSettings,
    *,
    lambda_: float,
    diversity: float,
    clip_range: float,
    rng: Generator,
    prepare: Prepare = unprepared,
) -> dict[str, Tensor]:
    """Some epochs of gradient steps on one rollout; metrics are means over all minibatches."""
    # tensors: torch.compile would compile each other number anew
    clip, weight = (torch.tensor(number, device=rng.device) for number in (clip_range, lambda_))
    loss_of = prepare(ppo_loss)
    advantages = gae(rollout, gamma=ppo.gamma, gae_lambda=ppo.gae_lambda)
    returns = advantages + rollout.values
    history, metrics = [], {}
    for batch in _minibatches(rollout, advantages, returns, ppo, rng):
        loss, metrics = loss_of(
            model, batch, ppo, regularizer, lambda_=weight, diversity=diversity, clip_range=clip
        )
        optimizer.zero_grad()
        loss.backward()
        metrics["grad_norm"] = optimizer.step(ppo.max_grad_norm)
        history.append(torch.stack(list(metrics.values())))  # now: CUDA graphs reuse the memory
    apart = torch.stack(history).split([1, 2, 7], 1)  # how torch adds them up depends on how many
    means = dict(zip(metrics, torch.cat([part.mean(0) for part in apart]), strict=True))
    residual = (returns - rollout.values).var()
    return means | {"explained_variance": 1 - residual / returns.var()}


def _minibatches(
    rollout: Rollout, advantages: Tensor, returns: Tensor, ppo: config.PPOSettings, rng: Generator
) -> Iterator[Minibatch]:
    """All samples once an epoch, shuffled anew each time over steps and environments."""
    fields = [rollout.obs, rollout.actions, rollout.log_probs, rollout.values, advantages, returns]
    samples = Minibatch(*(field.flatten(0, 1) for field in fields))
    for _ in range(ppo.num_epochs):
        order = torch.randperm(len(samples.actions), generator=rng, device=rng.device)
        for chosen in order.split(ppo.minibatch_size):
            yield Minibatch(*(field.index_select(0, chosen) for field in samples))
