"""Parquet files and DataFrames with columns of wrong types: refused or read correctly, never misread."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from unchanged import unchanged

from embrec.data import loading
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.data.reading import RatingRows, read_rows
from embrec.errors import DataError

PLAIN: dict[str, Any] = {"user_id": ["a", "b"], "movie_id": ["m", "n"], "rating": [1.0, 2.0]}
TO_IDS, TO_NUMBERS = r"Convert it to integers or text\.", r"Convert it to numbers\."
TO_TIMES = r"Convert it to timestamps, or seconds since 1970\."
SECONDS = 881_250_949


def table(**columns: Any) -> pa.Table:
    return pa.table({**PLAIN, **columns})


def frame(**columns: Any) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame({**PLAIN, **columns})


PARQUET: list[tuple[str, pa.Table, str]] = [
    ("no column", pa.table({}), "has no column user_id"),
    ("a column is missing", table().drop_columns("movie_id"), "no column movie_id.*--movie-column NAME"),
    ("a column twice", pa.table([["a"], ["b"], [1.0], [2.0]], ["user_id", "movie_id", "rating", "rating"]), "twice"),
    ("no rows", table().slice(0, 0), "has no rows"),
    ("lists as ids", table(user_id=[["a"], ["b"]]), r"user_id holds values of the type list<.*" + TO_IDS),
    ("structs as ids", table(movie_id=[{"x": 1}, {"x": 2}]), r"movie_id holds .* struct<.*" + TO_IDS),
    ("maps as ids", table(user_id=pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64()))), "map<.*" + TO_IDS),
    ("lists as ratings", table(rating=[[1.0], [2.0]]), r"rating holds .* list<.*" + TO_NUMBERS),
    ("truth values as ids", table(user_id=[True, False]), "type bool.*" + TO_IDS),
    ("truth values as ratings", table(rating=[True, False]), "type bool.*" + TO_NUMBERS),
    ("timestamps as ids", table(user_id=pa.array([1, 2], pa.timestamp("s"))), "type timestamp.*" + TO_IDS),
    ("dates as ratings", table(rating=[dt.date(2020, 1, 1), None]), "type date32.*" + TO_NUMBERS),
    ("floats as ids", table(user_id=[1.0, 2.0]), "floating-point ids. Convert them to integers or text"),
    ("floats as ids, by dictionary", table(user_id=pa.array([1.0, 2.5]).dictionary_encode()), "floating-point ids"),
    ("fractions as ids", table(user_id=[Decimal("1.5"), Decimal("2.5")]), "type decimal.*" + TO_IDS),
    ("durations as times", table(rated_at=pa.array([1, 2], pa.duration("s"))), "duration.*" + TO_TIMES),
    ("times of the day", table(rated_at=[dt.time(1), None]), "time64.*" + TO_TIMES),
    ("milliseconds as integers", table(rated_at=[SECONDS * 1000, None]), r"line 1, column rated_at.*milliseconds\?"),
    ("times in the year 33658", table(rated_at=pa.array([10**15, None], pa.timestamp("ms"))), "line 1.*rated_at"),
    ("no user", table(user_id=["a", None]), "line 2, column user_id: empty"),
    ("no users at all", table(user_id=pa.nulls(2)), "line 1, column user_id: empty"),
    ("no rating", table(rating=[1.0, None]), "line 2, column rating: empty"),
    ("NaN", table(rating=[np.nan, 1.0]), "line 1, column rating: not a finite number"),
    ("infinity", table(rating=[1.0, np.inf]), "line 2, column rating: not a finite number"),
    ("words as ratings", table(rating=["1", "good"]), "line 2, column rating: not a number"),
    ("ratings past single precision", table(rating=[1.0, 1e39]), "line 2, column rating: not a finite number"),
    ("bytes that are not UTF-8", table(user_id=[b"a", b"\xff"]), "line 2, column user_id: not UTF-8 text"),
    ("bytes of one length", table(user_id=pa.array([b"ab", b"\xff\xfe"], pa.binary(2))), "line 2.*not UTF-8 text"),
    ("a NUL", table(user_id=["a", "b\0"]), "line 2, column user_id: contains a NUL character"),
    ("a long id", table(movie_id=["m", "n" * 3000]), "line 2, column movie_id: longer than 500 bytes"),
]
FRAMES: list[tuple[str, Callable[[], Any], str]] = [
    ("no DataFrame", lambda: [1, 2], "Ratings or events are a DataFrame.*Make one"),
    ("None", lambda: None, "Ratings or events are a DataFrame.*Make one"),
    ("columns of two levels", lambda: pd.concat({"x": frame()()}, axis=1), "plain names. Make one"),
    ("ids in the index", lambda: frame()().set_index("user_id"), "no column user_id. Rename its columns"),
    ("no rows", lambda: frame()().head(0), "has no rows"),
    ("lists as ids", frame(user_id=[["a"], ["b"]]), "user_id holds values of the type list.*" + TO_IDS),
    ("dicts as ids", frame(user_id=[{"a": 1}, {"b": 1}]), "user_id holds values of the type struct.*" + TO_IDS),
    ("arrays as ids", frame(user_id=[np.arange(2), np.arange(2)]), "type list.*" + TO_IDS),
    ("objects as ids", frame(user_id=[object(), "b"]), "user_id holds a value of the type object. Convert all to"),
    ("truth values as ids", frame(user_id=[True, False]), "type bool.*" + TO_IDS),
    ("text and fractions as ids", frame(user_id=[1.5, "b"]), "a value of the type float. Convert all to integers"),
    ("objects that are floats as ids", frame(user_id=pd.Series([1.0, 2.5], dtype=object)), "floating-point ids"),
    ("infinite ids", frame(user_id=[1.0, np.inf]), r"floating-point ids\. Convert it: frame\['user_id'\]"),
    ("categories of floats as ids", frame(user_id=pd.Categorical([1.5, 2.5])), "floating-point ids"),
    ("intervals as ids", frame(user_id=pd.arrays.IntervalArray.from_breaks([0, 1, 2])), TO_IDS),
    ("half a surrogate pair", frame(user_id=pd.Series(["a\ud800", "b"], dtype=object)), "line 1.*not UTF-8 text"),
    ("a NUL", frame(user_id=["a\0", "b"]), "line 1, column user_id: contains a NUL"),
    ("no user", frame(user_id=["a", None]), "line 2, column user_id: empty"),
    ("pandas' NA", frame(movie_id=["m", pd.NA]), "line 2, column movie_id: empty"),
    ("NaN", frame(rating=[np.nan, 1]), "line 1, column rating: empty"),
    ("infinity", frame(rating=[np.inf, 1]), "line 1, column rating: not a finite number"),
    ("lists as ratings", frame(rating=[[1], [2]]), "type list.*" + TO_NUMBERS),
    ("complex numbers", frame(rating=[1j, 2]), "a value of the type complex. Convert all to numbers"),
    ("words as ratings", frame(rating=["1", "4,5"]), "line 2, column rating: not a number"),
    ("a rating of 400 digits", frame(rating=[10**400, 1]), "line 1, column rating: not a finite number"),
    ("durations as times", frame(rated_at=pd.to_timedelta([1, 2], "s")), "duration.*" + TO_TIMES),
    ("the year 9000", frame(rated_at=[dt.datetime(9000, 1, 1), None]), "line 1, column rated_at"),
]
MOVIES: list[tuple[str, Movie, str]] = [
    ("an empty id", Movie(""), "movie_id: empty"),
    ("a number as id", Movie(1), "movie_id: int where text is expected"),  # type: ignore[arg-type]
    ("no id", Movie(None), "movie_id: NoneType where text is expected"),  # type: ignore[arg-type]
    ("a long id", Movie("x" * 501), "movie_id: longer than 500 bytes"),
    ("a NUL in the title", Movie("m", "a\0b"), "title: contains a NUL"),
    ("half a surrogate pair", Movie("m", "a\ud800"), "title: contains half a surrogate pair"),
    ("text as genres", Movie("m", "t", "Drama"), "genres: NoneType|genres: str"),  # type: ignore[arg-type]
    ("None among genres", Movie("m", "t", [None]), "genres: NoneType where text"),  # type: ignore[list-item]
]
CORPUS = len(PARQUET) + len(FRAMES) + len(MOVIES)


@pytest.fixture(scope="module")
def kept(shared_engine: sa.Engine) -> sa.Engine:
    """A database with data that a refused load must not change."""
    load_frame(shared_engine, rating_frame(users=5, movies=4, count=12), [Movie("100", "One hundred", ["X"], 1990)])
    return shared_engine


@pytest.mark.parametrize(("name", "content", "message"), PARQUET, ids=[case[0] for case in PARQUET])
def test_a_bad_parquet_file_is_refused_and_nothing_is_stored(
    kept: sa.Engine, tmp_path: Path, name: str, content: pa.Table, message: str
) -> None:
    pq.write_table(content, tmp_path / "r.parquet")
    with unchanged(kept), pytest.raises(DataError, match=message):
        loading.load(kept, sources.open_source(tmp_path / "r.parquet"))


@pytest.mark.parametrize(("name", "make", "message"), FRAMES, ids=[case[0] for case in FRAMES])
def test_a_bad_data_frame_is_refused_and_nothing_is_stored(
    kept: sa.Engine, name: str, make: Callable[[], Any], message: str
) -> None:
    made = make()
    with unchanged(kept), pytest.raises(DataError, match=message):
        loading.load(kept, sources.from_frame(made))


@pytest.mark.parametrize(("name", "movie", "message"), MOVIES, ids=[case[0] for case in MOVIES])
def test_a_bad_movie_is_refused_and_nothing_is_stored(kept: sa.Engine, name: str, movie: Movie, message: str) -> None:
    with unchanged(kept), pytest.raises(DataError, match=f"DataFrame, line 2, column {message}"):
        load_frame(kept, rating_frame(), [Movie("1"), movie])


def test_a_parquet_file_cut_off_or_damaged_anywhere_is_refused_or_read_right(kept: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(table(), path, write_page_checksum=True)
    whole = path.read_bytes()
    with unchanged(kept):
        for length in range(0, len(whole), 29):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match="Check that it is a whole Parquet file"):
                loading.load(kept, sources.open_source(path))
    right = read_rows(sources.from_frame(frame()()))[0]
    refused = 0
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            found = read_rows(sources.open_source(path))[0]
        except DataError:
            refused += 1
            continue
        # The damage may be in the name of the column of ratings, and rows without ratings are events.
        if isinstance(found, RatingRows):
            assert (found.user_ids, found.movie_ids) == (right.user_ids, right.movie_ids)
            assert np.array_equal(found.ratings, right.ratings)
    assert refused > 50


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "+05:30", "Mars/Phobos"])
def test_timestamps_of_every_unit_are_the_same_moment(tmp_path: Path, unit: str, zone: str | None) -> None:
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    pq.write_table(table(rated_at=pa.array([SECONDS * scale, None], pa.timestamp(unit, zone))), tmp_path / "r.parquet")
    rows = read_rows(sources.open_source(tmp_path / "r.parquet"))[0]
    assert rows.rated_at[0] == SECONDS * 10**6


def test_ids_of_every_width_keep_their_digits(tmp_path: Path) -> None:
    widest = pa.array([2**64 - 1, 1], pa.uint64())
    decimal = pa.array([Decimal(10**30 + 7), Decimal(3)], pa.decimal128(38, 0))
    pq.write_table(table(user_id=widest, movie_id=decimal), tmp_path / "r.parquet")
    rows = read_rows(sources.open_source(tmp_path / "r.parquet"))[0]
    assert (rows.user_ids.to_pylist(), rows.movie_ids.to_pylist()) == ([str(2**64 - 1), "1"], [str(10**30 + 7), "3"])
    rows = read_rows(sources.from_frame(frame(user_id=[2**70, 2**53 + 1], movie_id=[-(2**63), 2**63 - 1])()))[0]
    assert rows.user_ids.to_pylist() == [str(2**70), str(2**53 + 1)]
    assert rows.movie_ids.to_pylist() == [str(-(2**63)), str(2**63 - 1)]
