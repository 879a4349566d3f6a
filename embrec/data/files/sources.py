"""Reads data sets as chunks of ratings or events, movies and users: MovieLens folders, text, Parquet, DataFrames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embrec.data.files.columns import (
    DEFAULT_TYPE,
    EVENTS,
    RATINGS,
    TIMES,
    Naming,
    row_columns,
    shown,
)
from embrec.data.files.delimited import read_delimited, read_first_line, split_header
from embrec.data.files.json_lines import is_json, read_json_rows
from embrec.data.files.movies import Movie, check_movie, read_csv_movies, read_ml_1m_movies, read_ml_100k_movies
from embrec.data.files.users import User, read_csv_users, read_ml_1m_users, read_ml_100k_users
from embrec.data.files.validate import RawRows
from embrec.errors import DataError

if TYPE_CHECKING:
    import pandas as pd  # text files do not need it, and importing it takes as long as reading a million rows


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        name: The file or folder, for messages.
        rows: Reads the ratings or events, chunk by chunk. It is given a function to call with the share of the
            input read so far, between 0 and 1.
        movies: Reads the movies; none for a data set that has only ids.
        users: Reads the side information on users; none for a data set that has only ids.
        files: The files it reads.
        event_type: The type of events that have no type of their own.
    """

    name: str
    rows: Callable[[Callable[[float], None]], Iterator[RawRows]]
    movies: Callable[[], list[Movie]]
    users: Callable[[], list[User]]
    files: tuple[Path, ...] = ()
    event_type: str = DEFAULT_TYPE


def open_source(
    path: str | Path,
    movies: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    users: str | Path | None = None,
    movie_columns: Mapping[str, str] | None = None,
    event_type: str | None = None,
) -> Source:
    """Recognise a data set by its files.

    Args:
        path: A MovieLens folder (100K: u.data; 1M and 10M: ratings.dat; latest, 20M and newer: ratings.csv),
            or a file of ratings or events. That is a text file with a header, separated by commas, semicolons, tabs,
            bars or ``::``, a file like MovieLens's ratings.dat, JSON lines, each of which may be compressed (.gz,
            .bz2), or Parquet (.parquet). Rows without a column of ratings are events.
        movies: A file of movies (movie_id, title, genres, release_year) of such a kind, for a file of rows.
        columns: The column names of the rows, by our names, if they differ:
            ``{"user_id": "customer", "movie_id": "film"}``. Ratings have rating and rated_at, events event_type, value,
            occurred_at and external_id; whoever names one of the events' columns has a file of events.
        users: A file of users (user_id and any columns, which :func:`embrec.data.files.users.label_users` makes labels
            of) of such a kind, for a file of rows.
        movie_columns: The column names of the movies, by our names, if they differ.
        event_type: The type of all rows, which are events then; None to read a column of types, if there is one.

    Raises:
        ArgumentError: The rows are said to be both ratings and events.
        DataError: There is no such path, or it is none of these.
    """
    path, naming = Path(path), Naming(columns or {}, event_type)
    movie_file, user_file = (None if each is None else Path(each) for each in (movies, users))
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except OSError as error:
        raise DataError(f"The path {shown([str(path)])} cannot be used: {error.strerror}. Check it.") from error
    if not is_file and not is_folder:
        raise DataError(f"There is no file or folder {path}. Check the path, or run: embrec load ml-100k")
    for described, file in (("movies", movie_file), ("users", user_file)):
        if file is not None:
            _require_file(described, file)
    if is_file:
        return Source(
            str(path),
            lambda progress: _file_rows(path, naming, progress),
            lambda: [] if movie_file is None else read_movie_file(movie_file, movie_columns or {}),
            lambda: [] if user_file is None else _user_file(user_file),
            tuple(file for file in (path, movie_file, user_file) if file is not None),
            naming.default_type,
        )
    if movies is not None or users is not None or columns or movie_columns or event_type:
        raise DataError(f"{path} is a folder, and folders have names of their own. Name a file with these options.")
    if (path / "u.data").is_file():
        return Source(
            str(path),
            lambda progress: _headless_rows(path / "u.data", b"\t", naming, progress),
            lambda: read_ml_100k_movies(path / "u.item"),
            lambda: _where_there_is(path / "u.user", read_ml_100k_users),
            (path / "u.data", path / "u.item", path / "u.user"),
        )
    if (path / "ratings.dat").is_file():
        return Source(
            str(path),
            lambda progress: _headless_rows(path / "ratings.dat", b"::", naming, progress),
            lambda: read_ml_1m_movies(path / "movies.dat"),
            lambda: _where_there_is(path / "users.dat", read_ml_1m_users),
            (path / "ratings.dat", path / "movies.dat", path / "users.dat"),
        )
    if (path / "ratings.csv").is_file():
        return Source(
            str(path),
            lambda progress: _file_rows(path / "ratings.csv", naming, progress),
            lambda: read_csv_movies(path / "movies.csv", years_in_titles=True),
            list,  # none of these data sets says anything of its users
            (path / "ratings.csv", path / "movies.csv"),
        )
    raise DataError(
        f"The folder {path} holds no u.data, ratings.dat or ratings.csv, so it is no MovieLens data set. "
        "Name a file of ratings or events instead, CSV or Parquet."
    )


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def read_movie_file(path: Path, columns: Mapping[str, str]) -> list[Movie]:
    """Return the movies of a file of the kinds that :func:`open_source` takes.

    Args:
        path: The file.
        columns: Its names of columns, by ours, if they differ; content and text are read if they are named.

    Raises:
        DataError: There is no such file, or it cannot be read.
        BadRowError: A row is no movie.
    """
    _require_file("movies", path)
    if not _is_parquet(path):
        return read_csv_movies(path, columns)
    from embrec.data.files.parquet import read_parquet_movies

    return read_parquet_movies(path, columns)


