"""A check that a database is unchanged after a refused call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'embrec'::regnamespace AND relkind IN ('r', 'p', 'm') ORDER BY relname
"""
LEFT_BEHIND = """
SELECT
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relnamespace <> 'pg_toast'::regnamespace
        AND relkind = 'r') AS temporary_tables,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND state LIKE 'idle in transaction%') AS open_transactions,
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS advisory_locks
"""


def contents(connection: sa.Connection) -> dict[str, tuple[int, str]]:
    """Return the number of rows and a digest of them, for each table of the schema."""
    tables = connection.scalars(sa.text(TABLES)).all()
    assert len(tables) > 8, "or nothing is looked at"
    query = " UNION ALL ".join(
        f"SELECT '{table}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
        f" FROM embrec.{table} AS t"
        for table in tables
    )
    return {table: (count, digest) for table, count, digest in connection.execute(sa.text(query))}


@contextlib.contextmanager
def unchanged(engine: sa.Engine) -> Iterator[None]:
    """Check that the body stores nothing, and leaves no connection, transaction or temporary table."""
    with engine.connect() as connection:
        before = contents(connection)
    yield
    assert engine.pool.checkedout() == 0, "a connection was not given back"  # type: ignore[attr-defined]
    with engine.connect() as connection:
        assert contents(connection) == before
        assert tuple(connection.execute(sa.text(LEFT_BEHIND)).one()) == (0, 0, 0)
