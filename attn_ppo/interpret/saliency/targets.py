"""What a map can explain: TARGETS, numbers of the agent as functions of what it computed.

The sum of the attention's scores is not among them: a softmax ignores it, so it explains nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from attn_ppo.errors import ConfigError
from attn_ppo.interpret.network import Seen
from attn_ppo.model import ActorCritic
from attn_ppo.regularizers import attention_entropy

# Seen and the actions (B,) int64 to explain -> (B,); only some depend on the actions.
Target = Callable[[Seen, Tensor], Tensor]


def log_prob(seen: Seen, actions: Tensor) -> Tensor:
    """log pi(a|s), nats: why this action is as likely as it is."""
    return seen.log_probs.gather(-1, actions[:, None]).squeeze(-1)


def margin(seen: Seen, actions: Tensor) -> Tensor:
    """The action's logit less the greatest other one: why this action rather than the next best."""
    chosen = seen.logits.gather(-1, actions[:, None]).squeeze(-1)
    others = seen.logits.scatter(-1, actions[:, None], -torch.inf)
    return chosen - others.amax(-1)


def value(seen: Seen, _: Tensor) -> Tensor:
    """The critic's estimate of the return, in clipped rewards."""
    return seen.value


def focus(seen: Seen, _: Tensor) -> Tensor:
    """Minus the attention entropy, nats, summed over maps: why the agent looks so narrowly."""
    return -attention_entropy(seen.attention)


def attended(seen: Seen, _: Tensor) -> Tensor:
    """The score of each map's strongest cell, less the map's mean if softmax; summed over maps.

    Why the agent looks where it looks. A softmax ignores what all cells share, so there the map's
    mean is taken off; a sigmoid doesn't. Cells that tie exactly count alike, each with its part
    of the gradient; among those nearly equal it is the strongest that is explained.
    """
    return seen.heeded.flatten(2).amax(-1).sum(-1)


TARGETS: dict[str, Target] = {
    "log_prob": log_prob,
    "margin": margin,
    "value": value,
    "focus": focus,
    "attended": attended,
}
OF_ATTENTION = ("focus", "attended")  # not defined for an agent without attention


def about_target(name: str) -> str:
    """One line that describes a target: the first of its docstring."""
    return (TARGETS[name].__doc__ or "").partition("\n")[0]


def check_target(model: ActorCritic, target: Target) -> None:
    """Raises ConfigError where the target is one of the attention and the agent has none."""
    if model.attention is None and target in (TARGETS[name] for name in OF_ATTENTION):
        raise ConfigError(
            "target",
            next(name for name, known in TARGETS.items() if known is target),
            ", ".join(name for name in TARGETS if name not in OF_ATTENTION)
            + " for an agent without attention",
        )
