"""Small text files that describe movies or users: read whole, split, and checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from embrec.data.files.delimited import require_text
from embrec.errors import BadRowError, DataError
from embrec.validation import LONGEST_ID_BYTES


def split_lines(path: Path, separator: str, count: int) -> Iterator[tuple[int, list[str]]]:
    """Each line that has anything in it: its number, and its fields.

    Raises:
        BadRowError: A line has not ``count`` fields.
        DataError: The file cannot be read, or is no text.
    """
    for number, line in enumerate(_whole_text(path).split("\n"), 1):
        if not line.strip():
            continue
        fields = line.rstrip("\r").split(separator)
        if len(fields) != count:
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where {count} are expected")
        yield number, fields


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The header of a CSV file, then its rows, each with the number of the line that it ends on.

    Raises:
        BadRowError: A row has not as many fields as the header, or a quote does not end.
        DataError: The file cannot be read, or is no text.
    """
    reader = csv.reader(io.StringIO(_whole_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        yield reader.line_num, header
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
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"The file {path} cannot be read: {error.strerror}. Check the path.") from error
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
