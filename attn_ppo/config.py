"""The settings of one run: frozen dataclasses hold names, types, ranges and what each key means;
conf/ holds the values. `--help` prints all of it.

Nothing here imports torch: a wrong setting is reported within a second.
"""

import dataclasses
import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from omegaconf import OmegaConf

from attn_ppo.errors import ConfigError
from attn_ppo.formats import plain
from attn_ppo.schema import Matches, OneOf, Range, build, flatten, names_in

Name = Matches(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}",
    "a name of up to 64 letters, digits, '_', '.' and '-', starting with a letter or digit",
)

Game = Matches(Name.pattern, "a single-player game by its ALE name, such as Breakout or MsPacman")
# A gate is what attention.py lists as one; importing it would import torch.
GATES = (*names_in(Path(__file__).with_name("attention.py"), "GATES"), "none")
REGULARIZERS = names_in(Path(__file__).with_name("regularizers.py"), "REGULARIZERS")
CELLS = 49  # of an attention map, 7 x 7
Project = Matches(
    r"(?! )[^/\\#?%:\x00-\x1f\x7f]{1,128}(?<! )", "up to 128 characters, none of / \\ # ? % :"
)
Tag = Matches(r"(?! )[^\x00-\x1f\x7f]{1,64}(?<! )", "tags of 1 to 64 characters")
Folder = Matches(r"(?!.*\$\{)[^\x00-\x1f\x7f]{1,1000}", "the path of a folder")
Axis = Matches(r"[a-z_.]{1,64}=[A-Za-z0-9_.+-]{1,64}", "a key and its value, key=value")

LONGEST_LEVEL = 200  # characters of one level of a run's path
_READABLE = "a readable config.yaml, as in runs/<name>/<env>/lambda=<lambda>/seed=<seed>/"
FRAMES_PER_STEP = 4  # emulator frames an agent step: an action is repeated, as in the literature

# Settings that earlier versions did not have, with the values that their runs had in effect.
EARLIER = {
    "root": "runs",
    "axes": [],
    "diversity": 0.0,
    "lambda_schedule": "constant",
    "lambda_start": 0,
    "lambda_warmup": 0,
    "regularizer": {"name": "entropy", "target": None},
    "init_from": None,
    "init_sha256": None,
    "compute": {"backend": "torch", "precision": "fp32", "threads": "auto"},
    "checkpoint": {"anchor_steps": 10_000, "resume": "exact"},
    "videos": {"every_updates": 0},
    "search": {"entropy_weight": 0.0, "zero_below": 0.0},
}


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
    """What turns scores into weights; `none`: no attention, the plain Nature CNN, entropy nan."""
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
    anchor_steps: Annotated[int, Range(1, 1_000_000)]
    """After so many steps a new game gets its own seed: a resume replays from there."""
    resume: Literal["exact", "anyway"]
    """`exact`: refused where versions, ROM, device or chip differ; `anyway`: noted in the run."""


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
    """What a search makes of its runs (launch/search.py); without one it plays no part."""

    entropy_weight: Annotated[float, Range(0, 1_000)]
    """What a search takes off the human-normalised score for a nat of attention entropy."""
    zero_below: Annotated[float, Range(0, 1_000)]
    """A smaller lambda is run as 0, which no log scale has."""


