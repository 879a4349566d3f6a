"""The PostgreSQL server of a test session, and a database of its own for each test.

The server is EMBREC_TEST_DATABASE_URL, or a container if a Docker engine answers, or the embedded one.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import absl.logging
import pytest
import sqlalchemy as sa
from homes import temporary_home
from psycopg.conninfo import make_conninfo

from embrec import config, db
from embrec.cli import main
from embrec.db import schema
from embrec.db.embedded import LocalServer

# Durability is off, because a server for tests need not survive a power cut. Its log of changes stays small.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_wal_size": "256MB"}
IMAGE = os.environ.get("EMBREC_TEST_IMAGE", "pgvector/pgvector:pg18")
TEMPLATE = f"embrec_test_template_{os.getpid()}"  # two processes may share a server
# The number of posterior draws in docs/sql.md's examples.
MOVIELENS_DRAWS = 20

_numbers = itertools.count()
_server_used = "none was needed"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"PostgreSQL server of this session: {_server_used}")


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the session's server, a browser, or a model trained on MovieLens, by their fixtures."""
    for item in items:
        for fixture, mark in (("server_url", "server"), ("browser", "browser"), ("movielens_template", "slow")):
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def pytest_configure() -> None:
    """Let signals stop processes also if the tests run in the background or by nohup, which ignore them."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
    # Keras imports absl, whose handler has pytest's own file for a stream, and closes it when uvicorn sets up its log.
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(autouse=True)
def no_configured_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset all database variables, so that no test reaches a database that the developer has configured."""
    for name in (config.DIRECT_URL_VARIABLE, *config.URL_VARIABLES, *config.LIBPQ_VARIABLES, "PGUSER", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the session's server, with a role that may create databases, roles and extensions."""
    global _server_used
    with contextlib.ExitStack() as stack:
        if url := os.environ.get("EMBREC_TEST_DATABASE_URL"):
            _server_used = "EMBREC_TEST_DATABASE_URL"
        elif url := _container_url(stack):
            _server_used = f"container of {IMAGE}"
        else:
            url = _embedded_url(stack)
            _server_used = f"embedded ({_why_no_container})"
        yield url


_why_no_container = "no Docker engine answers"


def _container_url(stack: contextlib.ExitStack) -> str | None:
    global _why_no_container
    import docker
    from testcontainers.community.postgres import PostgresContainer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker leaves its socket open if no engine answers
        try:
            client = docker.from_env()
        except docker.errors.DockerException:
            client = None
        gc.collect()
    if client is None:
        return None
    stack.callback(client.close)
    try:
        client.images.get(IMAGE)
    except docker.errors.ImageNotFound:
        try:
            client.images.pull(IMAGE)
        except docker.errors.APIError as error:
            _why_no_container = f"a Docker engine answers but has no image {IMAGE}: {error.explanation}"
            return None
    settings = " ".join(f"-c {name}={value}" for name, value in FAST_SETTINGS.items())
    container = PostgresContainer(IMAGE, driver="psycopg").with_command(f"postgres {settings}")
    stack.enter_context(container)
    return container.get_connection_url()


def _embedded_url(stack: contextlib.ExitStack) -> str:
    server = LocalServer(stack.enter_context(temporary_home("embrec-test-")), FAST_SETTINGS)
    stack.callback(server.stop)
    return server.start()


def with_database(url: str, name: str, **others: str) -> str:
    """The same server's URL for another database (or role, or password)."""
    parameters = config.parse_database_url(url, "the test").parameters
    return make_conninfo("", **{**parameters, "dbname": name, **others})


@pytest.fixture(scope="session")
def admin(server_url: str) -> Iterator[sa.Engine]:
    """An engine for statements about the server itself, in autocommit."""
    engine = db.create_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@contextlib.contextmanager
def _temporary_database(admin: sa.Engine, server_url: str, template: str) -> Iterator[str]:
    name = f"embrec_test_{os.getpid()}_{next(_numbers)}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    try:
        yield with_database(server_url, name)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture
def empty_url(admin: sa.Engine, server_url: str) -> Iterator[str]:
    """The connection string of an empty database."""
    with _temporary_database(admin, server_url, "template0") as url:
        yield url


@pytest.fixture
def empty_engine(empty_url: str) -> Iterator[sa.Engine]:
    """An engine for an empty database."""
    engine = db.create_engine(empty_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_template(admin: sa.Engine, server_url: str) -> Iterator[str]:
    """A database with the newest schema, to copy from."""
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"))
        connection.execute(sa.text(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0"))
    engine = db.create_engine(with_database(server_url, TEMPLATE))
    schema.upgrade(engine)
    engine.dispose()
    yield TEMPLATE
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {TEMPLATE} WITH (FORCE)"))


@pytest.fixture
def url(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[str]:
    """The connection string of a database with the newest schema and no rows."""
    with _temporary_database(admin, server_url, migrated_template) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """An engine for a database with the newest schema and no rows."""
    engine = db.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def shared_engine(admin: sa.Engine, server_url: str, migrated_template: str) -> Iterator[sa.Engine]:
    """An engine for a database with the newest schema, shared by a module's tests, which must not change it."""
    with _temporary_database(admin, server_url, migrated_template) as url:
        engine = db.create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture(scope="session")
def ml_100k() -> Path:
    """The folder of the real MovieLens 100K; the test is skipped if it cannot be downloaded."""
    from embrec.data.files.movielens import fetch_ml_100k
    from embrec.errors import DownloadError

    try:
        return fetch_ml_100k()
    except DownloadError as error:
        pytest.skip(f"MovieLens 100K cannot be had: {error}")


@pytest.fixture(scope="session")
def movielens_template(admin: sa.Engine, server_url: str, migrated_template: str, ml_100k: Path) -> Iterator[str]:
    """A database with MovieLens 100K and the default model, trained and published, to copy from."""
    from embrec.data import loading
    from embrec.data.files import sources
    from embrec.training import train

    with _temporary_database(admin, server_url, migrated_template) as url:
        engine = db.create_engine(url)
        loading.load(engine, sources.open_source(ml_100k))
        train(engine, options={"draws": MOVIELENS_DRAWS})
        engine.dispose()
        yield config.parse_database_url(url, "the test").parameters["dbname"]


@pytest.fixture
def embrec(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs the command line in this process; returns its exit status, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return code or 0, captured.out, captured.err

    return run


@pytest.fixture
def login(admin: sa.Engine, url: str) -> Iterator[Callable[[str], sa.Engine]]:
    """A function that returns an engine of a login role in one group."""
    engines = []
    with contextlib.ExitStack() as stack:

        def make(group: str) -> sa.Engine:
            name = f"embrec_login_{group}_{os.getpid()}"
            with admin.connect() as connection:
                connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'p' IN ROLE embrec_{group}"))
            stack.callback(drop, name)
            database_name = config.parse_database_url(url, "test").parameters["dbname"]
            engines.append(db.create_engine(with_database(url, database_name, user=name, password="p")))
            return engines[-1]

        def drop(name: str) -> None:
            with admin.connect() as connection:
                connection.execute(sa.text(f"DROP ROLE {name}"))

        yield make
        for each in engines:
            each.dispose()
