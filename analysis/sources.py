"""Where runs come from: a folder of them, a project on W&B, or files that W&B recorded offline.

A command that needs no more than tables takes any of them, as `analysis.figures` does; one that
lets agents play takes folders, since W&B has no weights.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.runs import CURVES, Problem, Run, newest_root, read_runs
from attn_ppo import config
from attn_ppo.errors import ConfigError
from attn_ppo.lifecycle.run_dir import find_runs

HELP = "of runs, or wandb:ENTITY/PROJECT[/GROUP]; default: the newest folder in runs/"
ALLOWED = (
    "a folder of runs or of W&B's offline runs, wandb:entity/project or wandb:entity/project/group"
)
_WANDB = re.compile(r"wandb:(?P<place>[\w.-]+/[\w. -]+(/[^/\x00-\x1f]+)?)")
# What people write for that: another case, slashes as of a URL, the address of a page.
_MEANT = re.compile(
    r"(?:w&b|wandb)(?::/*|/+)(?P<short>.*)|(?:https?://)?(?:www\.)?wandb\.ai/(?P<page>.*)", re.I
)


class Source(NamedTuple):
    """Where runs are read from."""

    kind: str
    """`folder`, `wandb` or `offline`."""
    place: str
    """The folder's path, or W&B's entity/project[/group]."""

    def __str__(self) -> str:
        return f"wandb:{self.place}" if self.kind == "wandb" else self.place

    @property
    def folder(self) -> Path:
        """Where what is made of these runs goes: of W&B's a folder among ours, wandb/<place>."""
        if self.kind == "wandb":
            return config.default_root() / "wandb" / re.sub(r"[^\w./-]", "-", self.place)
        return Path(self.place)


def read(
    given: str | Path | None = None, columns: Sequence[str] | None = CURVES
) -> tuple[Source, list[Run], list[Problem]]:
    """The source that `given` names, by default the newest sweep, its runs, what is amiss.

    Of metrics.csv only `columns` are read, or all for None. Raises ConfigError for what names no
    source, NoRunsError where it has no run that can be used, RunError where W&B doesn't answer.
    """
    source = source_of(newest_root() if given is None else given)
    if source.kind == "folder":
        return source, *read_runs(source.place, columns)
    from analysis import wandb_runs  # late: importing wandb takes a second

    if source.kind == "wandb":
        return source, *wandb_runs.read_wandb(source.place)
    return source, *wandb_runs.read_offline(Path(source.place))


def source_of(given: str | Path) -> Source:
    """What a text or path names. Raises ConfigError where it can't be a source."""
    text = str(given)
    if found := _WANDB.fullmatch(text):
        return Source("wandb", found["place"])
    if (meant := _MEANT.fullmatch(text)) and not Path(text).exists():
        raise ConfigError("", text, ALLOWED, _nearest(meant), wrong="names no runs on W&B")
    return Source("offline" if _is_offline(Path(text)) else "folder", text)


def folder_with_agents(given: str | Path, to: str) -> Path:
    """The folder of runs that `given` names.

    Raises ConfigError for runs on W&B: `to` says what their agents would be needed for.
    """
    source = source_of(given)
    if source.kind == "folder":
        return Path(given)
    wrong = f"has no agents to {to}: W&B has numbers of runs, not their weights"
    raise ConfigError("", given, "a folder of runs with their checkpoints", wrong=wrong)


def _is_offline(path: Path) -> bool:
    """Whether W&B's own files are there, and not beside runs of ours."""
    logs = ("run-*.wandb", "*run-*/run-*.wandb")
    if path.suffix == ".wandb" or any(log for form in logs for log in path.glob(form)):
        return True
    return next(find_runs(path), None) is None and any(path.rglob("run-*.wandb"))


def _nearest(meant: re.Match[str]) -> str | None:
    """`wandb:entity/project`, as far as that can be told: a page has more after it."""
    parts = [part for part in (meant["short"] or meant["page"] or "").split("/") if part]
    if meant["page"]:
        parts = [parts[0], parts[1], *parts[3:4]] if parts[2:3] == ["groups"] else parts[:2]
    text = f"wandb:{'/'.join(parts)}"
    return text if _WANDB.fullmatch(text) else None
