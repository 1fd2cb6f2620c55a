"""The sections of a run's settings: names, types, ranges, and what each key means.

A key's meaning is the text below its field: `--help` prints it. config.py puts them together.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from attn_ppo.schema import Matches, OneOf, Range, names_in

Name = Matches(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    "a name of up to 64 letters, digits, '_', '.' and '-', starting with a letter or digit",
)
# A gate is what attention.py lists as one; importing it would import torch.
GATES = (*names_in(Path(__file__).with_name("attention.py"), "GATES"), "none")
REGULARIZERS = names_in(Path(__file__).with_name("regularizers.py"), "REGULARIZERS")
CELLS = 49  # of an attention map, 7 x 7
Project = Matches(
    r"(?! )[^/\\#?%:\x00-\x1f\x7f]{1,128}(?<! )", "up to 128 characters, none of / \\ # ? % :"
)
Tag = Matches(r"(?! )[^\x00-\x1f\x7f]{1,64}(?<! )", "tags of 1 to 64 characters")


@dataclass(frozen=True)
class PPOSettings:
    """Schulman et al. 2017; the values of conf/ppo/study.yaml are Stable-Baselines PPO2's."""

    num_envs: Annotated[int, Range(1, 1024)]
    """Games played side by side, N."""
    num_steps: Annotated[int, Range(1, 65_536)]
    """Agent steps of each game between two updates, T."""
    num_epochs: Annotated[int, Range(1, 1_000)]
    """Passes of an update over its N * T samples."""
    num_minibatches: Annotated[int, Range(1, 65_536)]
    """Gradient steps a pass; a divisor of N * T."""
    learning_rate: Annotated[float, Range(0, 1, above=True)]
    """Adam's learning rate, at the start of the run if it is annealed."""
    anneal_learning_rate: bool
    """Whether the learning rate falls linearly to 0 over the run."""
    gamma: Annotated[float, Range(0, 1)]
    """Discount of the rewards of later agent steps."""
    gae_lambda: Annotated[float, Range(0, 1)]
    """Lambda of generalised advantage estimation; not the key `lambda`."""
    clip_range: Annotated[float, Range(0, 10, above=True)]
    """How far from 1 the ratio of an action's new to old probability still counts."""
    anneal_clip_range: bool
    """Whether the clip range falls linearly to 0 over the run."""
    clip_value_loss: bool
    """Whether the value's change in an update is clipped by `clip_range`, too."""
    ent_coef: Annotated[float, Range(0, 10)]
    """Weight of the policy's entropy, which the loss rewards."""
    vf_coef: Annotated[float, Range(0, 100)]
    """Weight of the value's loss."""
    max_grad_norm: Annotated[float, Range(0, 1_000_000, above=True)]
    """L2 norm to which longer gradients are scaled."""

    @property
    def batch_size(self) -> int:
        """Samples an update, T * N."""
        return self.num_envs * self.num_steps

    @property
    def minibatch_size(self) -> int:
        """Samples a gradient step."""
        return self.batch_size // self.num_minibatches


@dataclass(frozen=True)
class AttentionSettings:
    """The attention module; `gate=none` is the plain Nature CNN without one."""

    gate: Annotated[str, OneOf(GATES)]
    """What turns scores into weights; `uniform`: all alike, a control that chooses nothing;
    `none`: no attention, the plain Nature CNN, entropy nan."""
    maps: Annotated[int, Range(1, 64)]
    """Attention maps, K; the features are weighted by their sum."""
    hidden: Annotated[int, Range(1, 65_536)]
    """Channels of the 1x1 convolution before the maps."""


@dataclass(frozen=True)
class RegularizerSettings:
    """What `lambda` weighs in the loss, see regularizers.py."""

    name: Annotated[str, OneOf(REGULARIZERS)]
    """`entropy`: that of the attention, summed over the maps; `target_entropy`: its distance from
    `regularizer.target`."""
    target: Annotated[float, Range(0, 250)] | None
    """With `target_entropy`: the entropy to reach, nats, at most that of even maps, ln 49 each."""


