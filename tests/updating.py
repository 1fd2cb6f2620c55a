"""One update of an agent, as a run makes it."""

from typing import Any

from torch import Tensor

from attn_ppo.agent import Agent
from attn_ppo.config import RunConfig
from attn_ppo.ppo import update
from attn_ppo.rollout import Rollout


def learn_from(
    rollout: Rollout, agent: Agent, settings: RunConfig, **options: Any
) -> dict[str, Tensor]:
    """The metrics of the update that changes `agent`; `options` are those of `ppo.update`."""
    return update(
        agent.model,
        agent.optimizer,
        rollout,
        settings.ppo,
        settings.regularizer,
        lambda_=0.005,
        diversity=0.0,
        rng=agent.rng,
        **options,
    )
