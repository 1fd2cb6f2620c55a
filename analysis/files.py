"""Reading one file of a run that may have been killed, or may still be writing."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def read_table(path: Path, required: tuple[str, ...]) -> tuple[pd.DataFrame, bool]:
    """A CSV of numbers without a torn last line, and whether there was one.

    Raises ValueError for a missing file or column, or for anything but a number in the required
    columns. Only `env_steps` may not be empty.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"no {path.name}") from None
    whole, torn = _whole_lines(text)
    if not whole.strip():
        raise ValueError(f"{path.name} is empty")
    try:
        table = pd.read_csv(io.BytesIO(whole))
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    missing = [name for name in required if name not in table]
    if missing:
        plural = "s" * (len(missing) > 1)
        raise ValueError(f"{path.name} lacks the column{plural} {', '.join(missing)}")
    for name in required:
        table[name] = _numbers(table, name, path)
    return table, torn


def read_json(path: Path, required: tuple[str, ...]) -> dict[str, Any] | None:
    """The object in a JSON file, None without a file. Raises ValueError for anything else."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} can't be read ({error})") from None
    missing = [key for key in required if not isinstance(values, dict) or key not in values]
    if missing:
        raise ValueError(f"{path.name} has no {', '.join(missing)}")
    return values


def column(table: pd.DataFrame, name: str) -> np.ndarray:
    """One column as floats (rows,)."""
    return np.asarray(table[name], dtype=float)


def _whole_lines(text: bytes) -> tuple[bytes, bool]:
    """The lines that end in a newline and have as many fields as the header; whether one went.

    A table has megabytes: they are copied once.
    """
    end = max(text.rfind(b"\n"), 0)
    header_end = text.find(b"\n", 0, end)
    if header_end < 0:  # no row
        return text[:end], bool(text[end:].strip())
    last_begins = text.rfind(b"\n", 0, end) + 1
    last, commas = text[last_begins:end], text.count(b",", 0, header_end)
    if last.count(b",") < commas and (last.strip() or text[header_end:end].strip()):
        return text[: max(last_begins - 1, header_end + 1)], True
    return text[:end], bool(text[end:].strip())


def _numbers(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    given = table[name]
    if given.dtype.kind in "iuf":
        numbers = np.asarray(given, dtype=float)
        empty = np.isnan(numbers)
    else:
        numbers = np.asarray(pd.to_numeric(given, errors="coerce"), dtype=float)
        empty = np.asarray(pd.isna(given))
    bad = np.isnan(numbers) & (~empty | (name == "env_steps"))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{path.name} line {row + 2}: {name} is {given.to_list()[row]!r}, not a number"
        )
    return numbers
