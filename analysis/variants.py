"""Which runs may be averaged: those that differ in nothing but their seed.

Runs of one game and lambda may differ in other settings, total_steps among them. Each combination
of these is a variant, with a row, curve and mark of its own, named by the keys in which it differs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.formats import plain

# What has an axis or a row of its own, and the sweep's name, which is no setting.
APART = ("env", "lambda", "seed", "name")
Settings = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, order=True)
class Variant:
    """`number` counts from 0, the variant of most runs; `name` is empty where it is the only one.

    It is named by all keys in which any differs: `ppo.learning_rate=0.001 total_steps=1000000`.
    """

    number: int = 0
    name: str = ""

    @property
    def letter(self) -> str:
        """A, B, ... to mark it in a figure; empty where it is the only one."""
        if not self.name:
            return ""
        return ascii_uppercase[self.number] if self.number < 26 else str(self.number + 1)


ONLY = Variant()


def settings_of(run: RunConfig) -> Settings:
    """The settings, by dotted key, that two runs of one variant share."""
    return tuple((key, value) for key, value in config.identity(run).items() if key not in APART)


def variants_of(runs: Sequence[RunConfig]) -> list[Variant]:
    """The variant of each run among all of them.

    Only keys count in which runs of one game differ: those of different games share no mean.
    """
    keys = _differing_keys(runs)
    kinds = [tuple(each for each in settings_of(run) if each[0] in keys) for run in runs]
    ordered = [dict(kind) for kind, _ in Counter(kinds).most_common()]  # equally many: the first
    if len(ordered) < 2:
        return [ONLY] * len(runs)
    variants = []
    for number, kind in enumerate(ordered):
        variants.append(Variant(number, " ".join(f"{k}={_text(v)}" for k, v in kind.items())))
    return [variants[ordered.index(dict(kind))] for kind in kinds]


def _differing_keys(runs: Sequence[RunConfig]) -> set[str]:
    """The keys that have several values among the runs of some game."""
    values: dict[tuple[str, str], set[Any]] = {}
    for run in runs:
        for key, value in settings_of(run):
            values.setdefault((run.env, key), set()).add(value)
    return {key for (_, key), found in values.items() if len(found) > 1}


def _text(value: Any) -> str:
    """A value as on the command line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return plain(value) if isinstance(value, int | float) else str(value)
