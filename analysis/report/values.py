"""What the page's tables, sections and links are made of, as plain values."""

import base64
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attn_ppo.formats import fixed

Value = dict[str, Any]


def number(value: float, digits: int = 5) -> float | None:
    """The number to so many digits that count; None where it isn't finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def rounded(value: float) -> str:
    """`131`, `11.9`, `4.27`; `-` where nan: as in the score table."""
    if math.isnan(value):
        return "-"
    return fixed(value, 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2)


def cell(text: object, value: float | None = None, **more: str) -> Value:
    """A table's cell; `value` is the number behind the text, as a CSV of ours has it."""
    known = {} if value is None else {"value": "" if math.isnan(value) else f"{value:.8g}"}
    return {"text": str(text), **known, **more}


def column(key: str, title: str, about: str = "", *, left: bool = False) -> Value:
    """A table's column; `about` is shown where one points at its head."""
    return {"key": key, "title": title, "about": about, "left": left}


def table(columns: Sequence[Value], rows: Iterable[Sequence[Value]], caption: str = "") -> Value:
    """A block of a section; columns of which no row has anything are left out."""
    lines = [list(row) for row in rows]
    kept = [n for n in range(len(columns)) if any(line[n]["text"] for line in lines)]
    inner = {
        "columns": [columns[n] for n in kept],
        "rows": [[line[n] for n in kept] for line in lines],
    }
    return {"kind": "table", "table": inner, "caption": caption}


def pairs(names: Iterable[tuple[str, str]], caption: str) -> Value:
    """Names with a value each, close together."""
    return {"kind": "pairs", "pairs": [list(each) for each in names], "caption": caption}


def text(words: str) -> Value:
    """A paragraph."""
    return {"kind": "text", "text": words}


def items(lines: Iterable[str], caption: str = "", *, quiet: bool = False) -> Value:
    """A list of sentences; notes are `quiet`."""
    return {"kind": "list", "items": list(lines), "caption": caption, "quiet": quiet}


def section(key: str, title: str, blocks: Iterable[Value], *, folded: bool = False) -> Value:
    """A part of the page with a heading; folded until it is opened or printed."""
    return {"id": key, "title": title, "folded": folded, "blocks": list(blocks)}


def link(path: Path, out: Path) -> str:
    """The address of a file as it is written in the page at `out`."""
    return quote(os.path.relpath(path.resolve(), out.resolve().parent).replace(os.sep, "/"))


def pictures(path: Path, out: Path, shows: str) -> list[Value]:
    """A figure with its bytes and a link to its file, which `shows` says in words; [] without it.

    Raises OSError where it can't be read.
    """
    if not path.is_file():
        return []
    data = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return [{"kind": "picture", "text": shows, "href": link(path, out), "data": data}]


def shown_path(path: Path, root: Path) -> str:
    """The path below `root`, else the last parts of it: no page tells where one's home is."""
    try:
        return str(path.resolve().relative_to(root.resolve())) or "."
    except ValueError:
        return str(Path(*path.parts[-4:]))
