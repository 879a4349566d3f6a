"""Ratings, movies and users in pandas DataFrames."""

from __future__ import annotations

import datetime as dt
import numbers
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from embrec.data.files.arrays import WANTED, as_text
from embrec.data.files.movies import Movie, movies_of
from embrec.data.files.users import User, label_users
from embrec.errors import DataError


def check_frame(frame: pd.DataFrame, what: str, needed: Sequence[str]) -> None:
    """Check that a DataFrame has the columns that are needed, each once.

    Raises:
        DataError: It is none, or a column is missing.
    """
    if not isinstance(frame, pd.DataFrame) or frame.columns.nlevels > 1:
        raise DataError(f"{what} are a DataFrame whose columns have plain names. Make one with pandas.DataFrame(...).")
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise DataError(f"The DataFrame has no column {', '.join(missing)}. Rename its columns.")
    if frame.columns.duplicated().any():
        raise DataError("The DataFrame has two columns of one name. Rename its columns.")


def frame_movies(frame: pd.DataFrame, name: str) -> list[Movie]:
    """Return the movies of a DataFrame: movie_id and, if known, title, genres, release_year, and content or text."""
    wanted = ("title", "genres", "release_year", "content", "text")
    columns = {column: list(frame[column]) for column in wanted if column in frame}
    columns["movie_id"] = _ids(frame["movie_id"], "movie_id")
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return movies_of(enumerate(rows, 1), name)


def frame_users(frame: pd.DataFrame, name: str) -> list[User]:
    """Return the users of a DataFrame: user_id, and any other columns as labels."""
    ids = _ids(frame["user_id"], "user_id")
    columns = {str(label): [_known(value) for value in frame[label]] for label in frame.columns if label != "user_id"}
    return label_users(ids, columns, name, range(1, len(frame) + 1))


def _ids(series: pd.Series[Any], column: str) -> list[str]:
    return [_decoded(value) for value in frame_text(series, column).to_pylist()]


def _decoded(value: str | bytes | None) -> str:
    # Bytes that are not UTF-8 become half surrogate pairs, which no id may have.
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value or ""
    return text.strip()


def _known(value: Any) -> str:
    """A value as the text of a label; integers with gaps, which are floats in pandas, without their fraction."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def frame_text(series: pd.Series[Any], column: str) -> pa.Array:
    """Return a column as text or bytes.

    Raises:
        DataError: It holds what can be no id, rating or time.
    """
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
    return as_text(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array, column)


def _plain(value: Any, column: str) -> bytes | None:
    """One value of a column of several types."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, bytes):
        return value
    wanted = (str, int, np.integer, uuid.UUID) if column.endswith("_id") else (str, numbers.Real, Decimal, dt.date)
    if not isinstance(value, wanted):
        kind = type(value).__name__
        raise DataError(f"Column {column} holds a value of the type {kind}. Convert all to {WANTED[column]}.")
    return str(value).encode("utf-8", "surrogatepass")
