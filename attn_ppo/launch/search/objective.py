"""What a search maximises: the score of the finished agent, less what its wide gaze costs.

The objective is read from the run's folder, wherever the run was. A sweeper is given a number, or
in place of one a `Failed` or a `Stopped`, which say at the sweeper's conversion to a float what
became of the run: so any sweeper of Hydra's that asks for numbers can be used.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from hydra.core.hydra_config import HydraConfig

from attn_ppo.atari.reference_scores import HUMAN_FILE, by_published, published
from attn_ppo.config import RunConfig
from attn_ppo.errors import ConfigError, ExitCode, RunError
from attn_ppo.launch.overrides import axis_keys
from attn_ppo.launch.settings import settings_at
from attn_ppo.lifecycle import lock
from attn_ppo.lifecycle.run_dir import read_status
from attn_ppo.lifecycle.signals import STOP_SIGNALS
from attn_ppo.schema import nearest


class Result(NamedTuple):
    """A run's evaluation, and what it counts for."""

    objective: float
    human_normalised: float  # 0 is random play, 1 a human tester
    score: float
    attention_entropy: float | None  # nats, summed over the maps; None without attention


class Failed:
    """What a failed run returns for a number."""

    def __init__(self, cause: str):
        self._cause = cause

    def __float__(self) -> NoReturn:
        raise ValueError(self._cause)


class Stopped(BaseException):
    """What a run that was asked to stop returns for a number: it ends the sweeper that asks for it.

    Neither a result nor a failure may be recorded: the same command goes on with the run.
    """

    def __float__(self) -> NoReturn:
        raise self


def check(configs: Sequence[RunConfig], space: Mapping[str, str]) -> None:
    """Raises ConfigError for a search whose runs have no objective, or none to be compared.

    `space` has the values of the keys that it varies.
    """
    first, scores = configs[0], published()
    for key, instead in (
        ("env", "one game; another one in a search of its own name="),
        ("seed", "one seed: the best of several is luck; train what is found with others"),
    ):
        if key in space:
            raise ConfigError(key, space[key], instead, wrong="can't be searched over")
    for key in (key for key in space if key != "lambda" and key not in axis_keys()):
        allowed = "keys that decide what is trained, or a run's folder would be shared"
        raise ConfigError(key, space[key], allowed, wrong="can't be searched over")
    if first.env not in scores:
        table = f"attn_ppo/atari/{HUMAN_FILE.name}"
        allowed = f"one of the {len(scores)} games with a human score: {table}"
        raise ConfigError("env", first.env, allowed, nearest(first.env, scores))
    if not all(c.evaluation.episodes for c in configs):
        allowed = "1 or more: a search maximises what the evaluation finds"
        raise ConfigError("evaluation.episodes", 0, allowed)
    if first.search.entropy_weight and any(c.attention.gate == "none" for c in configs):
        allowed = "a gate; or search.entropy_weight=0, as without attention there's no entropy"
        raise ConfigError("attention.gate", "none", allowed)


def read(folder: Path, settings: RunConfig) -> Result:
    """The result of a run that is done. Raises RunError where its evaluation can't be used."""
    try:
        said = json.loads((folder / "evaluation.json").read_text())
        score, entropy = float(said["score_mean"]), said["attention_entropy"]
        human = by_published(score, settings.env)
        weight = settings.search.entropy_weight
        objective = human - (weight * float(entropy) if weight else 0.0)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{folder / 'evaluation.json'}: {type(error).__name__}"
        raise RunError(ExitCode.RUN_FAILED, f"no objective in {reason}") from None
    return Result(objective, human, score, None if entropy is None else float(entropy))


def of_job(run_one: Callable[[], int], own: Path | None) -> "float | Failed | Stopped":
    """Hydra's present job, a run by `run_one`, and what its sweeper is told of it."""
    try:
        settings = settings_at(HydraConfig.get().overrides.task, own)
        return outcome(settings, once_free(run_one, settings.folder))
    except ConfigError as error:  # a point of the search that isn't allowed
        return Failed(str(error))


def once_free(run_one: Callable[[], int], folder: Path, *, seconds: float = 1.0) -> int:
    """The exit code of a run, whose folder another trial may have: the same point, drawn twice.

    Then that one's result is its own, too.
    """
    while True:
        while lock.holder(folder, lock.held_here()):
            time.sleep(seconds)
        code = run_one()
        if code != ExitCode.BUSY:
            return code
        time.sleep(seconds)


def outcome(settings: RunConfig, code: int) -> "float | Failed | Stopped":
    """What a sweeper is told of a run whose process ended with `code`."""
    if code == ExitCode.PREEMPTED or -code in STOP_SIGNALS:
        return Stopped(f"{settings.label} was stopped")
    if code != ExitCode.DONE:
        return Failed(str(read_status(settings.folder).get("cause") or f"exit code {code}"))
    try:
        return read(settings.folder, settings).objective
    except RunError as error:
        return Failed(str(error))
