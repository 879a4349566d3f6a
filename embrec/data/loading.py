"""Loads ratings into the database: everything, or nothing."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.data.files.movies import Movie
from embrec.data.files.sources import Source
from embrec.data.files.users import User
from embrec.data.files.validate import NO_TIME, RejectedRow
from embrec.data.ids import key_order, map_ids
from embrec.data.ratings import refresh_statistics
from embrec.data.reading import RatingRows, read_ratings
from embrec.db import Bind, binary_copy
from embrec.errors import DataError


@dataclass(frozen=True)
class LoadReport:
    """What a load did, in rows.

    Attributes:
        read: Good rows in the input.
        inserted: Ratings that are new.
        updated: Ratings replaced by newer ones.
        unchanged: Rows that changed nothing: the database held the same or a newer rating, or a newer row followed.
        rejected: Bad rows set aside.
        new_users: Users seen for the first time.
        new_movies: Movies seen for the first time.
    """

    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    new_users: int
    new_movies: int


def load(
    bind: Bind,
    source: Source,
    reject_to: str | Path | None = None,
    progress: Callable[[float, int], None] = lambda share, rows: None,
) -> LoadReport:
    """Load a data set: everything, or nothing where something is wrong.

    Users and movies get their indexes by first appearance. A rating replaces the one the database holds for the
    same user and movie unless that one is newer; of several in one input the newest wins, and the last among
    equals. A rating without a time is older than any with one. Loading the same input again changes nothing. Labels of
    a user replace those that the database holds; users who never rated get no row.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        source: The data set, from :func:`embrec.data.files.sources.open_source` or
            :func:`embrec.data.files.sources.from_frame`.
        reject_to: A CSV file to write bad rows to, with file, line, column and reason; without it the first bad
            row stops the load.
        progress: Called with the share of the input read, 1 when all is, and the rows so far.

    Returns:
        Counts of what happened.

    Raises:
        BadRowError: A row is bad and ``reject_to`` is not given.
        DataError: The input cannot be read, or has no ratings.
        SchemaError: The schema is absent or behind.
    """
    if reject_to is not None:
        check_reject_file(Path(reject_to), source.files)
    with db.begin(bind) as connection:
        db.require_schema(connection)
    # This may take minutes, and holds no transaction of the engine's.
    rows, rejected = read_ratings(source, reject_to is not None, progress)
    movies, users = source.movies(), source.users()
    # Sorting goes on beside the server's work on the ids.
    with ThreadPoolExecutor(max_workers=1) as worker, db.begin(bind) as connection:
        sorting = worker.submit(_newest_of_each_pair, rows)
        lock_indexes(connection)
        user_indexes, new_users = map_ids(connection, "user", rows.user_ids)
        movie_indexes, new_movies = map_ids(connection, "movie", _with_unrated(rows.movie_ids, movies))
        describe_movies(connection, movies)
        _describe_users(connection, users)
        latest = sorting.result()
        inserted, updated = _merge_ratings(
            connection,
            user_indexes[rows.users[latest]],
            movie_indexes[rows.movies[latest]],
            rows.ratings[latest],
            rows.rated_at[latest],
        )
        refresh_statistics(connection)
    if reject_to is not None:
        write_rejected(Path(reject_to), rejected)
    read = len(rows.ratings)
    return LoadReport(read, inserted, updated, read - inserted - updated, len(rejected), new_users, new_movies)


def _with_unrated(rated: pa.StringArray, movies: Sequence[Movie]) -> pa.StringArray:
    """The movies that are rated, then those that are only described."""
    known = set(rated.to_pylist())
    others = dict.fromkeys(movie.movie_id for movie in movies if movie.movie_id not in known)
    return pa.concat_arrays([rated, pa.array(list(others), pa.string())])


def lock_indexes(connection: sa.Connection) -> None:
    """Let indexes be given out by one load at a time; readers are held up by the first alone (:func:`without_keys`)."""
    connection.execute(sa.text("LOCK TABLE embrec.users, embrec.movies IN SHARE ROW EXCLUSIVE MODE"))


def lock_ratings(connection: sa.Connection) -> None:
    """Let nobody else write ratings; readers go on."""
    connection.execute(sa.text("LOCK TABLE embrec.ratings IN SHARE ROW EXCLUSIVE MODE"))


def check_reject_file(path: Path, files: Sequence[Path]) -> None:
    """Refuse a reject file that could not be written, or would be written over the input, before anything is done."""
    if path.exists() and any(file.exists() and path.samefile(file) for file in files):
        raise DataError(f"The file for rejected rows, {path}, is the input itself. Name another.")
    if not path.parent.is_dir() or path.is_dir():
        raise DataError(f"The file for rejected rows, {path}, cannot be made there. Name another.")


def write_rejected(path: Path, rejected: Sequence[RejectedRow]) -> None:
    """Write bad rows and their reasons to a CSV file."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(RejectedRow._fields)
        writer.writerows(rejected)


