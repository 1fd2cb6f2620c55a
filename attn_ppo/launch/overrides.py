"""Parses and checks single arguments `key=value` of the command line, in Hydra's grammar.

Hydra allows more than we want: new keys, interpolations that print the environment, endless
ranges, classes to call. `parse` refuses all of these.
"""

import fnmatch
import functools
import math
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep, Sweep
from hydra.errors import HydraException

from attn_ppo import config, schema
from attn_ppo.errors import ConfigError, shorten
from attn_ppo.launch.conf_files import groups

MAX_RUNS = 10_000  # of one sweep
LAUNCHER, SWEEPER = "hydra.launcher.", "hydra.sweeper."  # what may be set of Hydra's own keys
SWEEPERS = "hydra/sweeper"  # and of its groups
_MAX_LENGTH, _MAX_BRACKETS = 5_000, 100  # Hydra's parser takes seconds for more
_LEAVES = schema.known_keys(config.RunConfig)
_TEXTS = ("name", "root", "init_from", "wandb.project", "wandb.entity")
_PATHS = ("root", "init_from")
_PER_SWEEP = ("engine", "experiment")  # groups that Hydra reads once, before it makes the grid
_INTERPOLATION = re.compile(r"\$\{([a-z_.]+)\}")


def keys() -> list[str]:
    """All keys, those in sections last; without the launcher's, which depend on the engine."""
    return [
        *(key for key in _LEAVES if "." not in key),
        *groups(),
        *(key for key in _LEAVES if "." in key),
    ]


def axis_keys() -> list[str]:
    """The keys that can have a level of their own in a run's folder: what decides its training.

    Those of `groups` whose options are settings, too. Not env, lambda and seed: they have one.
    """
    others = ("env", "lambda", "seed", "name", "init_sha256", *_PER_SWEEP)
    ours = (key for key in keys() if config.is_identity(key) or key == "init_from")
    return [key for key in ours if key not in others]


def parse(text: str, own: Path | None = None) -> Override:
    """One `key=value` with a known key and a plain value, or with a sweep's list of values.

    `own` is the user's folder of settings. Raises ConfigError. Does not check whether the key can
    have that value, nor the keys of Hydra's launcher and sweeper.
    """
    key, equals, value = text.partition("=")
    if not key or not equals or text.startswith(("+", "~")):
        _refuse_form(text, key)
    _check_key(key, value)
    if len(value) > _MAX_LENGTH or sum(map(value.count, "([{")) > _MAX_BRACKETS:
        allowed = f"{_MAX_LENGTH:,} characters, {_MAX_BRACKETS} brackets at most"
        allowed += "; range(0,100) is a hundred values"
        raise ConfigError(key, value, allowed, wrong="is too long")
    if key in _PATHS:
        text = f"{key}={_as_paths(value)}"
    try:
        override = _parser().parse_override(text)
        inside = list(parts(override.value()))
        if any(isinstance(part, Sweep) for part in inside[1:]):
            raise HydraException
    except (HydraException, ValueError, RecursionError):
        allowed = "a value in Hydra's grammar; quote special characters, for the shell as well"
        raise ConfigError(key, value, allowed, wrong="can't be parsed") from None
    texts = [value, *(part for part in inside if isinstance(part, str))]
    check_interpolations(key, value, texts)
    if isinstance(override.value(), Glob):
        return _matching(override, own)
    if key in groups():
        _check_options(override, own)
    if altered := _altered_texts(key, value, inside):
        read = shorten(altered[0])
        allowed = f"text; this reads as {read}, quote it, for the shell as well: \"'...'\""
        raise ConfigError(key, value, allowed)
    return override


def check_interpolations(key: str, value: str, texts: list[str]) -> None:
    """Raises ConfigError for an interpolation of anything but another key of ours.

    `value` is the whole value; what follows a $ in it isn't shown: it may name a secret.
    """
    for text in texts:
        known = [name for name in _INTERPOLATION.findall(text) if name in _LEAVES]
        if text.count("${") > len(known) or "\\$" in text or text == "???" or "${" in key:
            plain, dollar, _ = value.partition("$")
            shown = plain + ("${...}" if dollar else "")
            allowed = "a plain value, or with ${<key>} that of another key, such as ${lambda}"
            raise ConfigError(key, shown, allowed)


def count(override: Override) -> int:
    """The number of values of an override in a sweep, counted without making them."""
    swept = override.value()
    if not override.is_sweep_override():
        return 1
    try:
        if isinstance(swept, ChoiceSweep):
            return len(swept.list)
        if isinstance(swept, RangeSweep):
            steps: Any = swept.range()
            if isinstance(steps, range):
                return len(steps)
            return max(0, math.ceil((steps.stop - steps.start) / steps.step))
    except (ValueError, ArithmeticError):  # nan, infinite, a step of 0
        pass
    raise error(override, "values with commas between, or range(start,stop,step)")


def as_hydra_takes_it(override: Override) -> str:
    """The argument for Hydra, with a sweep's values spelled out: its own ranges go wrong."""
    if not isinstance(override.value(), ChoiceSweep):
        return override.input_line or ""
    values = ",".join(override.sweep_string_iterator())
    return f"{override.get_key_element()}={values}"


def quoted(text: str) -> str:
    """A text as Hydra's grammar takes any."""
    escaped = re.sub(r"(\\*)(?='|$)", r"\1\1", text)
    return "'" + escaped.replace("'", "\\'") + "'"


