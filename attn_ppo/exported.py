"""A trained agent's weights as one file, for those who don't have its run folder: `export`."""

import json
from os import PathLike
from pathlib import Path

from attn_ppo import config
from attn_ppo.atari import games
from attn_ppo.config import RunConfig
from attn_ppo.errors import ExitCode, RunError
from attn_ppo.lifecycle import checkpoint, milestones, weights
from attn_ppo.lifecycle import saved as saved_runs
from attn_ppo.lifecycle.generations import digests
from attn_ppo.lifecycle.milestones import Weights
from attn_ppo.version import __version__


def export(
    folder: str | PathLike[str],
    file: str | PathLike[str],
    *,
    milestone: int | None = None,
    half: bool = False,
) -> Path:
    """Writes a run's weights to `file`, as last saved or of a milestone; returns its path.

    `milestone` is counted from 1. The file is safetensors, a few MB: the weights and a header of
    text (weights.HEADER), no code. With `half` weights are rounded to 16 bits, half as many MB. It
    is whole or not there; one that is there is replaced. Raises ConfigError or RunError where the
    folder has no readable config.yaml or checkpoint, or no such milestone, where the game has no
    ROM, or where the file can't be written.
    """
    run, path = Path(folder).expanduser(), Path(file).expanduser()
    settings = config.read(run / "config.yaml")
    kept = _newest(run, settings) if milestone is None else milestones.load(run, milestone)
    header = {
        "version": __version__,
        "game": settings.env,
        "action_names": json.dumps(games.action_names(settings.env)),
        "env_steps": str(kept.env_steps),
        "settings": config.to_yaml(settings),
        "checkpoint_sha256": kept.sha256,
        "rom_md5": games.rom_md5(settings.env),
    }
    weights.write(path, kept.model, header, half)
    return path


def _newest(run: Path, settings: RunConfig) -> Weights:
    """Those of the newest whole checkpoint. Raises RunError where there is none."""
    for sha256 in digests(run):
        state = checkpoint.load_digest(run, sha256)
        if state is not None:  # a run in progress may have replaced it
            saved = saved_runs.of_state(state, run)
            steps = saved.update * settings.ppo.batch_size
            return Weights(steps, saved.agent["model"], saved.agent["backend"], sha256)
    saved_runs.load(run)  # raises where there are damaged ones
    is_export = (run / weights.FILE).exists()
    why = f"only {weights.FILE}, an export already" if is_export else "no checkpoint yet"
    raise RunError(ExitCode.NO_CHECKPOINT, f"{run} has {why}")