def _newest_of_each_pair(rows: RatingRows) -> NDArray[np.int64]:
    """Positions of the newest rating of each user and movie, ordered by user, then movie.

    A rating without a time is the oldest; among equals the last in the input wins.
    """
    count = len(rows.ratings)
    position_bits, movie_bits = count.bit_length(), len(rows.movie_ids).bit_length()
    if position_bits + movie_bits + len(rows.user_ids).bit_length() < 64:
        # One integer sort, many times faster than a stable sort by several keys.
        packed = (rows.users.astype(np.int64) << movie_bits) | rows.movies
        packed = np.sort((packed << position_bits) | np.arange(count))
        order = packed & ((1 << position_bits) - 1)
        pair = packed >> position_bits
    else:
        order = np.lexsort((rows.movies, rows.users))
        pair = (rows.users[order].astype(np.int64) << 32) | rows.movies[order]
    same_as_next = pair[1:] == pair[:-1]
    if same_as_next.any():
        several = np.flatnonzero(np.append(same_as_next, False) | np.append(False, same_as_next))
        order[several] = order[several][np.lexsort((order[several], rows.rated_at[order[several]], pair[several]))]
    latest: NDArray[np.int64] = order[~np.append(same_as_next, False)]
    return latest


def describe_movies(connection: sa.Connection, movies: Sequence[Movie]) -> None:
    """Write titles, genres and years; of a movie listed twice the last is kept."""
    if not movies:
        return
    columns = "movie_id text, title text, genres text[], release_year smallint"
    with _staged(connection, "movies", columns) as table:
        types = ["text", "text", "text[]", "int2"]
        binary_copy.copy_rows(connection, table, types, {each.movie_id: each for each in movies}.values())
        connection.execute(
            sa.text(
                "WITH described AS ("
                "  SELECT m.movie_index, coalesce(i.title, m.title) AS title, coalesce(i.genres, m.genres) AS genres,"
                "    coalesce(i.release_year, m.release_year) AS release_year"
                f"  FROM {table} AS i JOIN embrec.movies AS m USING (movie_id)"
                ") UPDATE embrec.movies AS m SET title = d.title, genres = d.genres, release_year = d.release_year"
                " FROM described AS d WHERE m.movie_index = d.movie_index"
                " AND (m.title, m.genres, m.release_year) IS DISTINCT FROM (d.title, d.genres, d.release_year)"
            )
        )


def _describe_users(connection: sa.Connection, users: Sequence[User]) -> None:
    """Write labels in place of earlier ones; of a user listed twice the last are kept. Who never rated has no row."""
    if not users:
        return
    with _staged(connection, "users", "user_id text, labels text[]") as table:
        binary_copy.copy_rows(connection, table, ["text", "text[]"], {each.user_id: each for each in users}.values())
        connection.execute(
            sa.text(
                f"UPDATE embrec.users AS u SET labels = nullif(i.labels, '{{}}') FROM {table} AS i"
                " WHERE u.user_id = i.user_id AND u.labels IS DISTINCT FROM nullif(i.labels, '{}')"
            )
        )


def _merge_ratings(
    connection: sa.Connection,
    users: NDArray[np.int32],
    movies: NDArray[np.int32],
    ratings: NDArray[np.float32],
    rated_at: NDArray[np.int64],
) -> tuple[int, int]:
    """Put ratings, one per user and movie, into the table; returns how many were inserted and updated."""
    order = key_order(users, movies)  # by key: four times faster into an index
    columns: list[NDArray[Any]] = [users[order], movies[order], ratings[order], rated_at[order]]
    if no_ratings(connection):
        lock_ratings(connection)
    if no_ratings(connection):  # still; somebody may have rated meanwhile
        with without_keys(connection) as truncated:
            _copy_ratings(connection, "embrec.ratings", columns, freeze=truncated)
        return len(users), 0
    with staged_ratings(connection) as table:
        _copy_ratings(connection, table, columns)
        return merge_staged(connection, table)


