"""Loads ratings or events that the database has already: in SQL, without taking them out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from embrec import db
from embrec.data import scale as scales
from embrec.data.files.columns import EVENTS
from embrec.data.files.movies import Movie
from embrec.data.ids import add_new_ids, map_ids, map_types
from embrec.data.merge import (
    LoadReport,
    allow_memory,
    begin_load,
    count_loaded,
    describe_movies,
    merge_rows,
    no_rows,
    prefer_lookups,
)
from embrec.data.ratings import apply_followed
from embrec.data.rejects import (
    MOST_REJECTED,
    RejectedRow,
    check_reject_file,
    refuse_many_types,
    refuse_too_many,
    write_rejected,
)
from embrec.data.table_source import Reading, TableSource, read_movies, read_source, run
from embrec.data.targets import EVENTS_TABLE, RATINGS_TABLE, Target
from embrec.db.tables import load_watermarks
from embrec.errors import BusyError, DataError

LOCK_SECONDS = 5
_TRIES = 3


def load_from_table(
    engine: sa.Engine,
    source: TableSource,
    reject_to: str | Path | None = None,
    progress: Callable[[float], None] = lambda share: None,
    scale: tuple[float, float] | None = None,
) -> LoadReport:
    """Load ratings or events of a table or a query of the database: everything, or nothing if something is wrong.

    What holds for :func:`embrec.data.loading.load` holds here, but that new users and movies get their indexes in the
    order of their ids. Events of one time, or of none, keep the order of the query; those of a table go by external_id,
    numbers by size, and without one by their place in the table.

    All is read from one snapshot, and whoever else writes such rows waits until it is done; so do readers, while the
    first load of all builds the keys. With a watermark, what was loaded is remembered in the same transaction, and a
    load that finds nothing new is none to complain of. Rows that were deleted from the table are not noticed; the
    triggers of ``embrec.follow_table()`` notice them.

    Args:
        engine: The database; this role must also be allowed to read the table.
        source: The table or the query.
        reject_to: A CSV file to write bad rows to; without it the first bad row stops the load.
        progress: Called with the share of the work done, between 0 and 1.
        scale: The lowest and the highest rating, as for :func:`embrec.data.loading.load`.

    Returns:
        Counts of what happened.

    Raises:
        DataError: There is no such table or column, a row is invalid and ``reject_to`` is not given, or there are no
            rows at all; another scale is on record, in a first load a rating is far from all others, or a scale is
            given for events.
        BusyError: Another session wrote such rows in a long transaction, at each of three tries.
        SchemaError: The schema is absent or behind.
    """
    given = None if scale is None else scales.checked(scale)
    db.require_engine(engine)
    check_reject_file(reject_to)
    with db.begin(engine) as connection:
        db.require_schema(connection)
        reading = read_source(connection, source)
        if reading.kind is EVENTS and given is not None:
            raise DataError(f"{reading.name} has events, and a scale is one of ratings. Load it without --scale.")
        target = EVENTS_TABLE if reading.kind is EVENTS else RATINGS_TABLE
    for tries_left in reversed(range(_TRIES)):
        try:
            report, rejected = _load(engine, source, target, given, reject_to is not None, progress)
            break
        except BusyError:
            if not tries_left:
                raise
            time.sleep(LOCK_SECONDS)
    apply_followed(engine)
    write_rejected(reject_to, rejected)
    return report


def _load(
    engine: sa.Engine,
    source: TableSource,
    target: Target,
    given: scales.Scale | None,
    rejecting: bool,
    progress: Callable[[float], None],
) -> tuple[LoadReport, list[RejectedRow]]:
    # One snapshot: a row that is committed between two of our statements has an id that we have not mapped.
    with db.begin(engine, "REPEATABLE READ") as connection:
        # Before the snapshot, which the first SELECT takes: what a trigger took away meanwhile would be put back.
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))  # others wait in the queue behind us
        begin_load(connection, target, alone=True)
        connection.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))
        prefer_lookups(connection)
        reading = read_source(connection, source, scales.for_loading(connection, given))
        movies = read_movies(connection, source.movies_query) if source.movies_query else []
        total = _stage(connection, reading, _since_watermark(connection, source, target, reading))
        progress(0.2)
        rejected = _bad_rows(connection, reading, rejecting)
        if total == len(rejected) and source.watermark is None:
            raise DataError(f"{reading.name} has no {target.name}. Nothing was stored; name a table that has rows.")
        new_users, new_movies = _map_ids(connection, "user"), _map_ids(connection, "movie")
        _, unrated = map_ids(connection, "movie", _ids(movies))
        years_left_out = describe_movies(connection, movies)
        types, new_types = _map_types(connection, reading) if target is EVENTS_TABLE else ((), ())
        progress(0.3)
        inserted, updated = merge_rows(connection, target, lambda table, bare: _write(connection, target, table, bare))
        if source.watermark is not None:
            _remember(connection, source, reading)
        if inserted + updated and target is RATINGS_TABLE:
            scales.keep(connection, reading.name, given)
    progress(0.9)
    if inserted + updated + new_movies + unrated:
        count_loaded(engine)
    read = total - len(rejected)
    unchanged = read - inserted - updated
    report = LoadReport(
        read=read,
        inserted=inserted,
        updated=updated,
        unchanged=unchanged,
        rejected=len(rejected),
        new_users=new_users,
        new_movies=new_movies + unrated,
        years_left_out=years_left_out,
        kind=target.name,
        types=types,
        new_types=new_types,
    )
    return report, rejected


def _ids(movies: Sequence[Movie]) -> pa.StringArray:
    return pa.array(list(dict.fromkeys(movie.movie_id for movie in movies)), pa.string())


def _since_watermark(connection: sa.Connection, source: TableSource, target: Target, reading: Reading) -> str:
    """A condition on the rows that may not have been loaded yet."""
    if source.watermark is None or no_rows(connection, target):
        return "true"
    stored = connection.scalar(
        sa.select(load_watermarks.c.watermark).where(
            load_watermarks.c.source == reading.key, load_watermarks.c.watermark_column == source.watermark
        )
    )
    return "true" if stored is None else reading.since(stored)


def _remember(connection: sa.Connection, source: TableSource, reading: Reading) -> None:
    """Keep how far was read; a time yet to come would keep the rows until then from being read."""
    connection.execute(
        sa.text(
            "INSERT INTO embrec.load_watermarks AS w (source, watermark_column, watermark)"
            " SELECT :source, :column, least(max(watermark), now()) FROM pg_temp.embrec_source"
            " HAVING max(watermark) IS NOT NULL"
            " ON CONFLICT (source, watermark_column) DO UPDATE SET"
            "   watermark = greatest(w.watermark, excluded.watermark), loaded_at = excluded.loaded_at"
        ),
        {"source": reading.key, "column": source.watermark},
    )


def _stage(connection: sa.Connection, reading: Reading, new_rows: str) -> int:
    """Read the source, once, into a temporary table; returns how many rows there are.

    A query that samples, or has no order, gives other rows each time it is run.
    """
    allow_memory(connection)
    if reading.kind is EVENTS:
        # Rows come in the order of the query, or of their places in the table, and not as workers find them.
        connection.execute(sa.text("SET LOCAL synchronize_seqscans = off"))
        connection.execute(sa.text("SET LOCAL max_parallel_workers_per_gather = 0"))
    staged = run(connection, f"CREATE TEMP TABLE embrec_source ON COMMIT DROP AS {reading.select(new_rows)}")
    connection.execute(sa.text("ANALYZE pg_temp.embrec_source"))
    return staged.rowcount


def _bad_rows(connection: sa.Connection, reading: Reading, rejecting: bool) -> list[RejectedRow]:
    """Return the rows that cannot be stored."""
    rows = connection.execute(
        sa.text(
            "SELECT fault, raw, left(CAST(user_id AS text), 40) AS user_id, left(CAST(movie_id AS text), 40) AS"
            " movie_id FROM pg_temp.embrec_source WHERE fault IS NOT NULL LIMIT :most"
        ),
        {"most": MOST_REJECTED + 1 if rejecting else 1},
    ).all()
    if not rows:
        return []
    rejected = []
    for number, row in enumerate(rows, 1):
        column, _, reason = row.fault.partition(": ")
        rejected.append(RejectedRow(reading.name, number, column, reason, ",".join(value or "" for value in row.raw)))
    first = rejected[0]
    if not rejecting:
        raise DataError(
            f"{reading.name} has an invalid row: {first.column} is {first.reason} (user {rows[0].user_id or ''!r}, "
            f"movie {rows[0].movie_id or ''!r}). Nothing was stored; fix the row, leave it out by --from-query, or "
            "load with --reject-to FILE to set bad rows aside."
        )
    where = f"column {first.column}: {first.reason}"
    refuse_too_many(reading.name, rejected, where, "check which columns are named")
    return rejected


def _map_ids(connection: sa.Connection, side: str) -> int:
    """Give indexes to ids that are new, and make the temporary table of all the source's; returns how many were new."""
    connection.execute(
        sa.text(
            f"CREATE TEMP TABLE embrec_{side}_ids ON COMMIT DROP AS"
            f" SELECT DISTINCT {side}_id AS id FROM pg_temp.embrec_source WHERE fault IS NULL"
        )
    )
    # Whole numbers by size, whatever their type, and text the same in every collation.
    order = 'length(CAST(id AS text)), CAST(id AS text) COLLATE "C", CAST(id AS text)'
    new = add_new_ids(connection, side, f"pg_temp.embrec_{side}_ids", order)
    connection.execute(
        sa.text(
            f"CREATE TEMP TABLE embrec_{side}_map ON COMMIT DROP AS SELECT i.id, k.{side}_index"
            f" FROM pg_temp.embrec_{side}_ids AS i JOIN embrec.{side}s AS k ON k.{side}_id = CAST(i.id AS text)"
        )
    )
    connection.execute(sa.text(f"ANALYZE pg_temp.embrec_{side}_map"))
    return new


