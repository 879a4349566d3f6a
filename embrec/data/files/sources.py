"""Reads data sets as chunks of ratings, movies and users: MovieLens folders, CSV, Parquet, DataFrames."""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from embrec.data.files.columns import rating_columns, shown
from embrec.data.files.delimited import read_delimited, read_header, unreadable
from embrec.data.files.movies import Movie, check_movie, read_csv_movies, read_ml_1m_movies, read_ml_100k_movies
from embrec.data.files.users import User, label_users, read_csv_users, read_ml_1m_users, read_ml_100k_users
from embrec.data.files.validate import RATING_COLUMNS, RawRows
from embrec.errors import DataError

_PARQUET_ROWS = 1 << 19
_WANTED = {
    "user_id": "integers or text",
    "movie_id": "integers or text",
    "rating": "numbers",
    "rated_at": "timestamps, or seconds since 1970",
}


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        name: The file or folder, for messages.
        ratings: Reads the ratings, chunk by chunk. It is given a function to call with the share of the
            input read so far, between 0 and 1.
        movies: Reads the movies; none for a data set that has only ids.
        users: Reads the side information on users; none for a data set that has only ids.
        files: The files it reads.
    """

    name: str
    ratings: Callable[[Callable[[float], None]], Iterator[RawRows]]
    movies: Callable[[], list[Movie]]
    users: Callable[[], list[User]]
    files: tuple[Path, ...] = ()


def open_source(
    path: str | Path,
    movies: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    users: str | Path | None = None,
) -> Source:
    """Recognise a data set by its files.

    Args:
        path: A MovieLens folder (100K: u.data; 1M and 10M: ratings.dat; latest, 20M and newer: ratings.csv),
            a CSV file of ratings with a header, which may be compressed (.gz, .bz2), or a Parquet file (.parquet).
        movies: A CSV file of movies with a header (movie_id, title, genres, release_year), for a CSV of ratings.
        columns: A CSV file's column names, by our names, if they differ:
            ``{"user_id": "customer", "movie_id": "film"}``.
        users: A CSV file of users with a header (user_id and any columns, which
            :func:`embrec.data.files.users.label_users` makes labels of), for a CSV of ratings.

    Raises:
        DataError: There is no such path, or it is none of these.
    """
    path = Path(path)
    movie_file, user_file = (None if each is None else Path(each) for each in (movies, users))
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise DataError(f"The path {shown([str(path)])} cannot be used: {error.strerror}. Check it.") from error
    if not is_file and not is_folder:
        raise DataError(f"There is no file or folder {path}. Check the path, or run: embrec load ml-100k")
    for described, file in (("movies", movie_file), ("users", user_file)):
        if file is not None and not file.is_file():
            raise DataError(f"There is no file of {described} {file}. Check the path.")
    if is_file:
        read = _parquet_ratings if path.suffix == ".parquet" else _csv_ratings
        return Source(
            str(path),
            lambda progress: read(path, columns or {}, progress),
            lambda: [] if movie_file is None else read_csv_movies(movie_file),
            lambda: [] if user_file is None else read_csv_users(user_file),
            tuple(file for file in (path, movie_file, user_file) if file is not None),
        )
    if movies is not None or users is not None or columns:
        raise DataError(f"{path} is a folder, and folders have names of their own. Name a CSV file with these options.")
    if (path / "u.data").is_file():
        return Source(
            str(path),
            lambda progress: _headless_ratings(path / "u.data", b"\t", progress),
            lambda: read_ml_100k_movies(path / "u.item"),
            lambda: _where_there_is(path / "u.user", read_ml_100k_users),
            (path / "u.data", path / "u.item", path / "u.user"),
        )
    if (path / "ratings.dat").is_file():
        return Source(
            str(path),
            lambda progress: _headless_ratings(path / "ratings.dat", b"::", progress),
            lambda: read_ml_1m_movies(path / "movies.dat"),
            lambda: _where_there_is(path / "users.dat", read_ml_1m_users),
            (path / "ratings.dat", path / "movies.dat", path / "users.dat"),
        )
    if (path / "ratings.csv").is_file():
        return Source(
            str(path),
            lambda progress: _csv_ratings(path / "ratings.csv", {}, progress),
            lambda: read_csv_movies(path / "movies.csv"),
            list,  # none of these data sets says anything of its users
            (path / "ratings.csv", path / "movies.csv"),
        )
    raise DataError(
        f"The folder {path} holds no u.data, ratings.dat or ratings.csv, so it is no MovieLens data set. "
        "Name a file of ratings instead, CSV or Parquet."
    )


def _where_there_is(path: Path, read: Callable[[Path], list[User]]) -> list[User]:
    return read(path) if path.is_file() else []


def from_frame(
    frame: pd.DataFrame, movies: Sequence[Movie] = (), name: str = "DataFrame", users: pd.DataFrame | None = None
) -> Source:
    """Read ratings from a DataFrame.

    Args:
        frame: Columns user_id, movie_id, rating and, if known, rated_at (datetime, or seconds since 1970).
        movies: Titles, genres and years of the movies.
        name: A name for messages; a row is named by its position, from 1.
        users: Side information on users: a column user_id and any others, which
            :func:`embrec.data.files.users.label_users` makes labels of.

    Raises:
        DataError: A column is missing, or holds what cannot be an id, a rating or a time.
    """
    _check_frame(frame, "Ratings", RATING_COLUMNS[:3])
    if users is not None:
        _check_frame(users, "Users", ("user_id",))
    arrays = {column: _frame_text(frame[column], column) for column in RATING_COLUMNS if column in frame.columns}
    raw = RawRows(name, arrays, np.arange(1, len(frame) + 1), [])
    return Source(
        name,
        lambda progress: iter([raw]),
        lambda: [check_movie(movie, name, 1 + row) for row, movie in enumerate(movies)],
        lambda: [] if users is None else _frame_users(users, f"{name} of users"),
    )


def _check_frame(frame: pd.DataFrame, what: str, needed: Sequence[str]) -> None:
    if not isinstance(frame, pd.DataFrame) or frame.columns.nlevels > 1:
        raise DataError(f"{what} are a DataFrame whose columns have plain names. Make one with pandas.DataFrame(...).")
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise DataError(f"The DataFrame has no column {', '.join(missing)}. Rename its columns.")
    if frame.columns.duplicated().any():
        raise DataError("The DataFrame has two columns of one name. Rename its columns.")


def _frame_users(frame: pd.DataFrame, name: str) -> list[User]:
    ids = [_decoded(value) for value in _frame_text(frame["user_id"], "user_id").to_pylist()]
    columns = {str(label): [_known(value) for value in frame[label]] for label in frame.columns if label != "user_id"}
    return label_users(ids, columns, name, range(1, len(frame) + 1))


def _decoded(value: str | bytes | None) -> str:
    # Bytes that are not UTF-8 become half surrogate pairs, which no id may have.
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value or ""
    return text.strip()


def _known(value: Any) -> str:
    """A value as the text of a label; integers with gaps, which are floats in pandas, without their fraction."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _frame_text(series: pd.Series[Any], column: str) -> pa.Array:
    if column.endswith("_id") and pd.api.types.is_float_dtype(series):
        # Integers with gaps become floats in pandas; past 2**53 they are no longer the same ids.
        whole = series.dropna()
        if not (whole == whole.round()).all() or (whole.abs() > 2**53).any():
            raise DataError(f"Column {column} holds floating-point ids. Convert it: frame['{column}'].astype('Int64')")
        series = series.astype("Int64")
    if isinstance(series.dtype, pd.PeriodDtype):
        raise DataError(f"Column {column} holds periods. Convert it: frame['{column}'].dt.to_timestamp()")
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowException, OverflowError, ValueError):  # of several types, past 64 bits, or half a surrogate pair
        array = pa.array([_plain(value, column) for value in series], pa.binary())
    return _as_text(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array, column)


