"""Ratings, events, movies and users in Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from embrec.data.files.arrays import as_text
from embrec.data.files.columns import Naming, match_columns, movie_columns, row_columns
from embrec.data.files.delimited import unreadable
from embrec.data.files.frames import check_frame, frame_movies, frame_users
from embrec.data.files.movies import Movie
from embrec.data.files.users import User
from embrec.data.files.validate import RawRows
from embrec.errors import DataError

_ROWS_AT_ONCE = 1 << 19


def read_parquet_rows(path: Path, naming: Naming, progress: Callable[[float], None]) -> Iterator[RawRows]:
    """Yield a file's rows, block by block, named by their position from 1.

    Args:
        path: The file.
        naming: The meaning of its columns.
        progress: Called with the share read.

    Raises:
        DataError: The file cannot be read, or a column is missing.
    """
    try:
        # Not every file has checksums; one that has is held to them.
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = row_columns(file.schema_arrow.names, naming, path)
        first = 1
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(names.values())):
            arrays = {column: as_text(batch.column(name), column) for column, name in names.items()}
            yield RawRows(str(path), arrays, np.arange(first, first + batch.num_rows), [])
            first += batch.num_rows
            progress((first - 1) / max(file.metadata.num_rows, 1))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def read_parquet_movies(path: Path, columns: Mapping[str, str]) -> list[Movie]:
    """Return a file's movies, with the columns of MOVIE_COLUMN_OPTIONS that it has.

    Args:
        path: The file.
        columns: Its names of columns, by ours, if they differ.

    Raises:
        DataError: The file cannot be read, or a column is missing.
    """
    frame = _frame(path)
    names = movie_columns(list(frame.columns), columns, path)
    return frame_movies(frame[list(names.values())].set_axis(list(names), axis=1), str(path))


def read_parquet_users(path: Path) -> list[User]:
    """Return a file's users: user_id, and any other columns as labels.

    Raises:
        DataError: The file cannot be read, or has no user_id.
    """
    frame = _frame(path)
    names = match_columns(list(frame.columns), {}, ("user_id",), path)
    frame = frame.rename(columns={theirs: ours for ours, theirs in names.items()})
    check_frame(frame, "Users", ("user_id",))
    return frame_users(frame, str(path))


def _frame(path: Path) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = pq.read_table(path).to_pandas()
        return frame
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, PermissionError):
        return unreadable(path, error)
    reason = str(error).splitlines()[0].rstrip(".")
    return DataError(f"{path} cannot be read as Parquet: {reason}. Check that it is a whole Parquet file.")