def _map_types(connection: sa.Connection, reading: Reading) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give numbers to types of events that are new; returns the types of the source, and those that were new."""
    found = connection.scalars(
        sa.text(
            "SELECT event_type FROM pg_temp.embrec_source WHERE fault IS NULL"
            " GROUP BY event_type ORDER BY min(position)"
        )
    )
    types = tuple(found)
    refuse_many_types(reading.name, types)
    return types, map_types(connection, types)[1]


# In the order of the key, so that a user's ratings lie together.
_NEWEST_RATINGS = """
(user_index, movie_index, rating, rated_at)
SELECT DISTINCT ON (user_index, movie_index) u.user_index, m.movie_index, s.rating, s.rated_at
FROM pg_temp.embrec_source AS s
JOIN pg_temp.embrec_user_map AS u ON u.id = s.user_id
JOIN pg_temp.embrec_movie_map AS m ON m.id = s.movie_id
WHERE s.fault IS NULL
ORDER BY user_index, movie_index, rated_at DESC NULLS LAST, rating DESC
"""
_EVENTS_IN_ORDER = """
(user_index, movie_index, event_type, value, occurred_at, external_id)
SELECT u.user_index, m.movie_index, t.event_type, s.value, s.occurred_at, s.external_id
FROM (
    SELECT *, external_id IS NOT NULL AND row_number() OVER (PARTITION BY external_id ORDER BY position) > 1 AS again
    FROM pg_temp.embrec_source WHERE fault IS NULL
) AS s
JOIN pg_temp.embrec_user_map AS u ON u.id = s.user_id
JOIN pg_temp.embrec_movie_map AS m ON m.id = s.movie_id
JOIN embrec.event_types AS t ON t.name = s.event_type
WHERE NOT s.again
ORDER BY s.position
"""


def _write(connection: sa.Connection, target: Target, table: str, bare: bool) -> int:
    """Put the source's rows into a table, and note them for the counts if it is bare; returns how many there are.

    Of ratings that is the newest of each user and movie, of events the first with an external id.
    """
    rows = _EVENTS_IN_ORDER if target is EVENTS_TABLE else _NEWEST_RATINGS
    written = connection.execute(sa.text(f"INSERT INTO {table} {rows}")).rowcount
    if bare:
        connection.execute(
            sa.text(
                f"INSERT INTO {target.uncounted}"
                f" SELECT movie_index, {target.counted_by}, count(*) FROM {table} GROUP BY 1, 2"
            )
        )
    return written
