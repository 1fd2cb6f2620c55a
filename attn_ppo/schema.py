"""Settings as frozen dataclasses: what a field may hold, and what to say of a value it may not.

A section is a dataclass whose fields are annotated with what they take. A field `lambda_` is the
key `lambda`, which Python's grammar keeps for itself.
"""

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from attn_ppo.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `above` leaves out `low` itself. Never nan or infinite."""

    low: float
    high: float
    above: bool = False

    def __contains__(self, number: float) -> bool:
        return (self.low < number if self.above else self.low <= number) and number <= self.high

    def __str__(self) -> str:
        between = "above {:,.15g}, at most {:,.15g}" if self.above else "from {:,.15g} to {:,.15g}"
        return between.format(self.low, self.high)


@dataclass(frozen=True)
class Matches:
    """Text of one shape, described for people."""

    pattern: str
    description: str


@dataclass(frozen=True)
class OneOf:
    """One of a few names."""

    names: tuple[str, ...]


def names_in(path: Path, variable: str) -> tuple[str, ...]:
    """The keys of the dict that a file assigns to `variable`, read without running the file.

    So the names of variants are known without importing what computes them. Raises LookupError.
    """
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict(keys=keys))
            ):
                if name == variable:
                    return tuple(ast.literal_eval(key) for key in keys if key)
    raise LookupError(f"{path} assigns no dict to {variable}")


def build(cls: type, values: Any, prefix: str = "") -> Any:
    """`cls` from a mapping of its fields' names to raw values, checked field by field."""
    if not isinstance(values, Mapping):
        keys = ", ".join(known_keys(cls, prefix))
        raise ConfigError(prefix.rstrip("."), values, f"a section with the keys {keys}")
    hints = _hints(cls)
    for key in values:
        if key not in hints:
            near = nearest(str(key), hints)
            raise ConfigError(
                prefix + str(key),
                values[key],
                f"one of the keys {', '.join(prefix + name for name in hints)}",
                near and prefix + near,
                wrong="has an unknown key",
            )
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        if name not in values:
            raise ConfigError("", prefix + name, "a value for each key", wrong="is missing")
        key = prefix + name
        field = f"{name}_" if name == "lambda" else name
        nested = _is_section(hint)
        fields[field] = (
            build(hint, values[name], f"{key}.") if nested else _check(key, values[name], hint)
        )
    return cls(**fields)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """The annotations of its fields by key; a sweep's settings ask for them thousands of times."""
    hints = get_type_hints(cls, include_extras=True)
    return {name.rstrip("_"): hint for name, hint in hints.items()}


def check(cls: type, key: str, value: Any) -> Any:
    """`value` as what one key of `cls` takes. Raises ConfigError."""
    return _check(key, value, get_type_hints(cls, include_extras=True)[key])


def known_keys(cls: type, prefix: str = "") -> list[str]:
    """Every key that can be set, dotted."""
    keys: list[str] = []
    for name, hint in get_type_hints(cls).items():
        key = prefix + name.rstrip("_")
        keys += known_keys(hint, f"{key}.") if _is_section(hint) else [key]
    return keys