def _as_paths(value: str) -> str:
    """Paths with commas between, or a folder's whole name, as Hydra takes them: ~ and = as well.

    What has quotes or brackets is left to its grammar, but for ~.
    """
    home = str(Path.home())
    value = re.sub("(^|,)~(?=/|$)", lambda found: found[1] + home, value)
    if re.search("['\"(\\[{]", value):
        return value
    paths = [value] if os.path.exists(value) else value.split(",")
    return ",".join(path if path in ("", "null") else quoted(path) for path in paths)


def parts(value: Any) -> Iterator[Any]:
    """A value and all that is inside it: elements of lists, keys and values of mappings."""
    yield value
    inside = [*value.keys(), *value.values()] if isinstance(value, Mapping) else value
    inside = getattr(inside, "list", inside)  # of a sweep
    for part in inside if isinstance(inside, list) else []:
        yield from parts(part)


def error(
    override: Override, allowed: str, nearest: str | None = None, **wrong: str
) -> ConfigError:
    """The ConfigError for an override, with its key and value as they were typed."""
    key, _, value = (override.input_line or "").partition("=")
    return ConfigError(key, value, allowed, nearest, **wrong)


@functools.cache
def _parser() -> OverridesParser:
    """Hydra's, but for `range` and `shuffle`."""
    parser = OverridesParser.create()
    known = parser.functions.functions
    known |= {"range": _range, "shuffle": functools.partial(_shuffle_once, known["shuffle"])}
    return parser


def _range(start: Any, stop: Any = None, step: Any = 1) -> ChoiceSweep | RangeSweep:
    """The numbers from start to below stop, exact to the digits that were typed.

    Hydra sorts a range by swapping its ends: sort(range(2,10,3),reverse=true) gives 7, 4, 1 in
    place of 8, 5, 2. And it adds binary fractions up: range(0,1,0.1) has 0.7000000000000001 in it.
    A range that is endless or too long is left as it is, for `count` to refuse.
    """
    start, stop = (0, start) if stop is None else (start, stop)
    unlisted = RangeSweep(start=start, stop=stop, step=step)
    try:
        first, end, by = (Decimal(str(number)) for number in (start, stop, step))
        length = max(0, math.ceil((end - first) / by))
    except (ValueError, ArithmeticError):
        return unlisted
    if length > MAX_RUNS:
        return unlisted
    kind = int if all(isinstance(number, int) for number in (start, stop, step)) else float
    return ChoiceSweep(list=[kind(first + by * index) for index in range(length)])


def _shuffle_once(shuffle: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Hydra's, drawn at once: what is checked is what is run, in that order."""
    shuffled = shuffle(*args, **more)
    if isinstance(shuffled, ChoiceSweep):
        shuffled.list, shuffled.shuffle = random.sample(shuffled.list, len(shuffled.list)), False
    return shuffled


def _altered_texts(key: str, value: str, inside: list[Any]) -> list[Any]:
    """What was typed as text and is read as a number of another spelling, or as true or false."""
    numbers = [part for part in inside if isinstance(part, int | float)]
    if key == "wandb.tags":
        return [number for number in numbers if not re.search(rf"\b{number}\b", value)]
    return [n for n in numbers[:1] if key in _TEXTS and str(n) != value.strip()]


def _refuse_form(text: str, key: str) -> NoReturn:
    verb = {"+": "added (+)", "~": "removed (~)"}.get(text[:1])
    allowed = f"key=value; keys can't be {verb}" if verb else "key=value, such as env=Pong"
    bare = key.lstrip("+~").partition("@")[0]
    shown = text or "an empty argument"
    near = f"{bare}=<value>" if bare in keys() else schema.nearest(bare, keys())
    raise ConfigError("", shown, allowed, near, wrong="is not of the form key=value")


def _check_key(key: str, value: str) -> None:
    if key in keys() or key.startswith((LAUNCHER, SWEEPER)):
        return
    if key == SWEEPERS or re.fullmatch(rf"{SWEEPERS}/[a-z_]+", key):
        return
    if key.startswith(("hydra.", "hydra/")):
        allowed = f"of Hydra's keys only {LAUNCHER}*, {SWEEPER}* and {SWEEPERS}; engine= picks "
        allowed += "the launcher, root= and name= the folder"
        raise ConfigError(key, value, allowed)
    siblings = [leaf for leaf in _LEAVES if leaf.startswith(key.split(".")[0] + ".")]
    sections = dict.fromkeys(k if "." not in k else k.split(".")[0] + ".*" for k in keys())
    allowed = "one of the keys " + ", ".join(siblings or sections)
    near = schema.nearest(key, keys())
    raise ConfigError(key, value, allowed, near, wrong="has an unknown key")


def _matching(override: Override, own: Path | None) -> Override:
    """`group=glob(...)` as the choice of its matching options. Raises ConfigError."""
    group, wanted = override.key_or_group, override.value()
    assert isinstance(wanted, Glob)
    if group not in groups():
        raise error(override, f"a glob only of a group: {', '.join(groups())}")
    options = [
        name
        for name in groups(own)[group]
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.include)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.exclude)
    ]
    if not options:
        raise error(override, ", ".join(groups(own)[group]), wrong="matches none")
    return parse(f"{group}=choice({','.join(options)})", own)


def _check_options(override: Override, own: Path | None) -> None:
    """Raises ConfigError unless the chosen options of a group exist."""
    group, known = override.key_or_group, groups(own)[override.key_or_group]
    chosen = [override.value()]
    if override.is_sweep_override():
        if group in _PER_SWEEP:
            allowed = f"one of {', '.join(known)} for the whole sweep"
            raise error(override, allowed, wrong="has several values")
        if not isinstance(override.value(), ChoiceSweep):
            raise error(override, f"{', '.join(known)}, with commas between in a sweep")
        chosen = list(override.sweep_string_iterator())
    for name in map(str, chosen):
        schema.check_choice(group, name, known)
