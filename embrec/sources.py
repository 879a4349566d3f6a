"""Reads data sets as chunks of ratings and a list of movies: MovieLens folders, CSV files, DataFrames."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from embrec.delimited import read_delimited, read_header
from embrec.errors import BadRowError, DataError
from embrec.rows import RATING_COLUMNS, RawRows

_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:-(?:\d{4})?)?\)\s*$")

# Header names read without being asked, by the column they mean; letters' case and underscores are ignored.
ALIASES = {
    "user_id": ("userid", "user"),
    "movie_id": ("movieid", "movie", "itemid", "item"),
    "rating": ("rating",),
    "rated_at": ("ratedat", "timestamp"),
    "title": ("title", "movietitle"),
    "genres": ("genres",),
    "release_year": ("releaseyear", "year"),
}
# Columns of u.item after the URL, from the data set's u.genre.
ML_100K_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)


class Movie(NamedTuple):
    """What is known of a movie beside its ratings."""

    movie_id: str
    title: str
    genres: list[str]
    release_year: int | None


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        name: The file or folder, for messages.
        ratings: Reads the ratings, chunk by chunk. It is given a function to call with the share of the
            input read so far, between 0 and 1.
        movies: Reads the movies; none for a data set that has only ids.
    """

    name: str
    ratings: Callable[[Callable[[float], None]], Iterator[RawRows]]
    movies: Callable[[], list[Movie]]


