"""The database's side of a load, whatever the input: locks, staging tables, descriptions, and the merge of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec.data.content import store_content
from embrec.data.files.movies import Movie, year_of
from embrec.data.files.users import User
from embrec.data.ratings import count_changes
from embrec.data.targets import Target
from embrec.db import Bind, binary_copy
from embrec.errors import DatabaseError

# A load waits 10 seconds for a transaction that gives out indexes.
LOCK_SECONDS = 10
# The hashes of a million users, and the sort of their rows.
WORK_MEMORY = "256MB"
# The ids of a few rows are looked up in the indexes, which are in memory; the default of 4 reads all users for them.
RANDOM_PAGE_COST = 1.1


@dataclass(frozen=True)
class LoadReport:
    """The result of a load, in rows.

    Attributes:
        read: Good rows in the input.
        inserted: Ratings or events that are new.
        updated: Ratings replaced by newer ones.
        unchanged: Rows that changed nothing: the database held the same event, or the same or a newer rating, or a
            newer row followed.
        rejected: Bad rows set aside.
        new_users: Users seen for the first time.
        new_movies: Movies seen for the first time.
        years_left_out: Release years that were stored as unknown, because they are none between 1800 and 2199.
        kind: ``ratings`` or ``events``.
        types: The types of the events.
        new_types: Those seen for the first time; they have the weight 1.
    """

    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    new_users: int
    new_movies: int
    years_left_out: int = 0
    kind: str = "ratings"
    types: tuple[str, ...] = ()
    new_types: tuple[str, ...] = ()


def lock_indexes(connection: sa.Connection) -> None:
    """Let this load alone give out indexes; readers are held up by the first load alone, which drops keys.

    Raises:
        BusyError: Another transaction has given some out and stays open; the message names its process.
    """
    connection.execute(sa.text(f"SELECT embrec.lock_indexes({LOCK_SECONDS})"))
    # For lock_indexes: whoever waits for a load waits for longer.
    connection.execute(sa.text("SELECT pg_advisory_xact_lock_shared(hashtext('embrec.load'), 0)"))


def prefer_lookups(connection: sa.Connection) -> None:
    """Have the transaction's small loads look ids up by index; hashing a million users takes half a second."""
    connection.execute(
        sa.text(
            f"SELECT set_config('random_page_cost', '{RANDOM_PAGE_COST}', true)"
            f" WHERE CAST(current_setting('random_page_cost') AS double precision) > {RANDOM_PAGE_COST}"
        )
    )


def allow_memory(connection: sa.Connection) -> None:
    """Let the transaction sort and hash in memory what a load may have; the default of 4 MB takes twice the time."""
    connection.execute(
        sa.text(
            f"SELECT set_config('work_mem', '{WORK_MEMORY}', true)"
            f" WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('{WORK_MEMORY}')"
        )
    )


def lock_rows(connection: sa.Connection, target: Target) -> None:
    """Lock out other writers of a table; readers go on."""
    connection.execute(sa.text(f"LOCK TABLE {target.table} IN SHARE ROW EXCLUSIVE MODE"))


def begin_load(connection: sa.Connection, target: Target, alone: bool = False) -> None:
    """Lock a table, and only then the indexes, which is the order of add_rating and add_event.

    In the other order a load and a transaction that has written a row and meets a new user would wait for each other.

    Args:
        connection: The transaction of the load.
        target: The table.
        alone: Whether to lock out other writers; it is so anyhow while the table is empty.
    """
    if not alone:
        # The savepoint gives the reader's lock back, behind which another first load could not drop keys.
        look = connection.begin_nested()
        alone = no_rows(connection, target)
        look.rollback()
    if alone:
        lock_rows(connection, target)
    else:
        connection.execute(sa.text(f"LOCK TABLE {target.table} IN ROW EXCLUSIVE MODE"))
    lock_indexes(connection)


def no_rows(connection: sa.Connection, target: Target) -> bool:
    """Check whether a table has no rows yet."""
    return bool(connection.scalar(sa.text(f"SELECT NOT EXISTS (SELECT FROM {target.table})")))


def describe_movies(connection: sa.Connection, movies: Sequence[Movie]) -> int:
    """Write titles, genres, years and content; of a movie listed twice the last is kept.

    Returns:
        The number of years left out, because they are none.
    """
    if not movies:
        return 0
    last = {each.movie_id: each for each in movies}.values()
    years = [None if each.release_year is None else year_of(each.release_year) for each in last]
    columns = "movie_id text, title text, genres text[], release_year smallint"
    with _staged(connection, "movies", columns) as table:
        types = ["text", "text", "text[]", "int2"]
        rows = ((*each[:3], year) for each, year in zip(last, years, strict=True))
        binary_copy.copy_rows(connection, table, types, rows)
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
    store_content(connection, list(last))
    return sum(year is None and each.release_year is not None for each, year in zip(last, years, strict=True))


def describe_users(connection: sa.Connection, users: Sequence[User]) -> None:
    """Write labels in place of earlier ones, by the last row of each user. Users without ratings get none."""
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


