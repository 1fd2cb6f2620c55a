"""What settings must be together: each check raises ConfigError where their values have no meaning.

The range of each alone is with its field, in sections.py and config.py.
"""

import math

from attn_ppo.errors import ConfigError
from attn_ppo.formats import plain
from attn_ppo.sections import (
    CELLS,
    AttentionSettings,
    ComputeSettings,
    PPOSettings,
    RegularizerSettings,
)

_NOTHING = "with attention.gate=none, where there's no attention to regularise"


def check_batches(ppo: PPOSettings, total_steps: int) -> None:
    """Minibatches divide an update's samples, of which there is at least one update."""
    batch = ppo.batch_size
    if batch % ppo.num_minibatches or ppo.minibatch_size < 2:
        allowed = "a divisor of num_envs * num_steps = {:,} that leaves at least 2 samples each"
        raise ConfigError("ppo.num_minibatches", ppo.num_minibatches, allowed.format(batch))
    if total_steps < batch:
        allowed = (
            f"at least {batch:,}, ppo.num_envs={ppo.num_envs} times ppo.num_steps={ppo.num_steps}"
        )
        raise ConfigError("total_steps", total_steps, allowed, wrong="is less than one update")


def check_weights(lambda_: float, diversity: float, attention: AttentionSettings) -> None:
    """Weights other than 0 have maps to weigh, and are large enough to be written out."""
    for key, weight in (("lambda", lambda_), ("diversity", diversity)):
        if 0 < weight < 1e-12:  # written out, it names the folder
            raise ConfigError(key, weight, "0, or from 1e-12 to 1,000")
        if weight and attention.gate == "none":
            raise ConfigError(key, plain(weight), f"0 {_NOTHING}")
    if diversity and attention.maps == 1:
        allowed = "0 with attention.maps=1: a single map has none to overlap with"
        raise ConfigError("diversity", plain(diversity), allowed)


def check_target(regularizer: RegularizerSettings, attention: AttentionSettings) -> None:
    """A target entropy is there where it is asked for, and not beyond that of even maps."""
    name, target = regularizer.name, regularizer.target
    shown = "null" if target is None else plain(target)
    if name != "target_entropy" and target is not None:
        allowed = "null; a target goes with regularizer=target_entropy"
        raise ConfigError("regularizer.target", shown, allowed)
    if name == "target_entropy" and attention.gate == "none":
        raise ConfigError("regularizer.name", name, f"entropy {_NOTHING}")
    maps, most = attention.maps, attention.maps * math.log(CELLS)
    if name == "target_entropy" and (target is None or target > most):
        even = f"{maps} even map{'s' * (maps != 1)}"
        allowed = f"from 0 to {plain(math.floor(most * 1e4) / 1e4)} nats, the entropy of {even}"
        raise ConfigError("regularizer.target", shown, allowed)


def check_schedule(schedule: str, start: int, warmup: int, *, last: int) -> None:
    """A weight that rises does so before `last`, the agent steps where the last update begins."""
    if schedule == "constant":
        for key, steps in (("lambda_start", start), ("lambda_warmup", warmup)):
            if steps:
                raise ConfigError(key, steps, "0 with lambda_schedule=constant; or linear")
    elif not last:
        allowed = "constant in a run of one update, in which nothing rises"
        raise ConfigError("lambda_schedule", schedule, allowed)
    elif not warmup:
        allowed = "at least 1 with lambda_schedule=linear, the agent steps in which it rises"
        raise ConfigError("lambda_warmup", warmup, allowed)
    elif start >= last:
        allowed = f"less than {last:,}, where the last update of this run begins"
        raise ConfigError("lambda_start", start, allowed)


def check_backend(compute: ComputeSettings) -> None:
    """The kernels compute with 32 bits."""
    if compute.backend == "kernels" and compute.precision != "fp32":
        allowed = "fp32 with compute.backend=kernels"
        raise ConfigError("compute.precision", compute.precision, allowed)