def open_source(path: str | Path, movies: str | Path | None = None, columns: Mapping[str, str] | None = None) -> Source:
    """Recognise a data set by its files.

    Args:
        path: A MovieLens folder (100K: u.data; 1M and 10M: ratings.dat; latest, 20M and newer: ratings.csv),
            or a CSV file of ratings with a header, which may be compressed (.gz, .bz2).
        movies: A CSV file of movies with a header (movie_id, title, genres, release_year), for a CSV of ratings.
        columns: What the CSV calls its columns, by our names, where it differs:
            ``{"user_id": "customer", "movie_id": "film"}``.

    Raises:
        DataError: There is no such path, or it is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no file or folder {path}. Check the path, or run: embrec load ml-100k")
    if path.is_file():
        movie_file = None if movies is None else Path(movies)
        return Source(
            str(path),
            lambda progress: _csv_ratings(path, columns or {}, progress),
            lambda: [] if movie_file is None else _csv_movies(movie_file),
        )
    if (path / "u.data").is_file():
        return Source(
            str(path),
            lambda progress: _headless_ratings(path / "u.data", b"\t", progress),
            lambda: _ml_100k_movies(path / "u.item"),
        )
    if (path / "ratings.dat").is_file():
        return Source(
            str(path),
            lambda progress: _headless_ratings(path / "ratings.dat", b"::", progress),
            lambda: _ml_1m_movies(path / "movies.dat"),
        )
    if (path / "ratings.csv").is_file():
        return Source(
            str(path),
            lambda progress: _csv_ratings(path / "ratings.csv", {}, progress),
            lambda: _csv_movies(path / "movies.csv") if (path / "movies.csv").is_file() else [],
        )
    raise DataError(
        f"The folder {path} holds no u.data, ratings.dat or ratings.csv, so it is no MovieLens data set. "
        "Name a CSV file of ratings instead."
    )


def from_frame(frame: pd.DataFrame, movies: Sequence[Movie] = (), name: str = "DataFrame") -> Source:
    """Read ratings from a DataFrame.

    Args:
        frame: Columns user_id, movie_id, rating and, if known, rated_at (datetime, or seconds since 1970).
        movies: What is known of the movies.
        name: A name for messages; a row is named by its position, from 1.

    Raises:
        DataError: A column is missing, or an id column holds fractions.
    """
    missing = [column for column in RATING_COLUMNS[:3] if column not in frame.columns]
    if missing:
        raise DataError(f"The DataFrame has no column {', '.join(missing)}. Rename its columns.")
    arrays = {column: _frame_text(frame[column], column) for column in RATING_COLUMNS if column in frame.columns}
    raw = RawRows(name, arrays, np.arange(1, len(frame) + 1), [])
    return Source(name, lambda progress: iter([raw]), lambda: list(movies))


def _frame_text(series: pd.Series[Any], column: str) -> pa.StringArray:
    if column.endswith("_id") and pd.api.types.is_float_dtype(series):
        # Integers with gaps become floats in pandas; past 2**53 they are no longer the same ids.
        whole = series.dropna()
        if not (whole == whole.round()).all() or (whole.abs() > 2**53).any():
            raise DataError(f"Column {column} holds floating-point ids. Convert it: frame['{column}'].astype('Int64')")
        series = series.astype("Int64")
    try:
        text = pa.Array.from_pandas(series).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        text = pa.array([None if pd.isna(value) else str(value) for value in series], pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _headless_ratings(path: Path, separator: bytes, progress: Callable[[float], None]) -> Iterator[RawRows]:
    """u.data and ratings.dat: user, movie, rating, seconds."""
    yield from read_delimited(
        path, separator, {column: column for column in RATING_COLUMNS}, list(RATING_COLUMNS), progress
    )


def _csv_ratings(path: Path, columns: Mapping[str, str], progress: Callable[[float], None]) -> Iterator[RawRows]:
    header = read_header(path)
    names = _match(header, columns, RATING_COLUMNS, path)
    for column in RATING_COLUMNS[:3]:
        if column not in names:
            raise DataError(
                f"{path} has no column {column}; its header is: {', '.join(header)}. "
                f"Name the column with --column {column}=NAME."
            )
    yield from read_delimited(path, b",", names, None, progress)


def _match(header: Sequence[str], columns: Mapping[str, str], wanted: Sequence[str], path: Path) -> dict[str, str]:
    """The header's name of each wanted column."""
    found: dict[str, str] = {}
    for column in wanted:
        if column in columns:
            if columns[column] not in header:
                raise DataError(f"{path} has no column {columns[column]}; its header is: {', '.join(header)}.")
            found[column] = columns[column]
            continue
        plain = {name.replace("_", "").strip().lower(): name for name in header}
        for alias in ALIASES[column]:
            if alias in plain:
                found[column] = plain[alias]
                break
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a movie file: UTF-8, or latin-1 as GroupLens wrote the older ones."""
    data = path.read_bytes() if path.is_file() else b""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    yield from ((number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _ml_100k_movies(path: Path) -> list[Movie]:
    movies = []
    for number, line in _lines(path):
        fields = line.split("|")
        if len(fields) != 5 + len(ML_100K_GENRES):
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where 24 are expected")
        genres = [genre for genre, flag in zip(ML_100K_GENRES, fields[5:], strict=True) if flag == "1"]
        movies.append(_movie(fields[0], fields[1], genres))
    return movies


def _ml_1m_movies(path: Path) -> list[Movie]:
    movies = []
    for number, line in _lines(path):
        fields = line.split("::")
        if len(fields) != 3:
            raise BadRowError(str(path), number, "(row)", f"{len(fields)} columns where 3 are expected")
        movies.append(_movie(fields[0], fields[1], fields[2].split("|")))
    return movies


def _csv_movies(path: Path) -> list[Movie]:
    if not path.is_file():
        raise DataError(f"There is no file of movies {path}.")
    names = _match(read_header(path), {}, ("movie_id", "title", "genres", "release_year"), path)
    for column in ("movie_id", "title"):
        if column not in names:
            raise DataError(f"{path} has no column {column}; a file of movies needs movie_id and title.")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as CSV: {error}") from error
    genres = frame[names["genres"]] if "genres" in names else [""] * len(frame)
    years = frame[names["release_year"]] if "release_year" in names else [""] * len(frame)
    movies = []
    rows = zip(frame[names["movie_id"]], frame[names["title"]], genres, years, strict=True)
    for number, (movie_id, title, genre_list, year) in enumerate(rows, 2):
        if not movie_id.strip():
            raise BadRowError(str(path), number, "movie_id", "empty")
        if year.strip() and not re.fullmatch(r"\d{4}", year.strip()):
            raise BadRowError(str(path), number, "release_year", "not a year")
        movies.append(_movie(movie_id.strip(), title, genre_list.split("|"), int(year) if year.strip() else None))
    return movies


def _movie(movie_id: str, title: str, genres: Sequence[str], year: int | None = None) -> Movie:
    """A movie; its year is the one its title ends with where none is given."""
    title = title.strip()
    found = _YEAR_IN_TITLE.search(title)
    if year is None and found:
        year = int(found[1])
    kept = [genre.strip() for genre in genres if genre.strip() and genre != "(no genres listed)"]
    return Movie(movie_id, title, kept, year)
