"""`python -m bench.learning_sb3 GAME SEED STEPS FILE`: a run of Stable-Baselines3's PPO as a child.

The study's settings, on its own Atari wrappers. FILE becomes a table like a run's episodes.csv: a
row a finished game, with its raw score.
"""

import csv
import sys
import time
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_atari_env
from stable_baselines3.common.vec_env import VecFrameStack

from bench.contenders import MINIBATCH, NUM_ENVS, NUM_EPOCHS, NUM_STEPS, register_atari

COLUMNS = ("env_steps", "episode_return", "episode_length")
PROGRESS = 10.0  # seconds between lines


class Games(BaseCallback):
    """Writes down each game as it ends, and says how far the run is."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self._rows, self._said = csv.writer(file), time.monotonic()
        self._rows.writerow(COLUMNS)

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if game := info.get("episode"):  # the Monitor's: whole, not clipped
                self._rows.writerow([self.num_timesteps, game["r"], game["l"]])
        if time.monotonic() > self._said + PROGRESS:
            self._said = time.monotonic()
            print(self.num_timesteps, flush=True)
        return True


def main(game: str, seed: int, steps: int, path: Path) -> None:
    """Trains; the table is complete when it has its name."""
    register_atari()
    torch.set_num_threads(1)
    envs = VecFrameStack(make_atari_env(f"{game}NoFrameskip-v4", NUM_ENVS, seed=seed), 4)
    model = PPO(
        "CnnPolicy",
        envs,
        n_steps=NUM_STEPS,
        batch_size=MINIBATCH,
        n_epochs=NUM_EPOCHS,
        learning_rate=lambda left: 2.5e-4 * left,
        clip_range=0.2,
        clip_range_vf=0.2,
        ent_coef=0.01,
        vf_coef=0.25,  # of the squared error; Baselines' and ours is 0.5 of its half
        seed=seed,
        device="cpu",
    )
    part = path.with_suffix(".part")
    with open(part, "w", newline="") as file:
        model.learn(steps, callback=Games(file))
    part.replace(path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
