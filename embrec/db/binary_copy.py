"""Many rows at once: arrays into tables by binary COPY, and out again as arrays, vectors bit for bit."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import psycopg
import psycopg.copy
import sqlalchemy as sa
from numpy.typing import NDArray
from psycopg.pq import TransactionStatus

from embrec import db
from embrec.db import copy_format

if TYPE_CHECKING:
    import pyarrow as pa

# Called with what is done, and with all there is to do.
Progress = Callable[[int, int], None]

# The server's types by the names of Arrow's.
_TYPES = {"int32": "int4", "double": "float8", "string": "text"}
# COPY sends 65,536 rows at a time, because a thread makes the next block while one is sent.
COPY_BLOCK_ROWS = 1 << 16
BLOCKS_PER_ARRAY = 128
# An interrupted COPY waits at most 2 seconds for the server to give it up, and then closes the connection.
STOP_SECONDS = 2.0


def copy_arrays(
    connection: sa.Connection,
    target: str,
    arrays: Sequence[copy_format.Column],
    freeze: bool = False,
    progress: Progress = lambda done, of: None,
) -> None:
    """Write rows by binary COPY, without a Python object for any of them.

    Args:
        connection: The transaction to write in.
        target: Table and columns, such as ``embrec.ratings (user_index, rating)``.
        arrays: One array of n values per column, of a dtype as wide as the column's type (int32 for integer,
            float32 for real, bytes of one length for text, int64 for bigint and, from
            :func:`embrec.db.copy_format.timestamps`, timestamptz). Masked values of a masked array are NULL. An Arrow
            array of large_string is text, with its nulls. An array of shape (n, d) goes bit for bit into a vector
            column if it is of float32, into a halfvec column if of float16, and into a column of integer[] if of int32.
        freeze: Spare the first reader and the first vacuum from rewriting every page; allowed for a table that this
            transaction has made or truncated.
        progress: Called with the rows that are sent, and all rows.
    """
    rows = len(arrays[0])
    with _copying(connection, f"COPY {target} FROM STDIN (FORMAT binary, FREEZE {freeze})") as copy:
        copy.write(copy_format.SIGNATURE)
        for start in range(0, rows, COPY_BLOCK_ROWS):
            stop = min(start + COPY_BLOCK_ROWS, rows)
            copy.write(copy_format.encoded([array[start:stop] for array in arrays]))
            progress(stop, rows)
        copy.write(copy_format.TRAILER)


def copy_lists(
    connection: sa.Connection,
    target: str,
    keys: Sequence[NDArray[Any]],
    starts: NDArray[np.int64],
    lists: Sequence[NDArray[Any]],
) -> None:
    """Write rows that end with arrays of different lengths by binary COPY.

    Args:
        connection: The transaction to write in.
        target: Table and columns, the arrays' last.
        keys: One array of n values for each column before, of a dtype as wide as the column's type.
        starts: int64 of shape (n + 1,), the position of each row's first element, and the number of all.
        lists: For each array the elements of all rows, int32 for integer[] and float32 for real[].
    """
    with _copying(connection, f"COPY {target} FROM STDIN (FORMAT binary)") as copy:
        copy.write(copy_format.SIGNATURE)
        for block in copy_format.encoded_lists(keys, starts, lists):
            copy.write(block)
        copy.write(copy_format.TRAILER)


def copy_rows(connection: sa.Connection, target: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows that hold text or arrays by binary COPY.

    Args:
        connection: The transaction to write in.
        target: Table and columns, such as ``embrec.users (user_index, user_id)``.
        types: The columns' PostgreSQL types.
        rows: The rows, as Python values.
    """
    with _copying(connection, f"COPY {target} FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def copy_table(connection: sa.Connection, target: str, rows: pa.Table) -> None:
    """Write rows of an Arrow table by CSV COPY, without a Python object for any of them.

    Args:
        connection: The transaction to write in.
        target: Table and columns, such as ``embrec.users (user_index, user_id)``.
        rows: One column for each, of int32, float64 or text.
    """
    import pyarrow as pa  # only here: vectors are written without it
    import pyarrow.compute as pc
    import pyarrow.csv

    texts = [column for column in rows.columns if pa.types.is_string(column.type)]
    if any(pc.any(pc.match_substring(text, "\n")).as_py() for text in texts):
        # A line of backslash and dot ends CSV data before PostgreSQL 18.
        types = [_TYPES[str(column.type)] for column in rows.columns]
        copy_rows(connection, target, types, zip(*(column.to_pylist() for column in rows.columns), strict=True))
        return
    with _copying(connection, f"COPY {target} FROM STDIN (FORMAT csv, ENCODING 'UTF8')") as copy:
        for batch in rows.to_batches(max_chunksize=COPY_BLOCK_ROWS):
            buffer = pa.BufferOutputStream()
            pa.csv.write_csv(batch, buffer, pa.csv.WriteOptions(include_header=False))
            copy.write(buffer.getvalue().to_pybytes())


@contextlib.contextmanager
def _copying(connection: sa.Connection, statement: str) -> Iterator[psycopg.Copy]:
    """Run a COPY into the database; an interruption ends it at once, in the server too.

    A connection that stays in the COPY is given up, or the error of its rollback would hide the interruption.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    try:
        with driver.cursor() as cursor, cursor.copy(statement, writer=_AheadWriter(cursor)) as copy:
            yield copy
    except BaseException:
        if driver.info.transaction_status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN):
            connection.invalidate()
        raise


class _AheadWriter(psycopg.copy.LibpqWriter):
    """A writer whose thread sends a block to the server while the caller makes the next one."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._sender = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._sending: concurrent.futures.Future[None] | None = None

    def write(self, data: psycopg.abc.Buffer) -> None:
        """Send a block, once the one before is sent."""
        self._wait()
        self._sending = self._sender.submit(super().write, data)

    def finish(self, exc: BaseException | None = None) -> None:
        """End the COPY."""
        try:
            if exc is None:
                self._wait()
                super().finish()
        except BaseException as error:  # also a Ctrl-C while the last block is sent
            exc = error
            raise
        finally:
            if exc is not None:
                self._abandon(exc)
            self._sender.shutdown(wait=False)

    def _wait(self) -> None:
        if self._sending is not None:
            self._sending.result()

    def _abandon(self, error: BaseException) -> None:
        """Have the server stop, which then drops the rest of the block in progress, and leave the COPY."""
        if self.connection.info.transaction_status != TransactionStatus.ACTIVE:
            return  # the server has refused it
        with contextlib.suppress(psycopg.Error):  # the first error is the one to show
            self.connection.cancel_safe(timeout=STOP_SECONDS)
        if self._sending is not None:
            concurrent.futures.wait([self._sending], STOP_SECONDS)
        with contextlib.suppress(psycopg.Error):
            super().finish(error)


def query_arrays(connection: sa.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Stream the rows of a query whose array columns come as numpy arrays.

    One array of thousands of values costs the server and us a fraction of as many rows.

    Args:
        connection: The transaction to read in; one statement is one snapshot.
        query: A SELECT. Arrays of integer, bigint, real and vector, without NULLs, become int32, int64, float32
            and float32 of shape (n, d); other columns are Python values.
    """
    with _cursor(connection) as cursor:
        for name, dtype in (("int4", ">i4"), ("int8", ">i8"), ("float4", ">f4")):
            array_oid = psycopg.adapters.types[name].array_oid
            cursor.adapters.register_loader(array_oid, _array_loader(np.dtype(dtype)))
        if vector := psycopg.types.TypeInfo.fetch(cursor.connection, f"{db.extension_schema(connection)}.vector"):
            cursor.adapters.register_loader(vector.array_oid, _array_loader(None))
        yield from cursor.stream(query.encode(), binary=True)


def read_by_blocks(connection: sa.Connection, table: str, aggregates: str) -> list[tuple[Any, ...]]:
    """Read a big table a piece at a time, in one statement and so from one snapshot.

    Args:
        connection: The transaction to read in.
        table: The table. All rows of a partitioned table are read, and those of tables that inherit from it.
        aggregates: Aggregates to select for each piece, array first, such as ``array_agg(user_index), max(rated_at)``.

    Returns:
        A row for each piece that has rows, its arrays as :func:`query_arrays` gives them.
    """
    members = connection.execute(
        sa.text(
            "WITH RECURSIVE members AS (SELECT CAST(CAST(:table AS regclass) AS oid) AS oid"
            " UNION SELECT i.inhrelid FROM members AS m JOIN pg_inherits AS i ON i.inhparent = m.oid)"
            " SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'f' FROM members AS m JOIN pg_class AS c"
            " ON c.oid = m.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'f')"
        ),
        {"table": table},
    ).all()
    if not members:
        return []
    query = " UNION ALL ".join(_pieces(name, aggregates, foreign) for name, foreign in members)
    return [piece for piece in query_arrays(connection, query) if piece[0] is not None]


def _pieces(table: str, aggregates: str, foreign: bool) -> str:
    """Return the query for aggregates of each block of one table; a foreign table is one block."""
    if foreign:
        return f"(SELECT {aggregates} FROM {table})"
    literal = "'" + table.replace("'", "''") + "'"
    blocks = f"pg_relation_size({literal}) / current_setting('block_size')::integer"
    return (
        f"SELECT piece.* FROM generate_series(0, {blocks}, {BLOCKS_PER_ARRAY}) AS block,"
        f" LATERAL (SELECT {aggregates} FROM ONLY {table} WHERE ctid >= format('(%s,0)', block)::tid"
        f" AND ctid < format('(%s,0)', block + {BLOCKS_PER_ARRAY})::tid) AS piece"
    )


def _array_loader(dtype: np.dtype[Any] | None) -> type[psycopg.adapt.Loader]:
    """A loader of binary arrays: after 20 bytes of header each element is its length and its value.

    Args:
        dtype: The elements' type, or None for vectors: two int16 (the dimension and nothing), then float32.
    """

    class ArrayLoader(psycopg.adapt.Loader):
        format = psycopg.pq.Format.BINARY

        def load(self, data: psycopg.abc.Buffer) -> NDArray[Any]:
            payload = bytes(data)
            fields: list[tuple[Any, ...]] = [("length", ">i4")]
            if dtype is None:
                dimensions = int.from_bytes(payload[24:26], "big")
                fields += [("header", ">i2", (2,)), ("value", ">f4", (dimensions,))]
            else:
                fields.append(("value", dtype))
            values = np.frombuffer(payload, np.dtype(fields), offset=20)["value"]
            return np.ascontiguousarray(values, values.dtype.newbyteorder("="))

    return ArrayLoader


def _cursor(connection: sa.Connection) -> psycopg.Cursor[Any]:
    """Return a cursor of the underlying driver, in the same transaction."""
    return db.driver_connection(connection).cursor()
