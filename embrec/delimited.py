"""Splits big delimited text files into text columns, block by block, keeping count of lines."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from embrec.errors import BadRowError, DataError
from embrec.rows import MOST_REJECTED, RawRows, RejectedRow

BLOCK_BYTES = 8 << 20
_LONGEST_HEADER = 1 << 16
_LONGEST_ROW_SHOWN = 1000
# How files begin that are no text, and what to do with them.
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
    header: list[str] | None,
    progress: Callable[[float], None],
) -> Iterator[RawRows]:
    """Split a file into text columns, block by block.

    Args:
        path: The file.
        separator: What stands between values.
        names: The file's name of each column, by ours.
        header: The columns' names where the file has no header line.
        progress: Called with the share read.
    """
    rejected: list[RejectedRow] = []
    skipped = _Skipped()

    def on_bad_row(row: Any) -> str:
        skipped.add(row.number)
        if row.text.strip():
            reason = f"{row.actual_columns} columns where {row.expected_columns} are expected"
            rejected.append(RejectedRow(str(path), row.number, "(row)", reason, row.text[:_LONGEST_ROW_SHOWN]))
        return "skip" if len(rejected) <= MOST_REJECTED else "error"

    delimiter = "\x1f" if separator == b"::" else separator.decode()
    try:
        source = _Input(path, separator, progress)
    except OSError as error:
        raise unreadable(path, error) from error
    options = pa.csv.ConvertOptions(
        column_types={name: pa.binary() for name in names.values()},
        include_columns=list(dict.fromkeys(names.values())),
        strings_can_be_null=False,
    )
    try:
        reader = pa.csv.open_csv(
            source,
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=header),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if header is None else False,
                invalid_row_handler=on_bad_row,
                ignore_empty_lines=False,
            ),
            convert_options=options,
        )
        line = first_line = 1 if header else 2
        rows = 0
        for batch in reader:
            lines, line = skipped.line_numbers(line, batch.num_rows)
            rows += batch.num_rows
            columns = {column: batch.column(name) for column, name in names.items()}
            yield RawRows(str(path), columns, lines, rejected.copy())
            rejected.clear()
    except (OSError, pa.ArrowException) as error:
        if len(rejected) <= MOST_REJECTED:
            raise unreadable(path, error) from error
    finally:
        source.close()
    if rejected:
        nothing = {column: pa.array([], pa.binary()) for column in names}
        yield RawRows(str(path), nothing, np.array([], np.int64), rejected)
    if source.lines > first_line - 1 + rows + skipped.count:  # an open quote swallows the lines after it
        raise BadRowError(str(path), _odd_quotes(path), "(row)", "a quoted value does not end on its line")


class _Skipped:
    """Lines that became no rows, as runs of neighbours: there may be many millions."""

    def __init__(self) -> None:
        self.count = 0
        self._firsts, self._lengths = array("q"), array("q")  # of each run

    def add(self, line: int) -> None:
        """Note a line after those noted before."""
        self.count += 1
        if self._firsts and self._firsts[-1] + self._lengths[-1] == line:
            self._lengths[-1] += 1
        else:
            self._firsts.append(line)
            self._lengths.append(1)

    def line_numbers(self, first: int, count: int) -> tuple[NDArray[np.int64], int]:
        """Line numbers of the next ``count`` rows, passing over skipped lines, and the line after the last."""
        passed = np.append(0, np.cumsum(np.array(self._lengths, np.int64)))
        rows_before = np.array(self._firsts, np.int64) - first - passed[:-1]
        rows = np.arange(count)
        lines = first + rows + passed[np.searchsorted(rows_before, rows, side="right")]
        done = int(np.searchsorted(rows_before, count))
        del self._firsts[:done], self._lengths[:done]
        return lines, int(lines[-1]) + 1 if count else first


def unreadable(path: Path, error: Exception) -> DataError:
    """What to say of a file that could not be read."""
    reason = str(error).splitlines()[0]
    if isinstance(error, PermissionError):
        return DataError(f"{path} cannot be read: permission denied. Change its mode, or run as its owner.")
    if "straddling" in reason:
        return DataError(f"{path} has a line longer than {BLOCK_BYTES >> 20} MiB. Is it a text file of ratings?")
    if "Empty CSV" in reason:
        return DataError(f"{path} is empty. It needs a line for each rating.")
    return DataError(
        f"{path} cannot be read: {reason}. Check that it is a whole text file, compressed as its name says."
    )


def _odd_quotes(path: Path) -> int:
    """The first line with an odd number of quotes."""
    with open(path, "rb") as file, pa.input_stream(file, compression=_compression(path)) as stream:
        for number, line in enumerate(io.BufferedReader(stream), 1):
            if line.count(b'"') % 2:
                return number
    return 1


class _Input(io.RawIOBase):
    """Bytes of a file for the CSV parser: counts lines, reports progress, and makes ``::`` one byte."""

    def __init__(self, path: Path, separator: bytes, progress: Callable[[float], None]) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed with this object
        self._stream = pa.input_stream(self._file, compression=_compression(path))
        self._size = max(path.stat().st_size, 1)
        self._double = separator == b"::"
        self._held = b""
        self._progress = progress
        self._last = b"\n"
        self.newlines = 0

    @property
    def lines(self) -> int:
        """Lines read so far; the last may lack its newline."""
        return self.newlines + (self._last != b"\n")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = bytes(self._stream.read(None if size < 0 else size))
        self._progress(self._file.tell() / self._size)
        if data:
            self.newlines += data.count(b"\n")
            self._last = data[-1:]
        if not self._double:
            return data
        joined = self._held + data
        # Colons at the end may be half of a separator: they wait for what follows, if anything does.
        whole = joined.rstrip(b":") if data else joined
        self._held = joined[len(whole) :]
        return whole.replace(b"::", b"\x1f")

    def close(self) -> None:
        self._stream.close()
        self._file.close()
        super().close()


def _compression(path: Path) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2"}.get(path.suffix)