@dataclass(frozen=True)
class ProtocolSettings:
    """How the game is presented to the learner."""

    sticky_actions: Annotated[float, Range(0, 1)]
    """Probability that the emulator repeats the previous action instead."""
    noop_max: Annotated[int, Range(0, 1_000)]
    """A game begins with up to so many no-ops, a random number."""
    life_loss_ends_episode: bool
    """Whether a lost life ends the learner's episode; the game goes on."""
    press_fire: bool
    """Whether FIRE is pressed when a game begins and after a lost life."""


@dataclass(frozen=True)
class ComputeSettings:
    """What computes the network (backends.py), the precision of its large layers, the threads."""

    backend: Literal["auto", "kernels", "torch", "compile"]
    """`kernels` are ours, for CPUs; `torch` has PyTorch's operators; `auto`: the fastest here."""
    precision: Literal["fp32", "bf16"]
    """Of the large layers; heads and loss are fp32. `kernels` take fp32 only."""
    threads: Annotated[str, Matches("auto|[1-9][0-9]{0,2}", "auto, or a number from 1 to 999")]
    """`auto`: those that the run began with, for a new one its share of the processors. Other
    threads make other last bits."""


@dataclass(frozen=True)
class WandbSettings:
    """How the run is mirrored on Weights & Biases. `auto` is online where that is possible."""

    mode: Literal["auto", "online", "offline", "disabled"]
    """Where a run is mirrored; `auto`: online where you are logged in, else offline."""
    project: Annotated[str, Project] | None
    """Project on W&B; null: WANDB_PROJECT, else attn_ppo."""
    entity: Annotated[str, Name] | None
    """User or team on W&B; null: your default."""
    tags: tuple[Annotated[str, Tag], ...]
    """Tags on W&B."""


@dataclass(frozen=True)
class CheckpointSettings:
    """How often a run is saved, and whether a resume must be exact (resume.py, action_log.py)."""

    every_updates: Annotated[int, Range(1, 1_000_000)]
    """Updates between checkpoints."""
    milestones: Annotated[int, Range(0, 1_000)]
    """Weights kept for good, 7 MB each, evenly over the run, its end included; 0: none."""
    anchor_steps: Annotated[int, Range(1, 1_000_000)]
    """After so many steps a new game gets its own seed: a resume replays from there."""
    resume: Literal["exact", "anyway"]
    """`exact`: refused where versions, ROM, device or chip differ; `anyway`: noted in the run."""

    def milestone_due(self, number: int, num_updates: int) -> bool:
        """Whether one is made after the `number`-th update of so many, counted from 1.

        The k-th of n is made after the first update by which k / n of the run is done.
        """
        made, before = (self.milestones * each // num_updates for each in (number, number - 1))
        return made > before


@dataclass(frozen=True)
class EvaluationSettings:
    """How many whole games the finished agent plays; 0: no evaluation."""

    episodes: Annotated[int, Range(0, 256)]
    """Whole games that the finished agent plays; 0: no evaluation."""


@dataclass(frozen=True)
class VideoSettings:
    """How often the agent is filmed during training, in updates; 0: never."""

    every_updates: Annotated[int, Range(0, 1_000_000)]
    """Updates between videos of 20 s of play, in `videos/` and on W&B; 0: none."""

    def due(self, number: int) -> bool:
        """Whether a video is made after the `number`-th update, counted from 1."""
        return self.every_updates > 0 and number % self.every_updates == 0


@dataclass(frozen=True)
class SearchSettings:
    """What a search makes of its runs (launch/search/); without one it plays no part."""

    entropy_weight: Annotated[float, Range(0, 1_000)]
    """What a search takes off the human-normalised score for a nat of attention entropy."""
    zero_below: Annotated[float, Range(0, 1_000)]
    """A smaller lambda is run as 0, which no log scale has."""


@dataclass(frozen=True)
class DecidedSettings:
    """How a sweep decides with `until=decided` (launch/decided/); otherwise it plays no part."""

    margin: Annotated[float, Range(0, 0.9)]
    """What a lambda may cost and still count as costing nothing: a share of the score above random
    play at lambda 0. 0: that isn't asked."""
    seeds: Annotated[int, Range(2, 100)]
    """Finished runs that each undecided game and lambda gets between two looks at the scores."""
