"""The settings of the study, Nikulin et al. 2019, which our own runs and its numbers are of."""

from collections.abc import Mapping
from typing import Any

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.earlier import EARLIER
from attn_ppo.schema import flatten

STUDY_SETTINGS: dict[str, Any] = {
    "ppo.num_envs": 8,
    "ppo.num_steps": 128,
    "ppo.num_epochs": 4,
    "ppo.num_minibatches": 4,
    "ppo.learning_rate": 2.5e-4,
    "ppo.anneal_learning_rate": True,
    "ppo.gamma": 0.99,
    "ppo.gae_lambda": 0.95,
    "ppo.clip_range": 0.2,
    "ppo.anneal_clip_range": False,
    "ppo.clip_value_loss": True,
    "ppo.ent_coef": 0.01,
    "ppo.vf_coef": 0.5,
    "ppo.max_grad_norm": 0.5,
    "attention.gate": "softmax",
    "attention.maps": 2,
    "attention.hidden": 512,
    "protocol.sticky_actions": 0.0,
    "protocol.noop_max": 30,
    "protocol.life_loss_ends_episode": True,
    "protocol.press_fire": True,
}
# What the study's numbers don't depend on; its lambda, game and steps are compared apart.
NO_MATTER = ("env", "lambda", "seed", "name", "total_steps")
NO_MATTER += ("compute.backend", "checkpoint.anchor_steps")


def has_the_study_s_settings(settings: RunConfig) -> bool:
    """Whether nothing differs from the study but game, protocol, lambda, seed and steps."""
    study = _that_matter(flatten(EARLIER) | STUDY_SETTINGS)
    return _that_matter(config.identity(settings)) == study


def _that_matter(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in settings.items()
        if config.is_identity(key) and key not in NO_MATTER and not key.startswith("protocol.")
    }
