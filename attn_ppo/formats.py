"""How values are written: plain, spelled, fixed, short_number; columns, cut, printable."""

import hashlib
import json
import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


def plain(number: float) -> str:
    """A number without exponent or trailing zeros: 0, 0.0005, 1.5."""
    text = format(Decimal(repr(number)), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def spelled(value: Any) -> str:
    """A setting's value as one writes it on the command line: null, true, 0.1, softmax."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return plain(value) if isinstance(value, int | float) and math.isfinite(value) else str(value)


def fixed(number: float, digits: int) -> str:
    """A number to so many decimals, halves away from zero as people round: 3.25 -> 3.3."""
    if not math.isfinite(number):
        return str(float(number))
    unit = Decimal(1).scaleb(-digits)
    return format(Decimal(repr(float(number))).quantize(unit, ROUND_HALF_UP), "f")


def short_number(count: float) -> str:
    """A count in three digits: 950, 20k, 2.5M, 1.2G."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * scale:
            return _three_digits(count / scale) + letter
    return _three_digits(count)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines whose cells, one space apart, begin below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [" ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def cut(text: str, most: int) -> str:
    """The text, of one that is longer the beginning and 8 digits of its SHA-256."""
    if len(text) <= most:
        return text
    return f"{text[: most - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def printable(text: object) -> str:
    """The text with `?` for what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def _three_digits(number: float) -> str:
    return plain(float(fixed(number, 2 - Decimal(number).adjusted())))