@dataclass(frozen=True)
class RunConfig:
    """One run. `lambda_` is spelled `lambda` everywhere outside Python's grammar."""

    env: Annotated[str, Game]
    """The game. Case, `_` and `-` don't matter: ms_pacman is MsPacman."""
    lambda_: Annotated[float, Range(0, 1_000)]
    """Weight of the regulariser (nats) in the loss, by default the attention's entropy."""
    lambda_schedule: Literal["constant", "linear"]
    """`linear`: the weight is 0 up to `lambda_start`, then rises to `lambda`."""
    lambda_start: Annotated[int, Range(0, 10**12)]
    """With `linear`: agent steps before the weight rises."""
    lambda_warmup: Annotated[int, Range(0, 10**12)]
    """With `linear`: agent steps in which the weight rises to `lambda`."""
    diversity: Annotated[float, Range(0, 1_000)]
    """Weight of the maps' overlap (nats, summed over pairs of maps) in the loss, from the start."""
    seed: Annotated[int, Range(0, 2**31 - 1)]
    """Seed of the agent and of its games."""
    total_steps: Annotated[int, Range(1, 10**12)]
    """Agent steps over all games, 4 frames each; rounded down to whole updates."""
    name: Annotated[str, Name]
    """The sweep's name: its runs are in <root>/<name>/."""
    root: Annotated[str, Folder]
    """The folder of all sweeps; by default ATTN_PPO_ROOT, else runs/ in the working folder."""
    axes: tuple[Annotated[str, Axis], ...]
    """Keys besides env, lambda and seed that a run's folder names; a sweep adds what it varies."""
    init_from: Annotated[str, Folder] | None
    """A run's folder: the agent starts with that one's weights, otherwise as new."""
    init_sha256: Annotated[str, Matches("[0-9a-f]{64}", "64 digits from 0 to f")] | None
    """SHA-256 of the checkpoint in `init_from`; found where it isn't given."""
    device: Annotated[str, Matches("auto|cpu|cuda(:([1-9]?[0-9]))?", "auto, cpu, cuda or cuda:N")]
    """Where the network is computed; `auto`: on a GPU if there is one."""
    ppo: PPOSettings
    attention: AttentionSettings
    regularizer: RegularizerSettings
    protocol: ProtocolSettings
    compute: ComputeSettings
    wandb: WandbSettings
    checkpoint: CheckpointSettings
    evaluation: EvaluationSettings
    videos: VideoSettings
    search: SearchSettings

    @property
    def num_updates(self) -> int:
        """Whole updates within `total_steps`."""
        return self.total_steps // self.ppo.batch_size

    @property
    def trained_steps(self) -> int:
        """Agent steps of those updates: `total_steps` rounded down."""
        return self.num_updates * self.ppo.batch_size

    def schedule(self, number: int) -> tuple[float, float]:
        """Learning rate and clip range of the `number`-th update, counted from 1."""
        ppo, left = self.ppo, 1 - (number - 1) / self.num_updates
        learning_rate = ppo.learning_rate * (left if ppo.anneal_learning_rate else 1)
        return learning_rate, ppo.clip_range * (left if ppo.anneal_clip_range else 1)

    def lambda_at(self, number: int) -> float:
        """The weight `lambda` of the `number`-th update, as far as it has risen by then."""
        if self.lambda_schedule == "constant":
            return self.lambda_
        steps = (number - 1) * self.ppo.batch_size - self.lambda_start
        return self.lambda_ * min(max(steps / self.lambda_warmup, 0), 1)

    def checkpoint_due(self, number: int) -> bool:
        """Whether one is made after the `number`-th update; one precedes each video."""
        due = number % self.checkpoint.every_updates == 0
        return due or self.videos.due(number) or number == self.num_updates

    @property
    def folder(self) -> Path:
        """Where the run lives; with a level for `axes` where its sweep varies more keys."""
        levels = [self.env, *self._axes_level, f"lambda={plain(self.lambda_)}", f"seed={self.seed}"]
        return self.sweep_folder.joinpath(*levels)

    @property
    def sweep_folder(self) -> Path:
        """Where runs of its name live."""
        return Path(self.root) / self.name

    @property
    def init_folder(self) -> Path | None:
        """The folder that `init_from` names."""
        return Path(os.path.expanduser(self.init_from)) if self.init_from else None

    @property
    def label(self) -> str:
        """The run in a few words."""
        return " ".join([self.env, *self.axes, f"lambda={plain(self.lambda_)} seed={self.seed}"])

    @property
    def _axes_level(self) -> list[str]:
        level = ",".join(self.axes)
        if len(level) > LONGEST_LEVEL:  # file systems take 255 bytes
            level = f"{level[: LONGEST_LEVEL - 9]}-{hashlib.sha256(level.encode()).hexdigest()[:8]}"
        return [level] * bool(level)


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """The checked settings. Raises ConfigError at the first that is missing, unknown or wrong."""
    config = build(RunConfig, values)
    if config.lambda_ < config.search.zero_below:
        config = dataclasses.replace(config, lambda_=0.0)
    ppo, batch = config.ppo, config.ppo.batch_size
    if batch % ppo.num_minibatches or ppo.minibatch_size < 2:
        allowed = "a divisor of num_envs * num_steps = {:,} that leaves at least 2 samples each"
        raise ConfigError("ppo.num_minibatches", ppo.num_minibatches, allowed.format(batch))
    if config.num_updates < 1:
        allowed = (
            f"at least {batch:,}, ppo.num_envs={ppo.num_envs} times ppo.num_steps={ppo.num_steps}"
        )
        wrong = "is less than one update"
        raise ConfigError("total_steps", config.total_steps, allowed, wrong=wrong)
    _check_regularization(config)
    if config.init_sha256 and not config.init_from:
        allowed = "null without init_from, whose checkpoint it tells"
        raise ConfigError("init_sha256", config.init_sha256, allowed)
    if config.compute.backend == "kernels" and config.compute.precision != "fp32":
        raise ConfigError(
            "compute.precision", config.compute.precision, "fp32 with compute.backend=kernels"
        )
    return config


