"""Small text files that describe movies or users: read whole, split, and checked."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from embrec.data.files.delimited import compression, csv_reader, require_text, split_header, unreadable
from embrec.data.files.json_lines import is_json, read_objects
from embrec.errors import BadRowError, DataError
from embrec.validation import LONGEST_ID_BYTES


def split_lines(path: Path, separator: str, *counts: int) -> Iterator[tuple[int, list[str]]]:
    """Each line that has anything in it: its number, and its fields.

    Raises:
        BadRowError: A line has not as many fields as the first, or the first has none of ``counts``.
        DataError: The file cannot be read, or is no text.
    """
    for number, line in enumerate(_whole_text(path).split("\n"), 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split(separator)
        if len(fields) not in counts:
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where {counts[-1]} are expected")
        counts = (len(fields),)
        yield number, fields


def read_rows(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """The header of a file, then its rows, each with the number of the line that it ends on.

    Args:
        path: A CSV file, with any separator that ratings may have, or JSON lines. Values are text; in JSON they may
            also be None, lists and objects.

    Raises:
        BadRowError: A row has not as many fields as the header, a quote does not end, or a line is no JSON object.
        DataError: The file cannot be read, or is no text.
    """
    text = _whole_text(path)
    if is_json(text.lstrip()[:1].encode()):
        objects = read_objects(str(path), text.encode("utf-8", "surrogatepass"), 1)
        if objects.rejected:
            raise BadRowError(str(path), objects.rejected[0].line, "(row)", objects.rejected[0].reason)
        yield 1, objects.keys
        yield from ((line, [row.get(key) for key in objects.keys]) for line, row in objects.rows)
        return
    first = text.partition("\n")[0].rstrip("\r")
    header, separator = split_header(path, first.encode("utf-8", "surrogatepass")) if first.strip() else ([], b",")
    reader = csv_reader(text, separator)
    try:
        yield 1, next(reader, [])
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                reason = f"{len(fields)} columns where {len(header)} are expected"
                raise BadRowError(str(path), reader.line_num, "(row)", reason)
            yield reader.line_num, fields
    except csv.Error as error:
        raise BadRowError(str(path), reader.line_num, "(row)", str(error)) from error


def _whole_text(path: Path) -> str:
    """The text of a file: UTF-8, or latin-1 as GroupLens wrote the older ones."""
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=compression(path)) as stream:
            data = bytes(stream.read())
    except FileNotFoundError as error:
        raise DataError(f"The file {path} cannot be read: {error.strerror}. Check the path.") from error
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    require_text(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def why_no_id(value: object) -> str | None:
    """Return the reason why a value cannot be an external id, or None."""
    if reason := why_no_text(value):
        return reason
    if not value:
        return "empty"
    return f"longer than {LONGEST_ID_BYTES} bytes" if len(str(value).encode()) > LONGEST_ID_BYTES else None


def why_no_text(value: object) -> str | None:
    """Return the reason why a value cannot be stored as text, or None."""
    if not isinstance(value, str):
        return f"{type(value).__name__} where text is expected"
    if "\0" in value:
        return "contains a NUL character"
    return "contains half a surrogate pair" if re.search("[\ud800-\udfff]", value) else None