def choices(cls: type, prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Every key that can be set, dotted, with the names that it may have; () for other values."""
    found: dict[str, tuple[str, ...]] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        key, optional = prefix + name.rstrip("_"), type(None) in get_args(hint)
        if _is_section(hint):
            found |= choices(hint, f"{key}.")
            continue
        inner = _inner(hint) if optional else hint
        names = ("true", "false") if inner is bool else _names(inner)
        found[key] = (*names, *(["null"] if optional else []))
    return found


def meanings(cls: type, prefix: str = "") -> dict[str, tuple[str, str]]:
    """Every key that can be set, dotted, with what it means and what it may be.

    A key's meaning is the text below its field. Raises KeyError for a field without one.
    """
    (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, below in itertools.pairwise(definition.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                texts[name] = " ".join(text.split())
    found: dict[str, tuple[str, str]] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        key, nested = prefix + name.rstrip("_"), _is_section(hint)
        found |= meanings(hint, f"{key}.") if nested else {key: (texts[name], allowed(hint))}
    return found


def allowed(hint: Any) -> str:
    """What a key with this annotation may be, for people."""
    if type(None) in get_args(hint):
        return f"null, or {allowed(_inner(hint))}"
    if hint is bool:
        return "true or false"
    if get_origin(hint) is tuple:
        return "a list such as [first,second]"
    if names := _names(hint):
        return ", ".join(names)
    kind, limits = get_args(hint)
    if kind is str:
        return limits.description
    return f"a {'whole ' if kind is int else ''}number {limits}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else None
        flat.update({f"{prefix}{key}": value} if inner is None else inner)
    return flat


def check_choice(key: str, value: Any, choices: Collection[str], *, allowed: str = "") -> str:
    """`value`, which must be one of `choices`.

    Raises ConfigError with the nearest choice, and with `allowed` in place of a list of them all.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise ConfigError(key, value, allowed or ", ".join(choices), nearest(str(value), choices))


def check_whole(key: str, value: Any, limits: Range) -> int:
    """`value`, which must be an integer within limits, NumPy's included. Raises ConfigError."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        number = int(value)
        if number in limits:
            return number
    raise ConfigError(key, value, f"a whole number {limits}")


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that a mistyped word most likely meant, if any comes close.

    Besides letters that differ: the end of a dotted name (gate), the beginning of a name (grad for
    gradient, ppo.clip for ppo.clip_range), initials (lr for learning_rate), and a name with
    something around it, such as ALE/Pong-v5.
    """
    word = re.sub("[ -]", "_", word.lower()[:80].lstrip("-")).removesuffix("=")
    by_name = {name.lower().lstrip("-").replace("-", "_"): name for name in names}
    of_section = [name for name in by_name if name.startswith(word.partition(".")[0] + ".")]
    last = word.rpartition(".")[2]
    pool = of_section if "." in word and of_section else list(by_name)
    ends = {name: name.rpartition(".")[2] for name in pool}
    initials = {name: "".join(part[:1] for part in end.split("_")) for name, end in ends.items()}
    ways = [
        [name for name in by_name if name == word or name == word.replace("_", "")],
        [name for name, end in ends.items() if end == last],
        [name for name, letters in initials.items() if letters == last and len(last) > 1],
        [name for name in pool if name.startswith(word) and len(word) > 2],
        [
            name
            for name, end in ends.items()
            if end.startswith(last if len(last) > 2 else last + "_")
        ],
        [name for name, end in ends.items() if last.endswith("_" + end)],
        sorted((name for name in pool if len(name) > 3 and name in word), key=len, reverse=True),
        difflib.get_close_matches(word, pool, n=1, cutoff=0.5),
        [name for name in pool if word and name.startswith(word)],
    ]
    return next((by_name[found[0]] for found in ways if found), None)


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def _check(key: str, value: Any, hint: Any) -> Any:
    """`value` as what its annotation says it is, or ConfigError."""
    if type(None) in get_args(hint):
        return None if value is None else _check(key, value, _inner(hint))
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise ConfigError(key, value, allowed(hint))
    if get_origin(hint) is tuple:
        if isinstance(value, list | tuple):
            return tuple(_check(key, item, _inner(hint)) for item in value)
        raise ConfigError(key, value, allowed(hint))
    if names := _names(hint):
        return check_choice(key, value, names)
    return (_text if get_args(hint)[0] is str else _number)(key, value, hint)


def _text(key: str, value: Any, hint: Any) -> str:
    limits: Matches = get_args(hint)[1]
    if isinstance(value, bool | list | dict) or value is None:
        raise ConfigError(key, value, allowed(hint))
    if not re.fullmatch(limits.pattern, str(value)):
        raise ConfigError(key, value, allowed(hint))
    return str(value)


def _number(key: str, value: Any, hint: Any) -> int | float:
    """Whole numbers may be written 1e7 or 10_000_000."""
    kind, limits = get_args(hint)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ConfigError(key, value, allowed(hint))
    if not str(value).isascii():  # float() takes every alphabet's digits
        raise ConfigError(key, value, allowed(hint))
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ConfigError(key, value, allowed(hint)) from None
    if not math.isfinite(number) or number not in limits:
        raise ConfigError(key, value, allowed(hint))
    if kind is float:
        return number + 0.0  # -0.0 becomes 0.0: one identity, one folder
    if number != int(number):
        raise ConfigError(key, value, allowed(hint))
    return int(value) if isinstance(value, int) else int(number)


def _names(hint: Any) -> tuple[str, ...]:
    """The names that a key may have; () for one that takes other values."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    limits = get_args(hint)[-1] if get_args(hint) else None
    return limits.names if isinstance(limits, OneOf) else ()


def _inner(hint: Any) -> Any:
    """What a list has, or what an optional value is where it isn't null."""
    return next(arg for arg in get_args(hint) if arg not in (type(None), ...))