def _require_file(described: str, path: Path) -> None:
    if not path.is_file():
        raise DataError(f"There is no file of {described} {path}. Check the path.")


def _user_file(path: Path) -> list[User]:
    if not _is_parquet(path):
        return read_csv_users(path)
    from embrec.data.files.parquet import read_parquet_users

    return read_parquet_users(path)


def _where_there_is(path: Path, read: Callable[[Path], list[User]]) -> list[User]:
    return read(path) if path.is_file() else []


def from_frame(
    frame: pd.DataFrame,
    movies: Sequence[Movie] | pd.DataFrame = (),
    name: str = "DataFrame",
    users: pd.DataFrame | None = None,
    event_type: str | None = None,
) -> Source:
    """Read ratings or events from a DataFrame.

    Args:
        frame: Columns user_id, movie_id, rating and, if known, rated_at (datetime, or seconds since 1970). Without
            rating the rows are events, and may have event_type, value, occurred_at and external_id.
        movies: Titles, genres and years of the movies: a DataFrame with the columns movie_id, title and, if known,
            genres (lists, or text as A|B) and release_year, or a list.
        name: A name for messages; a row is named by its position, from 1.
        users: Side information on users: a column user_id and any others, which
            :func:`embrec.data.files.users.label_users` makes labels of.
        event_type: The type of all rows, which are events then.

    Raises:
        ArgumentError: The type is none.
        DataError: A column is missing, or holds what cannot be an id, a rating or a time.
    """
    import pandas as pd

    from embrec.data.files.frames import check_frame, frame_movies, frame_text, frame_users

    check_frame(frame, "Ratings or events", EVENTS.needed)
    naming = Naming(event_type=event_type)
    kind = EVENTS if event_type is not None or "rating" not in frame.columns else RATINGS
    if users is not None:
        check_frame(users, "Users", ("user_id",))
    if isinstance(movies, pd.DataFrame):
        check_frame(movies, "Movies", ("movie_id", "title"))

    def described() -> list[Movie]:
        if isinstance(movies, pd.DataFrame):
            return frame_movies(movies, f"{name} of movies")
        return [check_movie(movie, name, 1 + row) for row, movie in enumerate(movies)]

    given = [column for column in (*TIMES, *kind.options) if column in frame.columns]
    if event_type is not None and "event_type" in given:
        given.remove("event_type")
    # Either name of the time will do; the kind's own, if both are there.
    names = {kind.time if column in TIMES else column: column for column in given}
    arrays = {column: frame_text(frame[theirs], column) for column, theirs in names.items()}
    raw = RawRows(name, arrays, np.arange(1, len(frame) + 1), [])
    return Source(
        name,
        lambda progress: iter([raw]),
        described,
        lambda: [] if users is None else frame_users(users, f"{name} of users"),
        event_type=naming.default_type,
    )


def _headless_rows(
    path: Path, separator: bytes, naming: Naming, progress: Callable[[float], None], count: int = 4
) -> Iterator[RawRows]:
    """u.data and ratings.dat: user, movie, rating, seconds; of two columns, events."""
    header = list(RATINGS.options)[:count]
    yield from read_delimited(path, separator, row_columns(header, naming, path), header, False, progress)


def _file_rows(path: Path, naming: Naming, progress: Callable[[float], None]) -> Iterator[RawRows]:
    """A file's rows: of Parquet, of JSON lines, of a file like ratings.dat, or of text with a header."""
    if _is_parquet(path):
        from embrec.data.files.parquet import read_parquet_rows

        yield from read_parquet_rows(path, naming, progress)
        return
    first = read_first_line(path)
    if is_json(first):
        yield from read_json_rows(path, naming, progress)
        return
    header, separator = split_header(path, first)
    if separator == b"::" and all(name.replace(".", "").isdecimal() for name in header):
        yield from _headless_rows(path, separator, naming, progress, len(header))
        return
    yield from read_delimited(path, separator, row_columns(header, naming, path), header, True, progress)