def _plain(value: Any, column: str) -> bytes | None:
    """One value of a column of several types."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, bytes):
        return value
    wanted = (str, int, np.integer) if column.endswith("_id") else (str, numbers.Real, Decimal, dt.date)
    if not isinstance(value, wanted):
        kind = type(value).__name__
        raise DataError(f"Column {column} holds a value of the type {kind}. Convert all to {_WANTED[column]}.")
    return str(value).encode("utf-8", "surrogatepass")


def _headless_ratings(path: Path, separator: bytes, progress: Callable[[float], None]) -> Iterator[RawRows]:
    """u.data and ratings.dat: user, movie, rating, seconds."""
    columns = list(RATING_COLUMNS)
    yield from read_delimited(path, separator, dict(zip(columns, columns, strict=True)), columns, False, progress)


def _parquet_ratings(path: Path, columns: Mapping[str, str], progress: Callable[[float], None]) -> Iterator[RawRows]:
    """A Parquet file's rows, named by their position from 1."""
    try:
        # Not every file has checksums; one that has is held to them.
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = rating_columns(file.schema_arrow.names, columns, path)
        first = 1
        for batch in file.iter_batches(_PARQUET_ROWS, columns=list(names.values())):
            arrays = {column: _as_text(batch.column(name), column) for column, name in names.items()}
            yield RawRows(str(path), arrays, np.arange(first, first + batch.num_rows), [])
            first += batch.num_rows
            progress((first - 1) / max(file.metadata.num_rows, 1))
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, PermissionError):
            raise unreadable(path, error) from error
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path} cannot be read as Parquet: {reason}. Check that it is a whole Parquet file."
        ) from error


def _as_text(array: pa.Array, column: str) -> pa.Array:
    """A column as text or bytes, which are checked row by row, where it is of a type that can be what it should be.

    Raises:
        DataError: It is of another type.
    """
    kind, types = array.type, pa.types
    if types.is_dictionary(kind):
        return _as_text(array.dictionary_decode(), column)
    if column.endswith("_id") and types.is_floating(kind):
        raise DataError(f"Column {column} holds floating-point ids. Convert them to integers or text.")
    binary = types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    if binary or types.is_binary_view(kind):
        return array.cast(pa.binary())
    textual = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    if column.endswith("_id"):
        numeric = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale == 0)
    timely = column == "rated_at" and (types.is_timestamp(kind) or types.is_date(kind))
    if not (textual or numeric or timely or types.is_null(kind)):
        raise DataError(f"Column {column} holds values of the type {kind}. Convert it to {_WANTED[column]}.")
    if types.is_timestamp(kind) and kind.tz:
        array = array.cast(pa.timestamp(kind.unit, "UTC"))  # else the zone is looked up, which may not be installed
    return array.cast(pa.string())


def _csv_ratings(path: Path, columns: Mapping[str, str], progress: Callable[[float], None]) -> Iterator[RawRows]:
    header = read_header(path)
    yield from read_delimited(path, b",", rating_columns(header, columns, path), header, True, progress)