def merge_rows(connection: sa.Connection, target: Target, write: Callable[[str, bool], int]) -> tuple[int, int]:
    """Merge rows into a table.

    Args:
        connection: The transaction to write in.
        target: The table.
        write: Writes the rows to a table with the columns of the target and returns how many there are. Of ratings
            there is one for a user and movie, of events one for an external id. It is given the table's name, and
            whether that is bare: COPY may freeze its rows, and no trigger notes them for the counts, so that it also
            notes them itself.

    Returns:
        How many rows were inserted, and how many updated.
    """
    if no_rows(connection, target):
        lock_rows(connection, target)
    if no_rows(connection, target):  # still; somebody may have written meanwhile
        with _without_keys(connection, target) as bare:
            return write(target.table, bare), 0
    with _staged(connection, target.name, target.staged) as table:
        write(table, False)
        allow_memory(connection)
        connection.execute(sa.text(f"ANALYZE {table}"))
        inserted, updated = connection.execute(sa.text(target.merge.format(staged=table))).one()
        return inserted, updated


def take_numbers(connection: sa.Connection, target: Target, count: int) -> NDArray[np.int64]:
    """Take the next numbers of a table's identity column; one at a time they cost a quarter of the server's COPY.

    Args:
        connection: The transaction to write in; it has locked out other writers.
        target: A table with an identity column.
        count: The number of rows, at least 1.

    Returns:
        int64 of shape (count,), rising by 1.
    """
    last = connection.scalar(
        sa.text(
            "SELECT setval(s.name, nextval(s.name) + :count - 1)"
            " FROM CAST(pg_get_serial_sequence(:table, :column) AS regclass) AS s (name)"
        ),
        {"table": target.table, "column": target.numbered_by, "count": count},
    )
    return np.arange(last - count + 1, last + 1, dtype=np.int64)


def count_loaded(bind: Bind) -> None:
    """Count the rows that a load changed, outside its locks: a change of the range makes counting read all ratings.

    Raises:
        DatabaseError: It failed. The rows of an engine's load are stored.
    """
    try:
        count_changes(bind)
    except DatabaseError as error:
        if isinstance(bind, sa.Connection):
            raise
        raise type(error)(
            "The rows are stored, and counting them for popular movies failed: "
            f"{str(error).partition('. ')[0]}. Count them by SQL: SELECT embrec.refresh_statistics()"
        ) from error


@contextlib.contextmanager
def _without_keys(connection: sa.Connection, target: Target) -> Iterator[bool]:
    """Fill an empty table without its keys and indexes, and add them when the rows are there.

    Checking foreign keys row by row costs ten times the rest of a load. Dropping them locks users, movies and
    the table for everybody until the load ends, which is why only an empty table is filled so. Only its owner may, and
    only if nothing of the host's depends on the keys, such as a foreign key to ratings. Otherwise, or
    if the host has partitioned the table, it is filled as it is. Yields whether the table is bare: truncated, so that
    its rows may be frozen, and without the trigger that notes rows for the counts, which would keep a copy of each.
    """
    may = connection.scalar(
        sa.text(
            "SELECT pg_has_role(relowner, 'USAGE') AND relkind = 'r' FROM pg_class WHERE oid = to_regclass(:table)"
        ),
        {"table": target.table},
    )
    keys = connection.execute(
        sa.text(
            "SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = to_regclass(:table) AND contype IN ('p', 'f') ORDER BY contype DESC"
        ),
        {"table": target.table},
    ).all()
    indexes = connection.execute(
        sa.text(
            "SELECT c.oid::regclass::text, pg_get_indexdef(c.oid) FROM pg_index AS i JOIN pg_class AS c"
            " ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass(:table) AND c.relname = ANY (:names)"
        ),
        {"table": target.table, "names": list(target.indexes)},
    ).all()
    if not may or not _drop(connection, target, [name for name, _ in keys], [name for name, _ in indexes]):
        yield False
        return
    yield True
    for name, definition in keys:
        connection.execute(sa.text(f"ALTER TABLE {target.table} ADD CONSTRAINT {name} {definition}"))
    for _, definition in indexes:
        connection.execute(sa.text(definition))
    connection.execute(sa.text(f"ALTER TABLE {target.table} ENABLE TRIGGER note_inserted"))
    connection.execute(sa.text(f"ANALYZE {target.table}"))


def _drop(connection: sa.Connection, target: Target, keys: Sequence[str], indexes: Sequence[str]) -> bool:
    """Drop keys and indexes, and truncate, so that COPY may freeze rows; false if something depends on them."""
    savepoint = connection.begin_nested()
    drops = "".join(f", DROP CONSTRAINT {key}" for key in keys)
    try:
        # Before any lock that a session which counts would wait for.
        for counts in (target.counts, f"uncounted_{target.name}"):
            connection.execute(sa.text(f"DELETE FROM embrec.{counts}"))
        connection.execute(sa.text(f"ALTER TABLE {target.table} DISABLE TRIGGER note_inserted{drops}"))
        for index in indexes:
            connection.execute(sa.text(f"DROP INDEX {index}"))
        connection.execute(sa.text(f"TRUNCATE {target.table}"))
    except sa.exc.DBAPIError as error:
        savepoint.rollback()
        if isinstance(error.orig, psycopg.errors.DependentObjectsStillExist | psycopg.errors.FeatureNotSupported):
            return False
        raise
    savepoint.commit()
    return True


@contextlib.contextmanager
def _staged(connection: sa.Connection, name: str, columns: str) -> Iterator[str]:
    """Make a temporary table for rows that are to be put in their place; yields its name."""
    connection.execute(sa.text(f"CREATE TEMP TABLE embrec_{name} ({columns}) ON COMMIT DROP"))
    yield f"pg_temp.embrec_{name}"
    connection.execute(sa.text(f"DROP TABLE pg_temp.embrec_{name}"))