def _check_regularization(config: RunConfig) -> None:
    """Raises ConfigError where the weights, their schedule or the target have no meaning."""
    maps = config.attention.maps if config.attention.gate != "none" else 0
    nothing = "with attention.gate=none, where there's no attention to regularise"
    for key, weight in (("lambda", config.lambda_), ("diversity", config.diversity)):
        if 0 < weight < 1e-12:  # written out, it names the folder
            raise ConfigError(key, weight, "0, or from 1e-12 to 1,000")
        if weight and not maps:
            raise ConfigError(key, plain(weight), f"0 {nothing}")
    if config.diversity and maps == 1:
        allowed = "0 with attention.maps=1: a single map has none to overlap with"
        raise ConfigError("diversity", plain(config.diversity), allowed)
    name, target = config.regularizer.name, config.regularizer.target
    most, shown = maps * math.log(CELLS), "null" if target is None else plain(target)
    if name != "target_entropy" and target is not None:
        allowed = "null; a target goes with regularizer=target_entropy"
        raise ConfigError("regularizer.target", shown, allowed)
    if name == "target_entropy" and not maps:
        raise ConfigError("regularizer.name", name, f"entropy {nothing}")
    if name == "target_entropy" and (target is None or target > most):
        even = f"{maps} even map{'s' * (maps != 1)}"
        allowed = f"from 0 to {plain(math.floor(most * 1e4) / 1e4)} nats, the entropy of {even}"
        raise ConfigError("regularizer.target", shown, allowed)
    _check_schedule(config)


def _check_schedule(config: RunConfig) -> None:
    last = (config.num_updates - 1) * config.ppo.batch_size
    if config.lambda_schedule == "constant":
        for key in ("lambda_start", "lambda_warmup"):
            if steps := getattr(config, key):
                raise ConfigError(key, steps, "0 with lambda_schedule=constant; or linear")
    elif not last:
        allowed = "constant in a run of one update, in which nothing rises"
        raise ConfigError("lambda_schedule", config.lambda_schedule, allowed)
    elif not config.lambda_warmup:
        allowed = "at least 1 with lambda_schedule=linear, the agent steps in which it rises"
        raise ConfigError("lambda_warmup", config.lambda_warmup, allowed)
    elif config.lambda_start >= last:
        allowed = f"less than {last:,}, where the last update of this run begins"
        raise ConfigError("lambda_start", config.lambda_start, allowed)


