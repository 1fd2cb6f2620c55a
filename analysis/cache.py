"""Tables that were read before, as Parquet beside their CSV: `.metrics.parquet`.

What was kept counts only while the CSV is the very file that it was read from: of the same size,
inode and times, which were seconds old when it was read. A kept table that is anything but whole,
or can't be written, costs no more than reading the CSV again.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import files

SMALLEST = 100_000  # bytes of a CSV; a smaller one is read as fast as what would be kept of it
# Nanoseconds that a CSV must have been at rest. A later write then has a later time, whatever the
# clock's ticks: a file system's are of up to 2 s (FAT). Within a tick it could be missed.
AT_REST = 4 * 10**9
KEY = b"attn_ppo"  # among the file's metadata
# Columns are compressed byte by byte of their floats, to half of what the CSV takes.
FORM = {"compression": "lz4", "use_dictionary": False, "use_byte_stream_split": True}
CODE = hashlib.sha256(
    b"".join(Path(file).read_bytes() for file in (files.__file__, __file__))
).hexdigest()


def read_table(
    path: Path, required: Sequence[str], columns: Sequence[str] | None = None
) -> tuple[pd.DataFrame, bool]:
    """What `files.read_table` returns for a CSV, of which columns only those asked for, or all.

    Required ones are always there. Raises as that does.
    """
    before = _identity(path)
    table, torn = _kept(path, before, required, columns) if before else (None, False)
    if table is not None:
        return table, torn
    table, torn = files.read_table(path, tuple(required))
    if before:
        _keep(path, before, table, torn)
    chosen = _chosen(map(str, table.columns), required, columns)
    return table.loc[:, chosen], torn


def kept_path(path: Path) -> Path:
    """Where the table of a CSV is kept."""
    return path.with_name(f".{path.stem}.parquet")


def _chosen(
    there: Iterable[str], required: Sequence[str], columns: Sequence[str] | None
) -> list[str]:
    return [name for name in there if columns is None or name in columns or name in required]


def _identity(path: Path) -> tuple[int, ...] | None:
    """Size, inode and times of a file that is large enough to be kept.

    Of an open one: a network file system asks its server only then.
    """
    try:
        with open(path, "rb") as file:
            facts = os.fstat(file.fileno())
    except OSError:
        return None
    if facts.st_size < SMALLEST:
        return None
    return facts.st_size, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns


def _key(identity: Sequence[int], torn: bool) -> bytes:
    return f"{CODE} {' '.join(map(str, identity))} {'torn' if torn else 'whole'}".encode()


def _kept(
    path: Path, identity: Sequence[int], required: Sequence[str], columns: Sequence[str] | None
) -> tuple[pd.DataFrame | None, bool]:
    """The table and whether its last line was torn; None where it isn't kept, or not any more."""
    try:
        with pq.ParquetFile(kept_path(path), page_checksum_verification=True) as file:
            key = (file.schema_arrow.metadata or {}).get(KEY)
            names = file.schema_arrow.names
            keys = {_key(identity, torn): torn for torn in (False, True)}
            if key not in keys or not set(required) <= set(names):
                return None, False
            table = file.read(_chosen(names, required, columns), use_threads=False)
    except (OSError, ValueError, pa.ArrowException):
        return None, False
    return pd.DataFrame({name: table[name].to_numpy() for name in table.column_names}), keys[key]


def _keep(path: Path, identity: Sequence[int], table: pd.DataFrame, torn: bool) -> None:
    """Keeps a table, all of it or nothing, if its CSV has been at rest."""
    pending = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}.pending")
    with contextlib.suppress(OSError, pa.ArrowException):
        try:
            with open(pending, "xb") as file:
                now = os.fstat(file.fileno()).st_mtime_ns  # by the clock of the CSV's times
                if now - max(identity[2:]) <= AT_REST:
                    return
                file.write(_as_parquet(table, _key(identity, torn)))
            os.replace(pending, kept_path(path))
        finally:
            pending.unlink(missing_ok=True)


def _as_parquet(table: pd.DataFrame, key: bytes) -> bytes:
    arrays = {str(name): pa.array(table[name].to_numpy()) for name in table}
    stored = pa.table(arrays).replace_schema_metadata({KEY: key})
    buffer = pa.BufferOutputStream()
    pq.write_table(stored, buffer, write_page_checksum=True, write_statistics=False, **FORM)
    return buffer.getvalue().to_pybytes()
