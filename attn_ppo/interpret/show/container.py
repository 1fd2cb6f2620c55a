"""A header and arrays packed into one block of bytes for a page: web/FORMAT.md describes it."""

import base64
import gzip
import json
from typing import Any

import numpy as np

TYPES = {
    "uint8": "u8",
    "int8": "i8",
    "uint16": "u16",
    "int16": "i16",
    "float16": "f16",
    "float32": "f32",
}
ALIGN = 8


class Container:
    """Collects arrays; `add` returns where each is, `text` the whole block."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray, *, delta: bool = False) -> dict[str, Any]:
        """Adds an array of one of TYPES; returns its description for the header.

        With `delta` each item along the first axis is XORed with the one before it, so that what
        does not change compresses to almost nothing.
        """
        if delta:
            array = np.concatenate([array[:1], array[1:] ^ array[:-1]])
        data = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        about = {
            "type": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "offset": self._size,
            "delta": delta,
        }
        self._parts.append(_padded(data))
        self._size += len(self._parts[-1])
        return about

    def text(self, header: dict[str, Any]) -> str:
        """Base64 of gzip of everything: letters, digits, '+', '/' and '='. Equal for equal data."""
        head = json.dumps(header, allow_nan=False).encode()
        block = _padded(len(head).to_bytes(4, "little") + head) + b"".join(self._parts)
        return base64.b64encode(gzip.compress(block, compresslevel=9, mtime=0)).decode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGN)