def as_dict(config: RunConfig) -> dict[str, Any]:
    """The settings as plain nested values, under the names of the command line."""
    values = dataclasses.asdict(config)
    values["wandb"]["tags"], values["axes"] = list(config.wandb.tags), list(config.axes)
    return {key.rstrip("_"): value for key, value in values.items()}


def recorded(config: RunConfig) -> dict[str, Any]:
    """The settings as config.yaml and W&B have them: without `root`, which is one machine's."""
    return {key: value for key, value in as_dict(config).items() if key != "root"}


def default_root() -> Path:
    """The folder of all sweeps where `root` isn't given: ATTN_PPO_ROOT, else runs/."""
    return Path(os.environ.get("ATTN_PPO_ROOT") or "runs").expanduser()


def with_axes(config: RunConfig, keys: Iterable[str], options: Mapping[str, str]) -> RunConfig:
    """The settings with these keys and their values as `axes`.

    `options` are the chosen options of config groups, which may be among the keys.
    """
    values = identity(config) | dict(options) | {"init_from": (config.init_sha256 or "null")[:8]}
    axes = sorted(f"{key}={_as_name(values[key])}" for key in set(keys))
    return dataclasses.replace(config, axes=tuple(axes))


def _as_name(value: Any) -> str:
    """A setting as part of a folder's name."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = plain(value) if isinstance(value, int | float) else str(value)
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text)[:64] or "-"


def identity(config: RunConfig) -> dict[str, Any]:
    """The settings, by dotted key, that decide what is trained.

    The others may change from one start of a run to the next: the device and the threads, which
    a resume compares itself, where and how the run is saved and followed, and how it is evaluated.
    """
    return {key: value for key, value in flatten(as_dict(config)).items() if is_identity(key)}


def is_identity(key: str) -> bool:
    """Whether a key is one of `identity`."""
    elsewhere = ("device", "compute.threads", "checkpoint.every_updates", "checkpoint.resume")
    elsewhere += ("root", "axes", "init_from")
    sections = ("wandb.", "videos.", "evaluation.", "search.")
    return key not in elsewhere and not key.startswith(sections)


def read(path: Path | str) -> RunConfig:
    """The settings in a run's config.yaml. Raises ConfigError where it can't be used."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        missing = isinstance(error, FileNotFoundError)
        wrong = "isn't there" if missing else f"can't be read ({reason})"
        raise ConfigError("", path, _READABLE, wrong=wrong) from None
    return from_yaml(text, path)


def from_yaml(text: str, path: Path | str) -> RunConfig:
    """The settings in the text of a config.yaml, which came from `path`. Raises ConfigError."""
    try:
        values = yaml.load(text, _Loader)
    except (ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError("", path, _READABLE, wrong=f"can't be read ({reason})") from None
    if not isinstance(values, dict):
        wrong = "has no settings in it"
        raise ConfigError("", path, "the config.yaml of a run, keys with values", wrong=wrong)
    try:
        return from_dict(_with_earlier({str(key): value for key, value in values.items()}))
    except ConfigError as error:
        reason = str(error).partition("\n")[0].removeprefix("error: ")
        allowed = "the config.yaml of a run of this version"
        raise ConfigError("", path, allowed, wrong=f"can't be used ({reason})") from None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # pyright: ignore[reportGeneralTypeIssues]
    """Plain YAML. OmegaConf's loader takes five times as long, too slow for hundreds of runs."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in forms if not tag.endswith(":timestamp")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }  # without timestamps: a name may look like a date


def _with_earlier(values: dict[str, Any]) -> dict[str, Any]:
    """The values of an earlier version's run, completed with EARLIER."""
    for key, since in EARLIER.items():
        given = values.setdefault(key, since)
        if isinstance(given, dict) and isinstance(since, dict):
            values[key] = since | given
    return values


def to_yaml(config: RunConfig) -> str:
    """The text of config.yaml."""
    return OmegaConf.to_yaml(OmegaConf.create(recorded(config)))
