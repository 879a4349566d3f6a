"""Splits big delimited text files into text columns, block by block, keeping count of lines."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from embrec.data.files.validate import RawRows
from embrec.data.rejects import MOST_REJECTED, RejectedRow
from embrec.errors import BadRowError, DataError

BLOCK_BYTES = 8 << 20
_LONGEST_HEADER = 1 << 16
_LONGEST_ROW_SHOWN = 1000
# The first bytes of file formats that are no text, and the advice for each.
_OTHER_FORMATS = {
    b"\x1f\x8b": "is compressed by gzip. Give it a name that ends in .gz",
    b"BZh": "is compressed by bzip2. Give it a name that ends in .bz2",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd. Decompress it first",
    b"PK\x03\x04": "is a zip archive or a spreadsheet. Unpack it, or save it as CSV",
    b"PAR1": "is a Parquet file. Give it a name that ends in .parquet",
    b"\xff\xfe": "is UTF-16 or UTF-32 text. Convert it to UTF-8",
    b"\xfe\xff": "is UTF-16 text. Convert it to UTF-8",
}


def read_header(path: Path) -> list[str]:
    """The names in a CSV file's first line.

    Raises:
        DataError: The file is empty or its header is not text.
    """
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=_compression(path)) as stream:
            first, newline, _ = bytes(stream.read(_LONGEST_HEADER + 1)).partition(b"\n")
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    require_text(path, first)
    if not first.strip():
        raise DataError(f"{path} is empty. A CSV file needs a header such as: user_id,movie_id,rating,rated_at")
    if len(first) > _LONGEST_HEADER:
        raise DataError(
            f"The header of {path} is longer than {_LONGEST_HEADER >> 10} KiB. Is it a CSV file of ratings?"
        )
    if b"\r" in first.rstrip(b"\r"):
        raise DataError(f"{path} ends its lines with a carriage return alone. Rewrite it with line feeds.")
    if not newline:
        raise DataError(f"{path} has but one line. A CSV file has a header and then a line for each rating.")
    try:
        return next(csv.reader([first.decode("utf-8-sig").rstrip("\r")], strict=True))
    except UnicodeDecodeError:
        raise DataError(f"The header of {path} is not UTF-8 text. Convert the file to UTF-8.") from None
    except csv.Error as error:
        raise DataError(f"The header of {path} cannot be read: {error}. Write its names on one line.") from error


def require_text(path: Path, beginning: bytes) -> None:
    """Check that a file which begins so can be text in UTF-8 or the like.

    Raises:
        DataError: It is of another format, which is named.
    """
    for signature, remark in _OTHER_FORMATS.items():
        if beginning.startswith(signature):
            raise DataError(f"{path} {remark}.")
    if b"\0" in beginning:
        raise DataError(f"{path} is no text: it has NUL bytes. Name a CSV file in UTF-8.")


def read_delimited(
    path: Path,
    separator: bytes,
    names: Mapping[str, str],
    header: list[str],
    has_header_line: bool,
    progress: Callable[[float], None],
) -> Iterator[RawRows]:
    """Split a file into text columns, block by block.

    Each block is parsed by itself, from memory: a parser that is given the file reads ahead in a thread of its own,
    which calls back into Python, and aborts a process that ends meanwhile.

    Args:
        path: The file.
        separator: The separator between values.
        names: The file's name of each column, by ours.
        header: The names of all the file's columns.
        has_header_line: Whether the first line has those names.
        progress: Called with the share read.
    """
    first = 1
    for data in _blocks(path, progress):
        if first == 1 and has_header_line:
            first, data = 2, data.partition(b"\n")[2]
        if data:
            lines = data.count(b"\n") + (not data.endswith(b"\n"))
            yield _rows(path, data, separator, names, header, first, lines)
            first += lines


def _blocks(path: Path, progress: Callable[[float], None]) -> Iterator[bytes]:
    """A file's bytes, some whole lines at a time."""
    size = max(path.stat().st_size, 1)
    held = b""
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=_compression(path)) as stream:
            while data := bytes(stream.read(BLOCK_BYTES)):
                progress(file.tell() / size)
                end = data.rfind(b"\n") + 1
                if end:
                    yield held + data[:end]
                held = data[end:] if end else held + data
                if len(held) > BLOCK_BYTES:
                    raise DataError(
                        f"{path} has a line longer than {BLOCK_BYTES >> 20} MiB. Is it a text file of ratings?"
                    )
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    if held:
        yield held


def _rows(
    path: Path, data: bytes, separator: bytes, names: Mapping[str, str], header: list[str], first: int, lines: int
) -> RawRows:
    """The rows of a block, whose first line has the number ``first``."""
    rejected: list[RejectedRow] = []
    skipped: list[int] = []

    def on_bad_row(row: Any) -> str:
        line = first - 1 + row.number
        skipped.append(line)
        if row.text.strip():
            reason = f"{row.actual_columns} columns where {row.expected_columns} are expected"
            rejected.append(RejectedRow(str(path), line, "(row)", reason, row.text[:_LONGEST_ROW_SHOWN]))
        return "skip" if len(rejected) <= MOST_REJECTED else "error"

    double = separator == b"::"
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data.replace(b"::", b"\x1f") if double else data),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=header),
            parse_options=pa.csv.ParseOptions(
                delimiter="\x1f" if double else separator.decode(),
                quote_char='"' if separator == b"," else False,
                invalid_row_handler=on_bad_row,
                ignore_empty_lines=False,
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.binary() for name in names.values()},
                include_columns=list(dict.fromkeys(names.values())),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        if len(rejected) <= MOST_REJECTED:
            raise unreadable(path, error) from error
        # More than anybody takes: what is read no longer matters.
        return RawRows(str(path), {name: pa.array([], pa.binary()) for name in names}, np.array([], np.int64), rejected)
    if lines > table.num_rows + len(skipped):  # an open quote swallows the lines after it
        raise BadRowError(str(path), _odd_quotes(data, first), "(row)", "a quoted value does not end on its line")
    numbers = np.arange(first, first + table.num_rows + len(skipped), dtype=np.int64)
    columns = {column: table.column(name).combine_chunks() for column, name in names.items()}
    return RawRows(str(path), columns, np.setdiff1d(numbers, skipped, assume_unique=True), rejected)


def _odd_quotes(data: bytes, first: int) -> int:
    """The first line with an odd number of quotes."""
    counts = (line.count(b'"') for line in data.split(b"\n"))
    return first + next((number for number, count in enumerate(counts) if count % 2), 0)


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a file that could not be read."""
    reason = str(error).splitlines()[0]
    if isinstance(error, PermissionError):
        return DataError(f"{path} cannot be read: permission denied. Change its mode, or run as its owner.")
    return DataError(
        f"{path} cannot be read: {reason}. Check that it is a whole text file, compressed as its name says."
    )


def _compression(path: Path) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2"}.get(path.suffix)
