"""What tells runs apart beside game, lambda and seed: their variants.

Runs of one game and lambda may differ in other settings, total_steps among them. Each combination
of these is a variant, with a row, curve and mark of its own, named by the keys in which it differs.
Only runs of one variant are averaged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Protocol

from attn_ppo import config
from attn_ppo.config import RunConfig
from attn_ppo.formats import spelled

# What has an axis or a row of its own, and the sweep's name, which is no setting.
APART = ("env", "lambda", "seed", "name")
NO_ATTENTION = "attention.gate=none"
Settings = tuple[tuple[str, Any], ...]


class HasAxes(Protocol):
    """A run of which at least the axes are known, as of one that is planned."""

    @property
    def axes(self) -> Sequence[str]:
        """What a folder names besides game, lambda and seed, `key=value` each."""
        ...


@dataclass(frozen=True, order=True)
class Variant:
    """`number` counts from 0, in the order of the values; no settings where it is the only one.

    `settings` are all keys in which any differs, each as `key=value` on a command line.
    """

    number: int = 0
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`ppo.learning_rate=0.001 total_steps=1000000`; empty where it is the only one."""
        return " ".join(self.settings)

    @property
    def values(self) -> dict[str, str]:
        """The settings by key, dotted, or a group's name."""
        return dict(text.split("=", 1) for text in self.settings)

    @property
    def short(self) -> str:
        """The name for where there is little room: `learning_rate=0.001 total_steps=1000000`."""
        return short(self.settings)

    @property
    def letter(self) -> str:
        """A, B, ... to point at it; empty where it is the only one."""
        return letter(self.number) if self.settings else ""


ONLY = Variant()


def short(settings: Iterable[str]) -> str:
    """Texts `key=value` without their sections: `gate=none clip_range=0.1 regularizer=entropy`."""
    return " ".join(
        text.replace(".name=", "=") if ".name=" in text else _last_part(text) for text in settings
    )


def letter(number: int) -> str:
    """A, B, ... Z, AA, AB, ... of 0, 1, ..."""
    tens, ones = divmod(number, len(ascii_uppercase))
    return (ascii_uppercase[tens - 1] if tens else "") + ascii_uppercase[ones]


def settings_of(run: RunConfig) -> Settings:
    """The settings, by dotted key, that two runs of one variant share."""
    return tuple((key, value) for key, value in config.identity(run).items() if key not in APART)


def variants_of(runs: Sequence[RunConfig]) -> list[Variant]:
    """The variant of each run among all of them.

    Only keys count in which runs of one game differ: those of different games share no mean.
    """
    every = [dict(settings_of(run)) for run in runs]
    keys = _differing_keys(runs, every)
    kinds = [tuple(settings[key] for key in keys) for settings in every]
    ordered = sorted(set(kinds), key=lambda kind: list(map(rank, kind)))
    if len(ordered) < 2:
        return [ONLY] * len(runs)
    names = _names(runs, every, keys)
    return [Variant(ordered.index(kind), name) for kind, name in zip(kinds, names, strict=True)]


def apart(runs: Sequence[HasAxes]) -> list[dict[str, str]]:
    """By key, in what each of these runs differs from others beside game, lambda and seed.

    Values are as on a command line. Of a run that isn't more than planned only the axes are known.
    """
    known = [run for run in runs if isinstance(run, RunConfig)]
    variants = dict(zip(map(id, known), variants_of(known), strict=True))
    told, keys = [], {key: None for variant in variants.values() for key in variant.values}
    for run in runs:
        values = {key: value for key, _, value in (axis.partition("=") for axis in run.axes)}
        if isinstance(run, RunConfig):
            settings = Variant(settings=tuple(_text(*each) for each in settings_of(run)))
            values = settings.values | values | variants[id(run)].values
        else:
            keys |= dict.fromkeys(values)
        told.append(values)
    differing = [key for key in sorted(keys) if len({each.get(key, "") for each in told}) > 1]
    return [{key: each.get(key, "") for key in differing} for each in told]


def rank(value: Any) -> tuple[bool, float, str]:
    """Orders values of one key, or their texts: numbers by size, before other text."""
    try:
        return False, float(value), ""
    except (TypeError, ValueError):
        return True, 0, str(value)


def _differing_keys(runs: Sequence[RunConfig], every: Iterable[dict[str, Any]]) -> list[str]:
    """The keys, in alphabetical order as in a run's path, with several values in some game."""
    values: dict[str, dict[str, set[Any]]] = {}
    for run, settings in zip(runs, every, strict=True):
        for key, value in settings.items():
            values.setdefault(key, {}).setdefault(run.env, set()).add(value)
    found = [key for key, games in values.items() if any(len(v) > 1 for v in games.values())]
    return sorted(found)


def _names(
    runs: Sequence[RunConfig], every: Sequence[dict[str, Any]], keys: Sequence[str]
) -> list[tuple[str, ...]]:
    """The settings of each run's variant, `key=value`.

    Several keys of a section are named by the section's option, `protocol=machado`, where all runs
    say which they have and each option has its own values.
    """
    texts = [{key: _text(key, settings[key]) for key in keys} for settings in every]
    for section in dict.fromkeys(key.partition(".")[0] for key in keys if "." in key):
        within = [key for key in keys if key.startswith(f"{section}.")]
        options = [_option(run, section) for run in runs]
        values = [tuple(settings[key] for key in within) for settings in every]
        pairs = set(zip(options, values, strict=True))
        if len(within) > 1 and all(options) and len(set(options)) == len(set(values)) == len(pairs):
            for text, option in zip(texts, options, strict=True):
                text |= dict.fromkeys(within, option)
    return [tuple(dict.fromkeys(text.values())) for text in texts]


def _option(run: RunConfig, section: str) -> str:
    """`protocol=machado`, empty where the run doesn't say which option of a group it has."""
    return next((axis for axis in run.axes if axis.partition("=")[0] == section), "")


def _last_part(text: str) -> str:
    key, _, value = text.partition("=")
    return f"{key.rpartition('.')[2]}={value}"


def _text(key: str, value: Any) -> str:
    """`key=value` as on the command line, and as in axes: `init_from=<first digits>`."""
    if key == "init_sha256":
        return f"init_from={(value or 'null')[:8]}"
    return f"{key}={spelled(value)}"
