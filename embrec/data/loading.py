"""Loads ratings or events into the database: everything, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from embrec import db
from embrec.data import scale as scales
from embrec.data.files.movies import Movie
from embrec.data.files.sources import Source, from_frame
from embrec.data.ids import map_ids
from embrec.data.merge import (
    LoadReport,
    begin_load,
    count_loaded,
    describe_movies,
    describe_users,
    merge_rows,
    prefer_lookups,
    take_numbers,
)
from embrec.data.ratings import apply_followed
from embrec.data.reading import EventRows, read_rows
from embrec.data.rejects import check_reject_file, write_rejected
from embrec.data.to_load import Columns, EventsToLoad, RatingsToLoad
from embrec.db import Bind, binary_copy, copy_format

if TYPE_CHECKING:
    import pandas as pd

# The steps of storing: giving out indexes, sending the rows, merging them or building keys, counting them.
STEPS = ("ids", "copy", "merge", "count")


def load(
    bind: Bind,
    source: Source | pd.DataFrame,
    reject_to: str | Path | None = None,
    progress: Callable[[float, int], None] = lambda share, rows: None,
    on_store: Callable[[str, int, int], None] = lambda step, done, of: None,
    scale: tuple[float, float] | None = None,
) -> LoadReport:
    """Load a data set of ratings or events: everything, or nothing if something is wrong.

    Users and movies get their indexes by first appearance. A rating replaces the one the database holds for the
    same user and movie unless that one is newer; of several in one input the newest wins, and the last among
    equals. A rating without a time is older than any with one. Loading the same input again changes nothing. Labels of
    a user replace those that the database holds; users without a rating or an event get no row.

    Rows without a rating are events. All of them are stored, in the order of the input, which is the order of events of
    one time or none. An event whose external id is known changes nothing, and nor does one without that the database
    holds already: as often as there are events of the same user, movie, type, value and time.

    Args:
        bind: An engine, or a connection whose transaction is the caller's.
        source: A DataFrame with the columns user_id, movie_id, rating and, if known, rated_at; one of events with
            the columns user_id, movie_id and, if known, event_type, value, occurred_at and external_id; or a data set
            from :func:`embrec.data.files.sources.open_source` or :func:`embrec.data.files.sources.from_frame`.
        reject_to: A CSV file to write bad rows to, with file, line, column and reason; without it the first bad
            row stops the load.
        progress: Called with the share of the input read, 1 when all is, and the rows so far.
        on_store: Called while the rows are stored, with a step of ``STEPS``, the rows done and all rows.
        scale: The lowest and the highest rating, put on record by the first load; None to take those of its ratings.

    Returns:
        Counts of what happened.

    Raises:
        BadRowError: A row is bad and ``reject_to`` is not given.
        DataError: The input cannot be read, or has no rows; another scale is on record, in a first load a rating is
            far from all others, or a scale is given for events.
        ConflictError: The scale was changed meanwhile.
        SchemaError: The schema is absent or behind.
    """
    given = None if scale is None else scales.checked(scale)
    if not isinstance(source, Source):
        source = from_frame(source)
    check_reject_file(reject_to, source.files)
    with db.begin(bind) as connection:
        db.require_schema(connection)
        bounds = scales.for_loading(connection, given)
    # This may take minutes, and holds no transaction of the engine's.
    rows, rejected = read_rows(source, reject_to is not None, progress, bounds)
    loaded: RatingsToLoad | EventsToLoad
    if isinstance(rows, EventRows):
        loaded = EventsToLoad(rows, given, source.name)
    else:
        loaded = RatingsToLoad(rows, given, source.name)
    movies, users = source.movies(), source.users()
    # Sorting goes on beside the server's work on the ids.
    with ThreadPoolExecutor(max_workers=1) as worker, db.begin(bind) as connection:
        choosing = worker.submit(loaded.chosen)
        on_store("ids", 0, 0)
        begin_load(connection, loaded.target, loaded.sets_scale(connection))
        prefer_lookups(connection)
        loaded.begin(connection)
        user_indexes, new_users = map_ids(connection, "user", rows.user_ids)
        movie_indexes, new_movies = map_ids(connection, "movie", _with_described(rows.movie_ids, movies))
        years_left_out = describe_movies(connection, movies)
        describe_users(connection, users)
        columns = loaded.columns(user_indexes, movie_indexes, choosing.result())
        inserted, updated = merge_rows(
            connection,
            loaded.target,
            lambda table, bare: _copy(connection, worker, table, loaded, columns, bare, on_store),
        )
        loaded.finish(connection)
    apply_followed(bind)
    if inserted + updated + new_movies:
        on_store("count", 0, 0)
        count_loaded(bind)
    write_rejected(reject_to, rejected)
    read = len(rows.users)
    return LoadReport(
        read=read,
        inserted=inserted,
        updated=updated,
        unchanged=read - inserted - updated,
        rejected=len(rejected),
        new_users=new_users,
        new_movies=new_movies,
        years_left_out=years_left_out,
        kind=loaded.target.name,
        types=loaded.types,
        new_types=loaded.new_types,
    )


def _with_described(found: pa.StringArray, movies: Sequence[Movie]) -> pa.StringArray:
    """Return the movies that rows name, then those that are only described."""
    known = set(found.to_pylist())
    others = dict.fromkeys(movie.movie_id for movie in movies if movie.movie_id not in known)
    return pa.concat_arrays([found, pa.array(list(others), pa.string())])


def _copy(
    connection: sa.Connection,
    worker: Executor,
    table: str,
    loaded: RatingsToLoad | EventsToLoad,
    columns: Columns,
    bare: bool,
    on_store: Callable[[str, int, int], None],
) -> int:
    """Write rows to a table, and note them for the counts if it is bare; returns how many there are."""
    count = len(columns["user_index"])
    counting = worker.submit(_counts, columns["movie_index"], columns[loaded.target.counted_by]) if bare else None
    if bare and loaded.target.numbered_by is not None:
        columns = {loaded.target.numbered_by: take_numbers(connection, loaded.target, count), **columns}
    binary_copy.copy_arrays(
        connection,
        f"{table} ({', '.join(columns)})",
        list(columns.values()),
        bare,
        lambda done, of: on_store("copy", done, of),
    )
    if counting is not None:
        binary_copy.copy_arrays(connection, loaded.target.uncounted, counting.result())
    on_store("merge", 0, 0)
    return count


def _counts(movies: copy_format.Column, values: copy_format.Column) -> Sequence[copy_format.Column]:
    """Return how many rows of each value a movie has: movies, values, numbers."""
    rows = pa.table({"movie": movies, "value": values})
    grouped = rows.group_by(["movie", "value"]).aggregate([([], "count_all")])
    return [grouped[name].to_numpy() for name in ("movie", "value", "count_all")]
