"""The loss and its gradients against Stable-Baselines3's on one minibatch."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as PeerPPO
from tables import ENTROPY, WEIGHTS, small_settings
from torch import Tensor, nn

from attn_ppo.model import Output
from attn_ppo.ppo import Minibatch, ppo_loss


class TwoHeads(nn.Module):
    """A peer's policy network behind our Output, without attention."""

    def __init__(self, peer: PeerPPO):
        super().__init__()
        self.peer = peer.policy

    def forward(self, obs: Tensor) -> Output:
        distribution: Any = self.peer.get_distribution(obs).distribution
        logits = distribution.logits
        value = self.peer.predict_values(obs).squeeze(-1)
        nothing = torch.zeros(len(obs), 0, 7, 7)
        return Output(logits.log_softmax(-1), value, nothing, nothing)


@pytest.fixture(scope="module")
def peer() -> PeerPPO:
    """Stable-Baselines3's PPO, whose `train` does one update on one minibatch of 64 samples."""
    env = gymnasium.make("CartPole-v1")
    peer = PeerPPO(
        "MlpPolicy",
        env,
        n_steps=64,
        batch_size=64,
        n_epochs=1,
        seed=0,
        ent_coef=0.01,
        vf_coef=0.25,
        max_grad_norm=1e9,
        clip_range=0.2,
        device="cpu",
    )
    peer.learn(64 * 3)
    return peer


def off_policy(peer: PeerPPO) -> Any:
    """The 64 samples that it has, on purpose not its own: or every ratio is 1, nothing clipped."""
    buffer = peer.rollout_buffer
    noise = np.random.default_rng(0).normal(0, 0.3, buffer.log_probs.shape).astype(np.float32)
    buffer.log_probs = buffer.log_probs + noise
    return buffer._get_samples(np.arange(64))


def test_losses_and_gradients_equal_the_peers(peer):
    data = off_policy(peer)
    actions = data.actions.flatten().long()
    then = data.old_log_prob, data.old_values
    batch = Minibatch(data.observations, actions, *then, data.advantages, data.returns)
    # vf_coef is of half the squared error: the peer's 0.25 of all of it
    settings = small_settings(
        num_steps=64, gamma=0.99, gae_lambda=0.95, vf_coef=0.5, max_grad_norm=1e9
    )
    clip_range = torch.tensor(0.2)
    loss, metrics = ppo_loss(
        TwoHeads(peer), batch, settings, ENTROPY, **WEIGHTS, clip_range=clip_range
    )
    peer.policy.zero_grad()
    loss.backward()
    ours = [p.grad.clone() for p in peer.policy.parameters()]

    theirs = {}
    peer.logger.record = lambda key, value, **_: theirs.update({key: value})
    peer.rollout_buffer.get = lambda *_: iter([data])
    peer.policy.optimizer.step = lambda *_: None  # leave its gradients where they can be read
    peer.train()

    assert theirs["train/clip_fraction"] > 0.1
    named = {
        "policy_gradient_loss": metrics["policy_loss"],
        "value_loss": 2 * metrics["value_loss"],
        "entropy_loss": -metrics["policy_entropy"],
        "approx_kl": metrics["approx_kl"],
        "clip_fraction": metrics["clip_fraction"],
        "loss": loss,
    }
    for name, found in named.items():
        assert found.item() == pytest.approx(theirs[f"train/{name}"], abs=1e-5), name
    for mine, parameter in zip(ours, peer.policy.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, atol=1e-8, rtol=1e-4)
        assert parameter.grad.abs().max() > 1e-6
