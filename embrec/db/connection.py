"""Engines, and transactions on them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa

from embrec import config
from embrec.config import DatabaseSetting
from embrec.db.driver_errors import translated_errors
from embrec.errors import ArgumentError, LocalServerError, UnreachableError

# Library functions take either; a connection's transaction is the caller's.
Bind = sa.Engine | sa.Connection
T = TypeVar("T")
# A server that is restarted is back within a minute.
RETRY_SECONDS = 60.0


# Advice for what callers give instead of an engine, by the name of its class or of a base of it.
_INSTEAD = {
    "str": "give an Engine: embrec.create_engine(url)",
    "URL": "give an Engine: embrec.create_engine(url)",
    "Session": "give its connection: session.connection()",
    "scoped_session": "give its connection: session.connection()",
    "sessionmaker": "give the connection of a session that it makes: session.connection()",
    **dict.fromkeys(
        ("AsyncEngine", "AsyncConnection", "AsyncSession", "async_scoped_session", "async_sessionmaker"),
        "embrec waits for its answers: give an Engine, embrec.create_engine(url), and call it by asyncio.to_thread",
    ),
}


def create_engine(url: str | sa.URL | DatabaseSetting) -> sa.Engine:
    """Make an engine for a PostgreSQL database.

    Args:
        url: A libpq URL or keyword string, an ``sqlalchemy.URL``, or a setting from
            :func:`embrec.config.database_setting`.

    Returns:
        An engine that tests pooled connections before use, gives up on a server that does not answer after 10 seconds
        (or what the URL's connect_timeout or PGCONNECT_TIMEOUT says), shows no bound values in errors, and uses no
        server-side prepared statements, so that it also works behind PgBouncer in transaction mode.

    Raises:
        ConfigError: The URL cannot be read.
        ArgumentError: The argument is no URL.
    """
    setting = url if isinstance(url, DatabaseSetting) else config.parse_database_url(_url_text(url), "the argument")
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
        use_native_hstore=False,  # looking for that type takes three round trips of a new engine
    )
    sa.event.listen(engine, "connect", _readable_times)
    return engine


def _url_text(url: object) -> str:
    """Return a URL as text, with its password."""
    if isinstance(url, sa.URL):
        return url.render_as_string(hide_password=False)
    if not isinstance(url, str):
        raise ArgumentError(f"The database's URL is {_named(url)}; give text, such as {config.URL_FORM}.")
    return url


def _readable_times(connection: psycopg.Connection[Any], record: object) -> None:
    """Set the session's DateStyle to ISO 8601, the only format that the driver reads."""
    if not (connection.pgconn.parameter_status(b"DateStyle") or b"").startswith(b"ISO"):
        connection.execute("SET DateStyle = ISO")
        connection.commit()


def open_engine(
    url: str | sa.URL | None = None,
    notify: Callable[[str], None] = lambda message: None,
    direct: bool = False,
    migrate: bool = True,
) -> sa.Engine:
    """Make an engine for the configured database, or for the embedded one if none is configured.

    The embedded one belongs to this user alone, so its schema is made, and brought to this release, when it is opened.

    Args:
        url: A database URL that takes precedence over the environment.
        notify: Called with one line when the embedded database is used.
        direct: True if the engine needs a session of the server's own: EMBREC_DIRECT_URL then goes before DATABASE_URL.
        migrate: False to leave the schema of the embedded database as it is.

    Raises:
        ConfigError: The configured URL cannot be read.
        LocalServerError: Nothing is configured and the embedded server cannot be started.
        SchemaError: The embedded database cannot be migrated.
    """
    setting = config.database_setting(None if url is None else _url_text(url), direct)
    if setting is not None:
        return create_engine(setting)
    server = local_server()
    notify(f"No database is configured; using the embedded one in {server.home}")
    engine = create_engine(server.start())
    if migrate:
        _migrate(engine, notify)
    return engine


def _migrate(engine: sa.Engine, notify: Callable[[str], None]) -> None:
    """Bring the schema to this release, if it is absent or behind."""
    from embrec.db import requirements

    with begin(engine) as connection:
        fault = requirements.schema_fault(connection, requirements.current_revision(connection))
    if fault:
        from embrec.db import schema  # only here: importing Alembic takes long, and upgrades are rare

        notify(f"{fault} Migrating it.")
        schema.upgrade(engine)
        engine.dispose()  # sessions that began before the upgrade have the search_path of before


def local_server() -> Any:
    """The embedded server of this user, as :class:`embrec.db.embedded.LocalServer`.

    Raises:
        LocalServerError: The optional packages it needs are not installed.
    """
    try:
        from embrec.db import embedded
    except ImportError as error:
        raise LocalServerError(
            "No database is configured, and the embedded one is not installed. "
            f"Set DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE, or run: {config.install_command('local')}"
        ) from error
    return embedded.LocalServer(embedded.default_home())


@contextlib.contextmanager
def begin(bind: Bind, isolation: str = "READ COMMITTED") -> Iterator[sa.Connection]:
    """A connection to work on: the caller's own, whose transaction stays the caller's, or one from the engine.

    Args:
        bind: An engine or a connection.
        isolation: Isolation level of a transaction of the engine's, whatever the database's default is: under
            SERIALIZABLE a load would be given up for any rating that comes meanwhile.

    Raises:
        ArgumentError: The argument is neither.
        UnreachableError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
        DatabaseError: The server refused a statement.
    """
    require_bind(bind)
    with translated_errors():
        if isinstance(bind, sa.Connection):
            yield bind
        else:
            with bind.execution_options(isolation_level=isolation).begin() as connection:
                yield connection


def require_bind(bind: object) -> None:
    """Check that an argument is an Engine or a Connection, and of PostgreSQL.

    Raises:
        ArgumentError: It is not; the message says what to give instead.
    """
    if not isinstance(bind, sa.Engine | sa.Connection):
        names = [each.__name__ for each in type(bind).__mro__]
        advice = "give an Engine: embrec.create_engine(url), or embrec.open_engine() for the configured database"
        raise ArgumentError(
            f"The database is {_named(bind)}; {next((_INSTEAD[name] for name in names if name in _INSTEAD), advice)}."
        )
    if bind.dialect.name != "postgresql":
        raise ArgumentError(f"The database is one of {bind.dialect.name}; give an Engine for PostgreSQL.")


def require_engine(engine: object) -> None:
    """Check that an argument is an Engine, for functions that take several transactions.

    Raises:
        ArgumentError: It is not; the message says what to give instead.
    """
    require_bind(engine)
    if not isinstance(engine, sa.Engine):
        raise ArgumentError(
            "The database is a Connection, and this takes several transactions; give connection.engine."
        )


def require_connection(connection: object) -> None:
    """Check that an argument is a Connection, for functions whose effect ends with a transaction.

    Raises:
        ArgumentError: It is not; the message says what to give instead.
    """
    require_bind(connection)
    if not isinstance(connection, sa.Connection):
        raise ArgumentError(
            "The database is an Engine, and this lasts as long as a transaction; give a Connection: "
            "with engine.begin() as connection"
        )


def driver_connection(connection: sa.Connection) -> psycopg.Connection[Any]:
    """Return the driver's own connection, for what SQLAlchemy does not have.

    Raises:
        ArgumentError: The driver is not psycopg 3.
    """
    found: object = connection.connection.dbapi_connection  # a detached one has no driver_connection
    if not isinstance(found, psycopg.Connection):
        raise ArgumentError(
            f"The Engine uses the driver {connection.dialect.driver}, and this takes psycopg 3; give an Engine of "
            "embrec.create_engine(url)."
        )
    return found


def _named(value: object) -> str:
    """Return the kind of a value, never the value: it may have a password in it."""
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}."
    return "None" if value is None else f"of type {module}{kind.__name__}"


def retrying(action: Callable[[], T], seconds: float = RETRY_SECONDS) -> T:
    """Run an action in the database, and repeat it while the server cannot be reached, as after a restart.

    Args:
        action: Begins its own transaction, so that a second try starts from nothing.
        seconds: Seconds to go on trying.

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