def no_ratings(connection: sa.Connection) -> bool:
    """Whether there are none yet."""
    return bool(connection.scalar(sa.text("SELECT NOT EXISTS (SELECT FROM embrec.ratings)")))


def staged_ratings(connection: sa.Connection) -> contextlib.AbstractContextManager[str]:
    """A temporary table for ratings that are to be merged, with the columns of ``embrec.ratings``; yields its name."""
    columns = "user_index integer, movie_index integer, rating real, rated_at timestamptz"
    return _staged(connection, "ratings", columns)


@contextlib.contextmanager
def _staged(connection: sa.Connection, name: str, columns: str) -> Iterator[str]:
    """A temporary table for rows that are to be put in their place; yields its name."""
    connection.execute(sa.text(f"CREATE TEMP TABLE embrec_{name} ({columns}) ON COMMIT DROP"))
    yield f"pg_temp.embrec_{name}"
    connection.execute(sa.text(f"DROP TABLE pg_temp.embrec_{name}"))


def merge_staged(connection: sa.Connection, staged: str) -> tuple[int, int]:
    """Put staged ratings, one per user and movie, in place of older ones; how many were inserted, and updated."""
    inserted, updated = connection.execute(
        sa.text(
            "WITH merged AS ("
            "  INSERT INTO embrec.ratings AS r (user_index, movie_index, rating, rated_at)"
            f"  SELECT user_index, movie_index, rating, rated_at FROM {staged}"
            "  ON CONFLICT (user_index, movie_index)"
            "  DO UPDATE SET rating = excluded.rating, rated_at = excluded.rated_at"
            "  WHERE (r.rating, r.rated_at) IS DISTINCT FROM (excluded.rating, excluded.rated_at)"
            "    AND (r.rated_at IS NULL OR excluded.rated_at >= r.rated_at)"
            # A row that this statement inserted has no deleting transaction; one that it updated has.
            "  RETURNING r.xmax = 0 AS is_new"
            ") SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM merged"
        )
    ).one()
    return inserted, updated


@contextlib.contextmanager
def without_keys(connection: sa.Connection) -> Iterator[bool]:
    """Fill the empty ratings table without its keys, and add them when the rows are there.

    Checking two foreign keys row by row costs ten times the rest of a load. Dropping them locks users, movies and
    ratings for everybody until the load ends, which is why only an empty table is filled so. Only its owner may;
    anybody else fills the table as it is. Yields whether the table was truncated, so that its rows may be frozen.
    """
    owner = connection.scalar(
        sa.text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('embrec.ratings')")
    )
    if not owner:
        yield False
        return
    keys = connection.execute(
        sa.text(
            "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = to_regclass('embrec.ratings') AND contype IN ('p', 'f') ORDER BY contype DESC"
        )
    ).all()
    drops = ", ".join(f"DROP CONSTRAINT {name}" for name, _ in keys)
    connection.execute(sa.text(f"ALTER TABLE embrec.ratings {drops}"))
    connection.execute(sa.text("TRUNCATE embrec.ratings"))  # it is empty; this lets COPY freeze its rows
    yield True
    for name, definition in keys:
        connection.execute(sa.text(f"ALTER TABLE embrec.ratings ADD CONSTRAINT {name} {definition}"))
    connection.execute(sa.text("ANALYZE embrec.ratings"))


def _copy_ratings(connection: sa.Connection, table: str, columns: Sequence[NDArray[Any]], freeze: bool = False) -> None:
    users, movies, ratings, rated_at = columns
    timed = rated_at != NO_TIME
    if timed.any():
        times = binary_copy.timestamps(rated_at[timed])
        binary_copy.copy_arrays(
            connection,
            f"{table} (user_index, movie_index, rating, rated_at)",
            [users[timed], movies[timed], ratings[timed], times],
            freeze,
        )
    if not timed.all():
        binary_copy.copy_arrays(
            connection,
            f"{table} (user_index, movie_index, rating)",
            [users[~timed], movies[~timed], ratings[~timed]],
            freeze,
        )
