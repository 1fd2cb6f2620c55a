"""A trained agent in Python: what it does, where it looks, why, and how well it plays.

load -> TrainedAgent. It is `attn_ppo.load`; docs/agents.md.
"""

import dataclasses
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor

from attn_ppo.agent import device_for, restored
from attn_ppo.atari.games import action_names
from attn_ppo.compute import backends
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError
from attn_ppo.evaluate import EPISODES, evaluate
from attn_ppo.interpret.network import OpenAgent, open_agent, opened, opened_copy, see
from attn_ppo.interpret.play.record import POLICIES, SEEDS
from attn_ppo.interpret.saliency.methods import METHODS
from attn_ppo.interpret.saliency.targets import TARGETS
from attn_ppo.lifecycle.weights import digest_of, read
from attn_ppo.model import sample
from attn_ppo.schema import Range, check, check_choice, check_whole

SIZE, FRAMES = 84, 4  # an observation: 4 frames of 84x84 grey pixels
_SHAPES = "(4, 84, 84), (N, 4, 84, 84), or channels last (84, 84, 4), (N, 84, 84, 4)"


def load(
    path: str | PathLike[str],
    *,
    milestone: int | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> "TrainedAgent":
    """The agent of a run folder, as last saved, or of a file that `attn_ppo.export` wrote.

    `milestone`, counted from 1, takes that one of the run's milestones in place of what was saved
    last. `device` is auto, cpu, cuda or cuda:N. `seed` is that of the actions that `act` draws.
    Nothing but tensors and plain values is read. From here on torch computes with no more threads
    than this process has processors.

    Raises ConfigError or RunError, of at most three lines, where there is no agent, where its
    config.yaml or its checkpoint can't be used, or where this machine lacks the device.
    """
    source = Path(path).expanduser()
    check_whole("seed", seed, SEEDS)
    if source.is_file():
        if milestone is not None:
            allowed = "None with an exported file; a run's folder has milestones"
            raise ConfigError("milestone", milestone, allowed)
        settings, names, steps, weights = read(source)
        model = opened(restored(settings, weights, source))
        agent = OpenAgent(settings, model, steps, digest_of(weights))
    else:
        agent = open_agent(source, milestone)
        names = action_names(agent.settings.env)
    computed_on = dataclasses.replace(agent.settings, device=check(RunConfig, "device", device))
    return TrainedAgent(agent, names, source, device_for(computed_on), seed)


class TrainedAgent:
    """What `load` returns.

    An observation is four frames of a game, newest last, as 84x84 grey pixels from 0 to 255, dtype
    uint8: (4, 84, 84) or, channels last, (84, 84, 4). A batch has one dimension more in front, and
    then so has what comes back. NumPy arrays and tensors are taken; anything else raises
    ConfigError. The network sees what it was trained on: the observations of
    `attn_ppo.atari.envs.AtariEnvs`, or of gymnasium's AtariPreprocessing and FrameStackObservation.
    """

    def __init__(
        self,
        agent: OpenAgent,
        names: tuple[str, ...],
        folder: Path,
        device: torch.device,
        seed: int,
    ):
        self.settings: RunConfig = agent.settings
        self.env_steps = agent.env_steps  # agent steps of training
        self.action_names = names  # by action number
        self.weights = agent.weights  # SHA-256 of the weights, in hex
        self.folder = folder  # the run's; the file of an exported agent
        self.device = device  # where `act`, `attention` and `play` compute
        backends.settle_convolutions(device)
        on_cpu = device.type == "cpu"
        self.model = agent.model if on_cpu else opened_copy(agent.model).to(device)
        self._agent = agent  # on the CPU
        self._rng = Generator(device).manual_seed(seed)

    def __repr__(self) -> str:
        maps = 0 if self.settings.attention.gate == "none" else self.settings.attention.maps
        return (
            f"TrainedAgent({self.settings.label}, {self.env_steps:,} agent steps, "
            f"{len(self.action_names)} actions, {maps} attention map{'s' * (maps != 1)}, "
            f"on {self.device})"
        )

    @torch.no_grad()
    def act(self, obs: ArrayLike | Tensor, *, policy: str = "stochastic") -> Any:
        """The agent's action: an int from 0 on, or of a batch (N,) int64; see `action_names`.

        `stochastic` draws from the policy, with the seed given to `load`: the same calls give the
        same actions. That is the default since the policy is what was trained and evaluated.
        `greedy` takes the most likely action; an agent that always does may stand still for ever.
        """
        check_choice("policy", policy, POLICIES)
        batch, single = _batch(obs)
        log_probs = self.model(batch.to(self.device)).policy
        if policy == "greedy":
            actions = log_probs.argmax(-1)
        else:
            noise = torch.empty_like(log_probs).exponential_(generator=self._rng)
            actions = sample(log_probs, noise)
        return int(actions) if single else actions.cpu().numpy()

    @torch.no_grad()
    def attention(self, obs: ArrayLike | Tensor) -> NDArray[np.float32]:
        """(K, 7, 7) or (N, K, 7, 7) float32 weights >= 0 of the K maps; K = 0 without attention.

        Under the softmax gate a map sums to 1, under the sigmoid gate each weight is at most 1.
        Cell (i, j) sees rows 8i to 8i + 35 and columns 8j to 8j + 35 of the frames.
        """
        batch, single = _batch(obs)
        attention = self.model(batch.to(self.device)).attention.cpu().numpy()
        return attention[0] if single else attention

    def explain(
        self,
        obs: ArrayLike | Tensor,
        method: str = "smoothgrad",
        *,
        target: str = "log_prob",
        action: int | Sequence[int] | NDArray[np.integer] | None = None,
        seed: int = 0,
    ) -> NDArray[np.float32]:
        """Saliency maps on the pixels, (F, 84, 84) or (N, F, 84, 84) float32.

        F = 4, a map for each frame, newest last, or F = 1, one for all. `method` is one of
        interpret.saliency.methods.METHODS, which also says what signs and units mean; its
        parameters are those of the videos and the page. `target` is what is explained, one of
        interpret.saliency.targets.TARGETS. `action` is the action that is explained, or (N,) of
        them, by default the most likely one. `seed` is that of a method's noise: equal arguments
        give equal maps. Computed on the CPU, on every device.

        Raises ConfigError for names that don't exist, and for a target of the attention where the
        agent has none.
        """
        check_choice("method", method, METHODS)
        explained = TARGETS[check_choice("target", target, TARGETS)]
        check_whole("seed", seed, SEEDS)
        batch, single = _batch(obs)
        rng, actions = Generator().manual_seed(seed), self._actions(batch, action)
        found = METHODS[method].function(self._agent.model, batch, actions, explained, rng)
        maps = found.detach().float().numpy()
        return maps[0] if single else maps

    def play(self, episodes: int = 1, *, seed: int | None = None) -> dict[str, Any]:
        """Lets the agent play fresh whole games, side by side; what evaluation.json holds.

        `scores`, `lengths` (agent steps) and `seeds` of the games, `score_mean`, `score_std`;
        attention entropy (nats) and effective cells a map. Actions are drawn from the policy; a
        lost life doesn't end a game; rewards are raw. By default the games are those of the run's
        own evaluation; another `seed` gives others. Equal arguments give equal games.

        Raises ConfigError where the game's ROM isn't there.
        """
        check_whole("episodes", episodes, EPISODES)
        settings = self.settings
        if seed is not None:
            settings = dataclasses.replace(settings, seed=check(RunConfig, "seed", seed))
        return evaluate(self.model, settings, episodes=episodes)

    def _actions(self, batch: Tensor, action: Any) -> Tensor:
        """(N,) int64: the actions to explain, checked."""
        if action is None:
            with torch.no_grad():
                return see(self._agent.model, batch).logits.argmax(-1)
        given = np.asarray(action)
        limits = Range(0, len(self.action_names) - 1)
        flat = [check_whole("action", each, limits) for each in given.reshape(-1).tolist()]
        if given.ndim > 1 or len(flat) not in (1, len(batch)):
            allowed = f"one action, or one for each of the {len(batch)} observations"
            raise ConfigError("action", f"of shape {given.shape}", allowed)
        return torch.tensor(flat).expand(len(batch))


def _batch(obs: ArrayLike | Tensor) -> tuple[Tensor, bool]:
    """(N, 4, 84, 84) uint8 on the CPU, and whether it was one observation. Raises ConfigError."""
    if isinstance(obs, Tensor):
        given = obs.detach().cpu()
    else:
        try:
            array = np.asarray(obs)
        except ValueError:  # a list of arrays that differ in shape
            raise ConfigError("obs", "a ragged list", f"an array, {_SHAPES}") from None
        if array.dtype != np.uint8:
            raise _wrong_type(array.dtype)
        given = torch.from_numpy(np.ascontiguousarray(array))
    if given.dtype != torch.uint8:
        raise _wrong_type(given.dtype)
    single = given.ndim == 3
    batch = given[None] if single else given
    if batch.shape[1:] == (SIZE, SIZE, FRAMES):
        batch = batch.permute(0, 3, 1, 2)
    if batch.ndim != 4 or batch.shape[1:] != (FRAMES, SIZE, SIZE) or not len(batch):
        raise ConfigError("obs", f"an array of shape {tuple(given.shape)}", _SHAPES)
    return batch.contiguous(), single


def _wrong_type(dtype: Any) -> ConfigError:
    return ConfigError("obs", f"an array of {dtype}", "uint8, grey pixels from 0 to 255")
