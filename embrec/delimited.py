"""Splits big delimited text files into text columns, block by block, keeping count of lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from embrec.errors import BadRowError, DataError
from embrec.rows import RawRows, RejectedRow

BLOCK_BYTES = 8 << 20
_LONGEST_ROW_SHOWN = 1000


def read_header(path: Path) -> list[str]:
    """The names in a CSV file's first line.

    Raises:
        DataError: The file is empty or its header is not text.
    """
    try:
        with open(path, "rb") as file, pa.input_stream(file, compression=_compression(path)) as stream:
            first = bytes(stream.read(1 << 16)).split(b"\n", 1)[0]
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    if not first.strip():
        raise DataError(f"{path} is empty. A CSV file needs a header such as: user_id,movie_id,rating,rated_at")
    try:
        text = first.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        raise DataError(f"The header of {path} is not UTF-8 text. Convert the file to UTF-8.") from None
    names = next(csv.reader([text]))
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"The header of {path} names {', '.join(sorted(twice))} twice. Rename one.")
    return names


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
    skipped: list[int] = []

    def on_bad_row(row: Any) -> str:
        skipped.append(row.number)
        if row.text.strip():
            reason = f"{row.actual_columns} columns where {row.expected_columns} are expected"
            rejected.append(RejectedRow(str(path), row.number, "(row)", reason, row.text[:_LONGEST_ROW_SHOWN]))
        return "skip"

    delimiter = "\x1f" if separator == b"::" else separator.decode()
    try:
        source = _Input(path, separator, progress)
    except OSError as error:
        raise _unreadable(path, error) from error
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
            lines, line = _line_numbers(line, batch.num_rows, skipped)
            rows += batch.num_rows
            columns = {column: batch.column(name) for column, name in names.items()}
            yield RawRows(str(path), columns, lines, rejected.copy())
            rejected.clear()
        if rejected:
            yield RawRows(
                str(path),
                {column: pa.array([], pa.binary()) for column in names},
                np.array([], np.int64),
                rejected,
            )
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    finally:
        source.close()
    if source.lines > first_line - 1 + rows + len(skipped):  # an open quote swallows the lines after it
        raise BadRowError(str(path), _odd_quotes(path), "(row)", "a quoted value does not end on its line")


def _line_numbers(first: int, count: int, skipped: Sequence[int]) -> tuple[NDArray[np.int64], int]:
    """Line numbers of the next ``count`` rows, passing over skipped lines, and the line after the last."""
    lines = np.arange(first, first + count + len(skipped), dtype=np.int64)
    lines = lines[~np.isin(lines, skipped)][:count]
    return lines, int(lines[-1]) + 1 if count else first


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    if isinstance(error, PermissionError):
        return DataError(f"{path} cannot be read: permission denied. Change its mode, or run as its owner.")
    if "straddling" in reason:
        return DataError(f"{path} has a line longer than {BLOCK_BYTES >> 20} MiB. Is it a text file of ratings?")
    if "Empty CSV" in reason:
        return DataError(f"{path} is empty.")
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
