"""What `python -m attn_ppo.train --help` prints: every key with its default, meaning and range.

Nothing of it is written twice: meanings and ranges are those of config.py and sections.py; defaults
and what the options of a group stand for are read from conf/.
"""

import itertools
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from attn_ppo import config, schema
from attn_ppo.formats import plain
from attn_ppo.launch.conf_files import conf_dir, groups
from attn_ppo.launch.hydra_settings import JOBS

USAGE = """Trains PPO agents with attention on Atari games.

usage: python -m attn_ppo.train [-m] [--config-dir DIR] [key=value ...]

  one run:  python -m attn_ppo.train env=Breakout lambda=0.0005 seed=0
  a sweep:  python -m attn_ppo.train -m env=Breakout,Pong lambda=0,0.005
  a study:  python -m attn_ppo.train -m experiment=paper

A run's folder is <root>/<name>/<env>/lambda=<lambda>/seed=<seed>/, with a level
more for other keys that a sweep varies. The same command again resumes what was
stopped and skips what is done."""
FLAGS = {
    "-m, --multirun": "A sweep: each combination of the values given with commas is a run.",
    "-c, --cfg job": "Prints the settings and runs nothing; also --cfg hydra, --cfg all.",
    "-cd, --config-dir DIR": "Your own options, in DIR/experiment/, DIR/ppo/, ...; by default "
    "those in conf/ of the working folder.",
    "-sc, --shell-completion": "install=bash prints what completes keys and games in your shell.",
    "--version": "Prints the version.",
    "-h, --help": "Prints this.",
}
COLUMN = 33  # where explanations begin


def text(width: int, own: Path | None = None) -> str:
    """The help, in lines of at most `width` characters where words allow.

    With the options of `own`, the user's folder of settings.
    """
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composed = compose("config", return_hydra_config=True)
    parts = [USAGE, _table("Flags:", FLAGS, width)]
    keys = schema.meanings(config.RunConfig).items()
    for section, entries in itertools.groupby(keys, lambda entry: entry[0].rpartition(".")[0]):
        rows = {
            f"{key}={_spelled(OmegaConf.select(composed, key))}": f"{meaning} [{allowed}]"
            for key, (meaning, allowed) in entries
        }
        parts.append(_table(f"Section {section}:" if section else "The run:", rows, width))
    for group, options in groups(own).items():
        default = composed.hydra.runtime.choices[group]
        rows = {f"{group}={name}": _about(group, name, name == default, own) for name in options}
        parts.append(_table(f"Group {group}, ready-made settings:", rows, width))
    jobs = composed.hydra.launcher.n_jobs
    launcher = {
        f"hydra.launcher.n_jobs={jobs}": f"With engine=local: runs at once. [{JOBS}, or {jobs}: "
        "one a core]",
        "hydra.launcher.<key>=": "With engine=slurm or ray: see conf/engine/ and --cfg hydra.",
    }
    return "\n\n".join([*parts, _table("The engine's launcher:", launcher, width)])


def _about(group: str, name: str, is_default: bool, own: Path | None) -> str:
    """What an option of a group stands for: the comment at the head of its file."""
    folders = [conf_dir(), *([own] if own else [])]
    files = (folder / group / f"{name}.yaml" for folder in folders)
    lines = next(file for file in files if file.is_file()).read_text("utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    said = " ".join(line.lstrip("# ") for line in comment if "@package" not in line)
    return f"{said} [default]" if is_default else said


def _spelled(value: Any) -> str:
    """A default as one writes it on the command line."""
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def _table(title: str, rows: Mapping[str, str], width: int) -> str:
    """Names on the left and what they are on the right, below a name that is too long for that."""
    lines = [title]
    for name, about in rows.items():
        left, *below = textwrap.wrap(
            about.replace("`", ""), width - COLUMN, break_on_hyphens=False
        ) or [""]
        if len(name) > COLUMN - 4:
            lines.append(f"  {name}")
            name = ""
        lines.append(f"  {name}".ljust(COLUMN) + left)
        lines += [" " * COLUMN + line for line in below]
    return "\n".join(lines)
