"""Does it learn? A game of three states that only a right algorithm plays right."""

import numpy as np
import pytest
import torch
from tables import ENTROPY, small_settings
from torch import Generator, Tensor, nn

from attn_ppo.atari.step import Step
from attn_ppo.attention import Attention
from attn_ppo.compute.adam import Adam
from attn_ppo.model import Output
from attn_ppo.ppo import update
from attn_ppo.rollout import collect

QUIT, STAY = 0, 1
SETTINGS = small_settings(
    num_envs=16,
    num_steps=32,
    num_epochs=4,
    num_minibatches=4,
    learning_rate=3e-3,
    gamma=0.8,
    gae_lambda=0.95,
)


class Patience:
    """QUIT ends the episode with reward 1; STAY leads over a second state, worth 1 whatever is
    done there, to a third, worth 1 and the end.

    With gamma .8 QUIT is worth 1, STAY 0 + .8 + .64 = 1.44. Bootstrapping through the episode's
    end would value QUIT at 1 / (1 - .8) = 5 and STAY at 1.44 / (1 - .512) = 2.95, the wrong way
    round.
    """

    num_envs, num_actions = SETTINGS.num_envs, 2

    def __init__(self):
        self.state = np.zeros(self.num_envs, dtype=int)

    def obs(self) -> np.ndarray:
        """(N, 1, 5, 5): one lit cell that tells the state."""
        obs = np.zeros((self.num_envs, 1, 5, 5), np.uint8)
        obs[np.arange(self.num_envs), 0, 2 * self.state, 2 * self.state] = 255
        return obs

    def send(self, actions: np.ndarray) -> None:
        self.actions = actions

    def receive(self) -> Step:
        actions = self.actions
        waits = (self.state == 0) & (actions == STAY)
        rewards = np.where(waits, 0, 1).astype(np.float32)
        ends = ((self.state == 0) & (actions == QUIT)) | (self.state == 2)
        self.state = np.where(ends, 0, self.state + 1)
        never = np.zeros(self.num_envs, bool)
        return Step(self.obs(), rewards, ends, never, None, [], actions)


class TinyActorCritic(nn.Module):
    def __init__(self, rng: Generator):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU())
        self.attention = Attention(8, hidden=16, maps=2, gate="softmax", rng=rng)
        self.policy_head, self.value_head = nn.Linear(200, 2), nn.Linear(200, 1)

    def forward(self, obs: Tensor) -> Output:
        features = self.encoder(obs.float() / 255)
        scores = self.attention.score(features)
        attention = self.attention.gate(scores)
        hidden = (features * attention.sum(1, keepdim=True)).flatten(1) * 25
        policy = self.policy_head(hidden).log_softmax(-1)
        return Output(policy, self.value_head(hidden).squeeze(-1), attention, scores)


@pytest.fixture(scope="module")
def learned():
    """P(STAY) at the start, the value there and the attention entropy, trained with a lambda."""
    return {lambda_: train(lambda_) for lambda_ in (0.0, 0.1)}


def train(lambda_: float) -> tuple[float, float, float]:
    torch.manual_seed(0)
    rng, game = Generator().manual_seed(0), Patience()
    model = TinyActorCritic(rng)
    optimizer = Adam(model.parameters(), SETTINGS.learning_rate)
    obs = [game.obs()]
    for _ in range(50):
        rollout, obs, _ = collect(model, [game], obs, SETTINGS.num_steps, rng)
        metrics = update(
            model,
            optimizer,
            rollout,
            SETTINGS,
            ENTROPY,
            lambda_=lambda_,
            diversity=0.0,
            clip_range=0.2,
            rng=rng,
        )
    start = torch.from_numpy(Patience().obs())
    policy, value, *_ = model(start)
    return policy.exp()[0, STAY].item(), value[0].item(), metrics["attention_entropy"].item()


def test_waits_for_the_greater_reward(learned):
    stay, value, _ = learned[0.0]
    assert stay > 0.9
    assert value == pytest.approx(1.44, abs=0.15)


def test_lambda_sharpens_attention(learned):
    most = 2 * np.log(25)
    assert learned[0.0][2] > 0.6 * most
    assert learned[0.1][2] < 0.3 * most
    assert learned[0.1][0] > 0.9
