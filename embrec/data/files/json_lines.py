"""Reads JSON lines: a text file with one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from embrec.data.files.columns import RATINGS, Naming, row_columns
from embrec.data.files.delimited import LONGEST_ROW_SHOWN, read_blocks
from embrec.data.files.validate import RawRows
from embrec.data.rejects import RejectedRow

# Numbers stay as they are written: a float would change ids beyond 2**53.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class Objects(NamedTuple):
    """The objects of some lines.

    Attributes:
        rows: The number of each line, and its object; the numbers in it are text.
        keys: All their keys, by first appearance.
        rejected: Lines that are no object.
    """

    rows: list[tuple[int, dict[str, Any]]]
    keys: list[str]
    rejected: list[RejectedRow]


def is_json(beginning: bytes) -> bool:
    """Check whether a file that begins so has JSON objects."""
    return beginning.lstrip().startswith(b"{")


def read_objects(name: str, data: bytes, first: int) -> Objects:
    """Return the objects of some whole lines, of which the first has the number ``first``; blank lines are skipped."""
    found = Objects([], [], [])
    keys: dict[str, None] = {}
    for line, text in enumerate(data.removesuffix(b"\n").split(b"\n"), first):
        if not text.strip():
            continue
        row = _object(text)
        if row is None:
            shown = text[:LONGEST_ROW_SHOWN].decode("utf-8", "replace")
            found.rejected.append(RejectedRow(name, line, "(row)", "no JSON object on its line", shown))
        else:
            keys.update(dict.fromkeys(row))
            found.rows.append((line, row))
    found.keys.extend(keys)
    return found


def read_json_rows(path: Path, naming: Naming, progress: Callable[[float], None]) -> Iterator[RawRows]:
    """Read ratings or events block by block; the first block's keys are the file's header.

    Raises:
        DataError: The file cannot be read, or has no such keys.
    """
    names: dict[str, str] = {}
    first = 1
    for data in read_blocks(path, progress):
        found = read_objects(str(path), data, first)
        first += data.count(b"\n")
        if found.rows:
            names = names or row_columns(found.keys, naming, path)
        yield _raw_rows(path, found, names)


def _raw_rows(path: Path, found: Objects, names: Mapping[str, str]) -> RawRows:
    """Return the rows whose values are text, numbers or null; others are rejected."""
    rejected, kept = list(found.rejected), []
    for line, row in found.rows:
        values = {column: row.get(name) for column, name in names.items()}
        wrong = next((column for column, value in values.items() if not isinstance(value, str | None)), None)
        if wrong is None:
            kept.append((line, values))
        else:
            reason = f"{type(values[wrong]).__name__} where text or a number is expected"
            rejected.append(RejectedRow(str(path), line, wrong, reason, json.dumps(row)[:LONGEST_ROW_SHOWN]))
    arrays = {
        column: pa.array([_encoded(values[column]) for _, values in kept], pa.binary())
        for column in names or RATINGS.needed
    }
    return RawRows(str(path), arrays, np.array([line for line, _ in kept], np.int64), rejected)


def _encoded(value: str | None) -> bytes:
    # Half a surrogate pair is encoded too, because the check of the row then names it.
    return b"" if value is None else value.encode("utf-8", "surrogatepass")


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = _DECODER.decode(text.decode("utf-8-sig").strip())
    except (ValueError, RecursionError):  # of bytes that are no UTF-8 too
        return None
    return found if isinstance(found, dict) else None
