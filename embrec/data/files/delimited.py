"""Splits big delimited text files into text columns, block by block, keeping count of lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
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
LONGEST_ROW_SHOWN = 1000
# Separators of columns. The first that splits a header into the most is taken.
_SEPARATORS = (b",", b";", b"\t", b"|", b"::", b" ")
# Signatures: the first bytes of other file formats, and the advice for each.
_OTHER_FORMATS = {
    b"\x1f\x8b": "is compressed by gzip. Give it a name that ends in .gz",
    b"BZh": "is compressed by bzip2. Give it a name that ends in .bz2",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd. Decompress it first",
    b"\xfd7zXZ": "is compressed by xz. Decompress it first",
    b"PK\x03\x04": "is a zip archive or a spreadsheet. Unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet. Save it as CSV",
    b"PAR1": "is a Parquet file. Give it a name that ends in .parquet",
    b"ARROW1": "is an Arrow or Feather file. Write it as Parquet",
    b"\x89HDF": "is an HDF5 file. Write it as Parquet",
    b"SQLite": "is an SQLite database. Write its table of ratings as CSV",
    b"\x80\x04\x95": "is a Python pickle. Write it as Parquet",
    b"\x80\x05\x95": "is a Python pickle. Write it as Parquet",
    b"[": "is a JSON array. Write one object a line, as jq -c '.[]' does",
    b"<": "is XML or HTML. Save it as CSV",
    b"\xff\xfe": "is UTF-16 or UTF-32 text. Convert it to UTF-8",
    b"\xfe\xff": "is UTF-16 text. Convert it to UTF-8",
}


def read_first_line(path: Path) -> bytes:
    """Return the first line of a text file, without its end and a byte-order mark.

    Raises:
        DataError: The file is empty, or is no text of lines.
    """
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=compression(path)) as stream:
            first, newline, _ = bytes(stream.read(_LONGEST_HEADER + 1)).partition(b"\n")
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    require_text(path, first)
    first = first.removeprefix(codecs.BOM_UTF8).rstrip(b"\r")
    if not first.strip():
        raise DataError(f"{path} is empty. A CSV file needs a header such as: user_id,movie_id,rating,rated_at")
    if len(first) > _LONGEST_HEADER:
        raise DataError(
            f"The header of {path} is longer than {_LONGEST_HEADER >> 10} KiB. Is it a CSV file of ratings?"
        )
    if b"\r" in first:
        raise DataError(f"{path} ends its lines with a carriage return alone. Rewrite it with line feeds.")
    if not newline and not first.lstrip().startswith(b"{"):
        raise DataError(f"{path} has but one line. A CSV file has a header and then a line for each rating.")
    return first


def split_header(path: Path, line: bytes) -> tuple[list[str], bytes]:
    """Return the names in a header, and the separator that splits it into the most columns.

    Raises:
        DataError: The header cannot be split.
    """
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"The header of {path} is not UTF-8 text. Convert the file to UTF-8.") from None
    splits: dict[bytes, list[str]] = {}
    for separator in _SEPARATORS:
        try:
            splits[separator] = next(csv_reader(text, separator))
        except csv.Error as error:
            reason = error
    if not splits:
        raise DataError(f"The header of {path} cannot be read: {reason}. Write its names on one line.") from reason
    # A blank separates names only if nothing else does.
    best = max(splits, key=lambda each: min(len(splits[each]), 1.5) if each == b" " else len(splits[each]))
    return splits[best], best


def csv_reader(text: str, separator: bytes) -> Any:
    """Return the csv module's reader of a text whose values are separated so; blanks before a value do not count."""
    mark = _mark(separator)
    lines = io.StringIO(text.replace("::", mark) if separator == b"::" else text, newline="")
    return csv.reader(lines, delimiter=mark, skipinitialspace=mark != " ", strict=True)


def _mark(separator: bytes) -> str:
    """Return the one character that stands for a separator: parsers take no longer one."""
    return "\x1f" if separator == b"::" else separator.decode()


def require_text(path: Path, beginning: bytes) -> None:
    """Check that a file which begins so can be text in UTF-8 or the like.

    Raises:
        DataError: It is of another format, which is named.
    """
    for signature, remark in _OTHER_FORMATS.items():
        if beginning.removeprefix(codecs.BOM_UTF8).lstrip().startswith(signature):
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
        has_header_line: True if the first line has those names. Only such a file has quoted values.
        progress: Called with the share read.
    """
    first = 1
    for data in read_blocks(path, progress):
        if first == 1 and has_header_line:
            first, data = 2, data.partition(b"\n")[2]
        if data:
            lines = data.count(b"\n") + (not data.endswith(b"\n"))
            mark = _mark(separator)
            tidy = _without_blanks_before_quotes(
                data.replace(b"::", mark.encode()) if len(separator) > 1 else data, mark
            )
            yield _rows(path, tidy, mark, has_header_line, names, header, first, lines)
            first += lines


def read_blocks(path: Path, progress: Callable[[float], None]) -> Iterator[bytes]:
    """Return a file's bytes, some whole lines at a time."""
    size = max(path.stat().st_size, 1)
    held = b""
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=compression(path)) as stream:
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


def _without_blanks_before_quotes(data: bytes, mark: str) -> bytes:
    """Take away blanks between a separator and a quote, or the parser would store the quote with the value."""
    blanks = b" \t".replace(mark.encode(), b"")
    if not any(blank + b'"' in data for blank in (blanks[:1], blanks[1:]) if blank):
        return data
    # Quoted values are matched whole, because a separator inside one is none.
    quoted = rb'(^|%b)[%b]*("(?:[^"\n]|"")*")' % (re.escape(mark.encode()), blanks)
    return re.sub(quoted, rb"\1\2", data, flags=re.MULTILINE)


def _rows(
    path: Path,
    data: bytes,
    mark: str,
    quoted: bool,
    names: Mapping[str, str],
    header: list[str],
    first: int,
    lines: int,
) -> RawRows:
    """Return the rows of a block, whose first line has the number ``first``."""
    rejected: list[RejectedRow] = []
    skipped: list[int] = []

    def on_bad_row(row: Any) -> str:
        line = first - 1 + row.number
        skipped.append(line)
        if row.text.strip():
            reason = f"{row.actual_columns} columns where {row.expected_columns} are expected"
            rejected.append(RejectedRow(str(path), line, "(row)", reason, row.text[:LONGEST_ROW_SHOWN]))
        return "skip" if len(rejected) <= MOST_REJECTED else "error"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=header),
            parse_options=pa.csv.ParseOptions(
                delimiter=mark,
                quote_char='"' if quoted else False,
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


def compression(path: Path) -> str | None:
    """Return pyarrow's name of the compression that a file's name tells, or None."""
    return {".gz": "gzip", ".bz2": "bz2"}.get(path.suffix.lower())
