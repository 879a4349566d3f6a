"""Loads ratings into the database: everything, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.data import scale as scales
from embrec.data.arrays import NO_TIME, key_order
from embrec.data.files.movies import Movie
from embrec.data.files.sources import Source, from_frame
from embrec.data.ids import map_ids
from embrec.data.merge import (
    LoadReport,
    count_loaded,
    describe_movies,
    describe_users,
    lock_indexes,
    lock_ratings,
    merge_ratings,
    prefer_lookups,
)
from embrec.data.ratings import apply_followed
from embrec.data.reading import RatingRows, read_ratings
from embrec.data.rejects import check_reject_file, write_rejected
from embrec.db import Bind, binary_copy
from embrec.errors import ConflictError

# The steps of storing: giving out indexes, sending the ratings, merging them or building keys, counting them.
STEPS = ("ids", "copy", "merge", "count")


def load(
    bind: Bind,
    source: Source | pd.DataFrame,
    reject_to: str | Path | None = None,
    progress: Callable[[float, int], None] = lambda share, rows: None,
    on_store: Callable[[str, int, int], None] = lambda step, done, of: None,
    scale: tuple[float, float] | None = None,
) -> LoadReport:
    """Load a data set: everything, or nothing if something is wrong.

    Users and movies get their indexes by first appearance. A rating replaces the one the database holds for the
    same user and movie unless that one is newer; of several in one input the newest wins, and the last among
    equals. A rating without a time is older than any with one. Loading the same input again changes nothing. Labels of
    a user replace those that the database holds; users who never rated get no row.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        source: A DataFrame with the columns user_id, movie_id, rating and, if known, rated_at; or a data set from
            :func:`embrec.data.files.sources.open_source` or :func:`embrec.data.files.sources.from_frame`.
        reject_to: A CSV file to write bad rows to, with file, line, column and reason; without it the first bad
            row stops the load.
        progress: Called with the share of the input read, 1 when all is, and the rows so far.
        on_store: Called while the ratings are stored, with a step of ``STEPS``, the rows done and all rows.
        scale: The lowest and the highest rating, put on record by the first load; None to take those of its ratings.

    Returns:
        Counts of what happened.

    Raises:
        BadRowError: A row is bad and ``reject_to`` is not given.
        DataError: The input cannot be read, or has no ratings; another scale is on record, or in a first load a
            rating is far from all others.
        ConflictError: The scale was changed meanwhile.
        SchemaError: The schema is absent or behind.
    """
    given = None if scale is None else scales.checked(scale)
    if isinstance(source, pd.DataFrame):
        source = from_frame(source)
    check_reject_file(reject_to, source.files)
    with db.begin(bind) as connection:
        db.require_schema(connection)
        bounds = scales.for_loading(connection, given)
    # This may take minutes, and holds no transaction of the engine's.
    rows, rejected = read_ratings(source, reject_to is not None, progress, bounds)
    movies, users = source.movies(), source.users()
    # Sorting goes on beside the server's work on the ids.
    with ThreadPoolExecutor(max_workers=1) as worker, db.begin(bind) as connection:
        sorting = worker.submit(_newest_of_each_pair, rows)
        on_store("ids", 0, 0)
        lock_indexes(connection)
        prefer_lookups(connection)
        if scales.get_rating_scale(connection) is None:
            lock_ratings(connection)  # add_rating reads the scale once it has its own lock
        if scales.for_loading(connection, given).beyond(rows.ratings).any():
            raise ConflictError(
                "The scale of ratings was changed while these were read. Nothing was stored; load again."
            )
        user_indexes, new_users = map_ids(connection, "user", rows.user_ids)
        movie_indexes, new_movies = map_ids(connection, "movie", _with_unrated(rows.movie_ids, movies))
        years_left_out = describe_movies(connection, movies)
        describe_users(connection, users)
        latest = sorting.result()
        columns = _by_key(
            user_indexes[rows.users[latest]],
            movie_indexes[rows.movies[latest]],
            rows.ratings[latest],
            rows.rated_at[latest],
        )
        inserted, updated = merge_ratings(
            connection, lambda table, bare: _copy_ratings(connection, worker, table, columns, bare, on_store)
        )
        scales.keep(connection, source.name, given)
    apply_followed(bind)
    if inserted + updated + new_movies:
        on_store("count", 0, 0)
        count_loaded(bind)
    write_rejected(reject_to, rejected)
    read = len(rows.ratings)
    unchanged = read - inserted - updated
    return LoadReport(read, inserted, updated, unchanged, len(rejected), new_users, new_movies, years_left_out)


def _with_unrated(rated: pa.StringArray, movies: Sequence[Movie]) -> pa.StringArray:
    """The movies that are rated, then those that are only described."""
    known = set(rated.to_pylist())
    others = dict.fromkeys(movie.movie_id for movie in movies if movie.movie_id not in known)
    return pa.concat_arrays([rated, pa.array(list(others), pa.string())])


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


def _by_key(
    users: NDArray[np.int32], movies: NDArray[np.int32], ratings: NDArray[np.float32], rated_at: NDArray[np.int64]
) -> Sequence[NDArray[Any]]:
    """The columns of ``embrec.ratings`` in the order of its key, which fills the index four times faster."""
    order = key_order(users, movies)
    return users[order], movies[order], ratings[order], rated_at[order]


def _copy_ratings(
    connection: sa.Connection,
    worker: Executor,
    table: str,
    columns: Sequence[NDArray[Any]],
    bare: bool,
    on_store: Callable[[str, int, int], None],
) -> int:
    """Write ratings to a table, and note them for the counts if it is bare; returns how many there are."""
    users, movies, ratings, rated_at = columns
    numbers = worker.submit(_numbers, movies, ratings) if bare else None
    count, timed = len(ratings), rated_at != NO_TIME
    untimed = int(np.count_nonzero(~timed))
    if untimed < count:
        binary_copy.copy_arrays(
            connection,
            f"{table} (user_index, movie_index, rating, rated_at)",
            [users[timed], movies[timed], ratings[timed], binary_copy.timestamps(rated_at[timed])],
            bare,
            lambda done, of: on_store("copy", done, count),
        )
    if untimed:
        binary_copy.copy_arrays(
            connection,
            f"{table} (user_index, movie_index, rating)",
            [users[~timed], movies[~timed], ratings[~timed]],
            bare,
            lambda done, of: on_store("copy", count - of + done, count),
        )
    if numbers is not None:
        binary_copy.copy_arrays(connection, "embrec.uncounted_ratings (movie_index, rating, number)", numbers.result())
    on_store("merge", 0, 0)
    return count


def _numbers(movies: NDArray[np.int32], ratings: NDArray[np.float32]) -> Sequence[NDArray[Any]]:
    """Return how many ratings of each value a movie has: movies, values, numbers."""
    grouped = (
        pa.table({"movie": movies, "rating": ratings}).group_by(["movie", "rating"]).aggregate([([], "count_all")])
    )
    return [grouped[name].to_numpy() for name in ("movie", "rating", "count_all")]
