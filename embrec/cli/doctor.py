"""embrec doctor."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterator

import click
import sqlalchemy as sa

from embrec import config, database
from embrec.cli.common import database_option, engine
from embrec.errors import EmbrecError
from embrec.runs import published_run_id


@click.command()
@database_option
def doctor(database_url: str | None) -> int:
    """Check the installation and the database; exit 1 where something must be mended."""
    healthy = True
    for name, check in _checks(database_url):
        try:
            click.echo(f"ok    {name}: {check()}")
        except (EmbrecError, sa.exc.SQLAlchemyError, importlib.metadata.PackageNotFoundError) as error:
            healthy = False
            click.echo(f"FAIL  {name}: {error}")
            if name == "database":
                break
    return int(not healthy)


def _checks(url: str | None) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "embrec", lambda: f"{importlib.metadata.version('embrec')} on Python {platform.python_version()}"
    engines: list[sa.Engine] = []

    def reach() -> str:
        engines.append(engine(url))
        with database.begin(engines[0]) as connection:
            version = connection.scalar(sa.text("SHOW server_version"))
        setting = config.database_setting(url)
        where = "the embedded database" if setting is None else config.describe(setting.parameters)
        return f"PostgreSQL {version}, {where}"

    yield "database", reach
    yield "requirements", lambda: _with(engines[0], _requirements)
    yield "schema", lambda: _with(engines[0], _schema)
    yield "published run", lambda: _with(engines[0], lambda connection: published_run_id(connection) or "none yet")


def _with(bind: sa.Engine, check: Callable[[sa.Connection], object]) -> object:
    with database.begin(bind) as connection:
        return check(connection)


def _requirements(connection: sa.Connection) -> str:
    database.check_server(connection)
    version = connection.scalar(sa.text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))
    if version is None:
        return "pgvector can be enabled (embrec db upgrade does it)"
    # A pgvector built for a newer processor kills the server at its first distance: try one.
    schema = database.extension_schema(connection)
    distance = connection.scalar(
        sa.text(f"SELECT '[3,4]'::{schema}.vector OPERATOR({schema}.<=>) '[4,3]'::{schema}.vector")
    )
    return f"pgvector {version}, and a distance of {distance:.2f} where 0.04 is right"


def _schema(connection: sa.Connection) -> str:
    database.require_schema(connection)
    return f"revision {database.current_revision(connection)}"
