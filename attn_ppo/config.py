"""The settings of one run: frozen dataclasses hold names, types, ranges and what each key means;
conf/ holds the values. `--help` prints all of it.

Nothing here imports torch: a wrong setting is reported within a second.
"""

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from omegaconf import OmegaConf

from attn_ppo import consistency, earlier
from attn_ppo.errors import ConfigError
from attn_ppo.folders import nearest_folder
from attn_ppo.formats import plain, spelled
from attn_ppo.schema import Matches, Range, build, flatten
from attn_ppo.sections import (
    AttentionSettings,
    CheckpointSettings,
    ComputeSettings,
    DecidedSettings,
    EvaluationSettings,
    Name,
    PPOSettings,
    ProtocolSettings,
    RegularizerSettings,
    SearchSettings,
    VideoSettings,
    WandbSettings,
)

Game = Matches(Name.pattern, "a single-player game by its ALE name, such as Breakout or MsPacman")
Folder = Matches(r"(?!.*\$\{)[^\x00-\x1f\x7f]{1,1000}", "the path of a folder")
Axis = Matches(r"[a-z_.]{1,64}=[A-Za-z0-9_.+-]{1,64}", "a key and its value, key=value")
LONGEST_LEVEL = 200  # characters of one level of a run's path
_READABLE = "a readable config.yaml, as in runs/<name>/<env>/lambda=<lambda>/seed=<seed>/"
FRAMES_PER_STEP = 4  # emulator frames an agent step: an action is repeated, as in the literature


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
    until: Literal["decided"] | None
    """`decided`: a sweep adds seeds until it is decided which lambdas score otherwise than 0."""
    budget: Annotated[int, Range(1, 10_000)] | None
    """With `until=decided`: runs at most, failed ones and those of earlier starts included."""
    decided: DecidedSettings

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
        """Whether one is made after the `number`-th update; one goes with videos and milestones."""
        due = number % self.checkpoint.every_updates == 0 or self.milestone_due(number)
        return due or self.videos.due(number) or number == self.num_updates

    def milestone_due(self, number: int) -> bool:
        """Whether the weights after the `number`-th update are kept for good."""
        return self.checkpoint.milestone_due(number, self.num_updates)

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

    @functools.cached_property
    def _identity(self) -> dict[str, Any]:
        """Kept: a table of many runs asks for it several times of each."""
        return {key: v for key, v in flatten(as_dict(self)).items() if is_identity(key)}

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
    ppo = config.ppo
    consistency.check_batches(ppo, config.total_steps)
    consistency.check_weights(config.lambda_, config.diversity, config.attention)
    consistency.check_target(config.regularizer, config.attention)
    last = (config.num_updates - 1) * ppo.batch_size
    steps = (config.lambda_start, config.lambda_warmup)
    consistency.check_schedule(config.lambda_schedule, *steps, last=last)
    if config.init_sha256 and not config.init_from:
        allowed = "null without init_from, whose checkpoint it tells"
        raise ConfigError("init_sha256", config.init_sha256, allowed)
    if config.budget and not config.until:
        raise ConfigError("budget", config.budget, "null; a budget goes with until=decided")
    consistency.check_backend(config.compute)
    return config


def as_dict(config: RunConfig) -> dict[str, Any]:
    """The settings as plain nested values, under the names of the command line."""
    values = dataclasses.asdict(config)
    values["wandb"]["tags"], values["axes"] = list(config.wandb.tags), list(config.axes)
    return {key.rstrip("_"): value for key, value in values.items()}


def recorded(config: RunConfig) -> dict[str, Any]:
    """The settings as config.yaml and W&B have them.

    Without `root`, which is one machine's, and without what only a sweep has.
    """
    others = ("root", "until", "budget", "decided")
    return {key: value for key, value in as_dict(config).items() if key not in others}


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
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", spelled(value))[:64] or "-"


def identity(config: RunConfig) -> dict[str, Any]:
    """The settings, by dotted key, that decide what is trained.

    The others may change from one start of a run to the next: the device and the threads, which
    a resume compares itself, where and how the run is saved and followed, and how it is evaluated.
    """
    return dict(config._identity)


def is_identity(key: str) -> bool:
    """Whether a key is one of `identity`."""
    elsewhere = ("device", "compute.threads", "root", "axes", "init_from", "until", "budget")
    elsewhere += ("checkpoint.every_updates", "checkpoint.milestones", "checkpoint.resume")
    sections = ("wandb.", "videos.", "evaluation.", "search.", "decided.")
    return key not in elsewhere and not key.startswith(sections)


def read(path: Path | str) -> RunConfig:
    """The settings in a run's config.yaml. Raises ConfigError where it can't be used."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        missing = isinstance(error, FileNotFoundError)
        wrong = "isn't there" if missing else f"can't be read ({reason})"
        near = nearest_folder(Path(path).parent, default_root()) if missing else None
        raise ConfigError("", path, _READABLE, near and str(near), wrong=wrong) from None
    return from_yaml(text, path)


@functools.lru_cache(1_024)  # a sweep that is given again asks four times for each of its runs
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
        return from_dict(earlier.completed({str(key): value for key, value in values.items()}))
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


def to_yaml(config: RunConfig) -> str:
    """The text of config.yaml."""
    return OmegaConf.to_yaml(OmegaConf.create(recorded(config)))
