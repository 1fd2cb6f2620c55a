"""Recordings made up for tests: a grey screen, attention and scores put where they are known."""

import numpy as np

from attn_ppo.interpret.play.recording import About, Recording

ABOUT = About(
    game="Breakout",
    name="demo",
    lambda_="0.005",
    seed=3,
    env_steps=10_240,
    weights="w",
    gate="softmax",
    policy="stochastic",
    recording_seed=0,
    action_names=("NOOP", "FIRE", "RIGHT", "LEFT"),
)
UNIFORM = np.full((2, 7, 7), 1 / 49)


def one_cell(row: int, column: int) -> np.ndarray:
    """(2, 7, 7): both maps on one cell."""
    maps = np.zeros((2, 7, 7))
    maps[:, row, column] = 1
    return maps


def planted(attention: np.ndarray, *, steps: int = 4, reward: float = 0, **about) -> Recording:
    """A screen of grey 120, an input of grey 100, everywhere; `attention` (K, 7, 7) throughout."""
    maps = np.broadcast_to(attention.astype(np.float32), (steps, *attention.shape))
    flat = attention.reshape(len(attention), 49)
    nats = -(flat * np.log(np.maximum(flat, 1e-30))).sum(-1)
    return Recording(
        About(**(vars(ABOUT) | about)),
        palette=np.full((256, 3), 120, np.uint8),
        screens=np.zeros((steps, 210, 160), np.uint8),
        frames=np.full((steps, 84, 84), 100, np.uint8),
        games=np.zeros(steps, np.int32),
        actions=np.ones(steps, np.uint8),
        executed=np.ones(steps, np.uint8),
        rewards=np.full(steps, reward, np.float32),
        lives=np.full(steps, 5, np.uint8),
        log_probs=np.full((steps, 4), np.log(0.25), np.float32),
        value=np.zeros(steps, np.float32),
        attention=maps,
        entropy=np.tile(nats.astype(np.float32), (steps, 1)),
    )
