"""Attention replaced: what becomes of the policy, the value and the score if the map is another.

INTERVENTIONS · intervene -> Effect of each, a step · scores of whole games, played with each. If
the maps matter to what the agent does, to replace them changes it.
"""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from attn_ppo.atari.envs import AtariEnvs
from attn_ppo.interpret.believe.games import STREAM, Policy, play
from attn_ppo.interpret.believe.series import Series
from attn_ppo.interpret.network import OpenAgent
from attn_ppo.interpret.play.recording import Recording
from attn_ppo.model import ActorCritic

BATCH = 256  # observations at a time
UNCHANGED = "unchanged"


class Maps(NamedTuple):
    """What a replacement can be made of."""

    now: Tensor  # (B, K, 7, 7) the agent's own weights
    mean: Tensor  # (K, 7, 7) their mean over a recording
    other: Tensor  # (B, K, 7, 7) those of other moments of it


class Effect(NamedTuple):
    """What an intervention changes at each step of a recording."""

    kl_forward: Series  # KL(pi || pi replaced), nats
    kl_backward: Series  # KL(pi replaced || pi), nats
    value: Series  # absolute change, in clipped rewards


def uniform(maps: Maps) -> Tensor:
    """Each map's weight spread evenly; its sum, 1 under a softmax, stays."""
    return maps.now.mean((2, 3), keepdim=True).expand_as(maps.now)


def top_dropped(maps: Maps) -> Tensor:
    """Each map without its strongest cell, the others scaled up so that the sum stays.

    Others that are all 0 in float32 share the sum evenly.
    """
    flat = maps.now.flatten(2).double()
    rest = flat.scatter(2, flat.argmax(2, keepdim=True), 0)
    left = rest.sum(2, keepdim=True)
    even = torch.ones_like(rest).scatter(2, flat.argmax(2, keepdim=True), 0) / (flat.shape[2] - 1)
    shares = torch.where(left > 0, rest / left, even)
    return (shares * flat.sum(2, keepdim=True)).float().view_as(maps.now)


def own_mean(maps: Maps) -> Tensor:
    """The mean map at every step."""
    return maps.mean.expand_as(maps.now)


def other_moment(maps: Maps) -> Tensor:
    """The map of another moment."""
    return maps.other


INTERVENTIONS: dict[str, Callable[[Maps], Tensor]] = {
    "uniform": uniform,
    "top_dropped": top_dropped,
    "own_mean": own_mean,
    "other_moment": other_moment,
}


@torch.no_grad()
def intervene(agent: OpenAgent, recording: Recording, *, seed: int = 0) -> dict[str, Effect]:
    """The effect of each intervention at every recorded step; none without attention.

    Another moment's map is that of the recording shifted in a circle, by a seeded number of steps
    between a quarter and three quarters of it.
    """
    if agent.model.attention is None:
        return {}
    steps = len(recording)
    shift = _shift(steps, np.random.default_rng(seed))
    track = torch.from_numpy(recording.attention)
    mean = track.double().mean(0).float()
    found: dict[str, list[np.ndarray]] = {name: [] for name in INTERVENTIONS}
    for part in np.split(np.arange(steps), range(BATCH, steps, BATCH)):
        model, obs = agent.model, torch.from_numpy(recording.observations(part))
        features = model.normalize(model.encode(obs))
        _, now, attended = model.attend(features)
        before = model.decide(attended)
        maps = Maps(now, mean, track[(part + shift) % steps])
        for name, replaced in INTERVENTIONS.items():
            after = _decide(model, features, replaced(maps))
            found[name].append(_change(before, after))
    return {
        name: Effect(*(Series(row, recording.games) for row in np.concatenate(parts, axis=1)))
        for name, parts in found.items()
    }


def scores(
    agent: OpenAgent,
    recording: Recording,
    *,
    games: int,
    seed: int = 0,
    on_game: Callable[[], object] = lambda: None,
) -> dict[str, np.ndarray]:
    """(games,) raw scores of whole games, unchanged and with each intervention at every step.

    Column by column the same game: its seed, no-ops and the random numbers of the sampling. The
    mean map is the recording's, another moment's are those of the recording from a seeded step of
    it on, another one in each game. Only "unchanged" without attention.
    """
    played = {UNCHANGED: _games(agent, _policy(agent.model), games, seed, on_game)}
    if agent.model.attention is None:
        return played
    begin = np.random.default_rng(seed).integers(len(recording), size=games)
    for name, replaced in INTERVENTIONS.items():
        policy = _replacing_policy(agent.model, recording, replaced, begin)
        played[name] = _games(agent, policy, games, seed, on_game)
    return played


def _shift(steps: int, rng: np.random.Generator) -> int:
    return int(rng.integers(steps // 4, 3 * steps // 4 + 1))


def _decide(model: ActorCritic, features: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and value of (B, 64, 7, 7) normalised features under (B, K, 7, 7) weights."""
    return model.decide(model.layers.attend(features, attention))


def _change(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> np.ndarray:
    """(3, B) both KL divergences and the change of the value, from logits and value."""
    log_p, log_q = (logits.double().log_softmax(-1) for logits, _ in (before, after))
    forward = (log_p.exp() * (log_p - log_q)).sum(-1)
    backward = (log_q.exp() * (log_q - log_p)).sum(-1)
    value = (after[1].double() - before[1].double()).abs()
    return torch.stack([forward, backward, value]).numpy()


def _policy(model: ActorCritic) -> Policy:
    return lambda obs, _: model(obs).policy


def _replacing_policy(
    model: ActorCritic,
    recording: Recording,
    replaced: Callable[[Maps], Tensor],
    begin: np.ndarray,
) -> Policy:
    """The policy under replaced attention; game i's step t has step `begin[i]` + t's other map.

    It counts its own steps.
    """
    track = torch.from_numpy(recording.attention)
    mean = track.double().mean(0).float()
    moments = begin.copy()

    def policy(obs: Tensor, rows: np.ndarray) -> Tensor:
        features = model.normalize(model.encode(obs))
        _, now, _ = model.attend(features)
        maps = Maps(now, mean, track[moments[rows] % len(track)])
        moments[:] += 1
        return _decide(model, features, replaced(maps))[0].log_softmax(-1)

    return policy


def _games(
    agent: OpenAgent, policy: Policy, games: int, seed: int, on_game: Callable[[], object]
) -> np.ndarray:
    envs = AtariEnvs(
        agent.settings.env,
        num_envs=games,
        seed=seed,
        protocol=agent.settings.protocol,
        num_threads=1,
        stream=STREAM,
    )
    with contextlib.closing(envs):
        return play(envs, policy, seed=seed, on_game=on_game)
