"""The embrec schema in a database: upgrade, downgrade, current, history, check. Programmatic Alembic."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from embrec import db
from embrec.db import resources
from embrec.db.tables import COMPARISON, metadata
from embrec.errors import BusyError, ConflictError, DatabaseError, RequirementError, SchemaError

# A migration tries for 120 seconds to lock a table, two seconds at a time: a longer wait would block all readers.
LOCK_SECONDS = 120.0


@dataclass(frozen=True)
class Revision:
    """One migration: its number, and what it does in a line."""

    revision: str
    description: str


def upgrade(
    engine: sa.Engine, revision: str = "head", on_revision: Callable[[str], None] = lambda revision: None
) -> str | None:
    """Bring the schema to a revision; several at once wait for each other, and all succeed.

    Args:
        engine: An engine whose role may create the schema, or owns it.
        revision: A revision's number, or ``head``.
        on_revision: Called with each revision that is reached.

    Returns:
        The revision reached.

    Raises:
        RequirementError: The server lacks what embrec needs, or the engine goes through a connection pooler.
        SchemaError: There is no such revision, or the database refused a statement.
    """
    _run(command.upgrade, engine, revision, on_revision)
    return current(engine)


def downgrade(engine: sa.Engine, revision: str) -> str | None:
    """Take the schema back to an older revision; ``base`` removes it with all its data.

    Returns:
        The revision reached, or None.

    Raises:
        SchemaError: There is no such revision, or the database refused a statement.
        RequirementError: The engine goes through a connection pooler.
    """
    _run(command.downgrade, engine, revision)
    return current(engine)


def upgrade_sql(revision: str = "head") -> str:
    """The statements of an upgrade from nothing, for psql."""
    return _offline(command.upgrade, revision)


def downgrade_sql(revisions: str) -> str:
    """The statements of a downgrade, for psql; ``revisions`` is ``FROM:TO``, such as ``0013:base``."""
    return _offline(command.downgrade, revisions)


def current(engine: sa.Engine) -> str | None:
    """Return the schema's revision in this database, or None if there is no schema."""
    with db.begin(engine) as connection:
        return db.current_revision(connection)


def history() -> list[Revision]:
    """All revisions of this release, oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    found = [Revision(script.revision, script.doc) for script in scripts.walk_revisions()]
    return found[::-1]


def check(engine: sa.Engine) -> list[str]:
    """Compare the database with this release; returns one line per difference, none where they agree."""
    with db.begin(engine) as connection:
        db.require_schema(connection)
        with not_the_default_schema(connection):
            connection.execute(sa.text(f"SET LOCAL search_path = {db.extension_schema(connection)}"))
            context = MigrationContext.configure(connection, opts=dict(COMPARISON))
            differences = [str(difference) for difference in compare_metadata(context, metadata)]
        invalid = connection.scalars(
            sa.text(
                "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
                " WHERE NOT i.indisvalid AND c.relnamespace = 'embrec'::regnamespace AND c.relkind = 'i'"
            )
        )
        differences += db.path_faults(connection)
        return differences + [f"index {name} is invalid; drop it and upgrade again" for name in invalid]


@contextlib.contextmanager
def not_the_default_schema(connection: sa.Connection) -> Iterator[None]:
    """Have embrec compared by name also where the role is called embrec, and so has it as its default schema."""
    dialect = connection.dialect
    default = dialect.default_schema_name
    dialect.default_schema_name = "public"
    try:
        yield
    finally:
        dialect.default_schema_name = default


def _config(buffer: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=buffer, stdout=io.StringIO())
    config.set_main_option("script_location", str(resources.migrations_directory()).replace("%", "%%"))
    return config


def _run(
    action: Callable[..., None],
    engine: sa.Engine,
    revision: str,
    on_revision: Callable[[str], None] = lambda revision: None,
) -> None:
    """Migrate, and go on from the revision reached where a lock was not to be had in time."""
    db.require_engine(engine)
    config = _config()
    config.attributes["engine"] = engine
    config.attributes["on_revision"] = on_revision
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            with db.translated_errors():
                action(config, revision)
            return
        except CommandError as error:
            raise SchemaError(f"{error}. See the revisions there are with: embrec db history") from error
        except DatabaseError as error:
            # One of our own has no driver's error as its cause, and says what to do.
            if isinstance(error, RequirementError) or (isinstance(error, SchemaError) and error.__cause__ is None):
                raise
            # Only errors raised by a statement have a `__cause__`. Waiting for the migration lock has its own timeout,
            # so do not retry that.
            waited_in_vain = isinstance(error, BusyError | ConflictError) and error.__cause__ is not None
            if waited_in_vain and time.monotonic() < deadline:
                time.sleep(1.0)  # others who wait for the same have their turn
                continue
            cause = (
                f"another session held a table for {LOCK_SECONDS:.0f} s; find it in pg_stat_activity"
                if waited_in_vain
                else _refusal(error)
            )
            raise SchemaError(
                f"The migration stopped: {cause.rstrip('.')}. What it was at is undone; mend the cause, then "
                "run: embrec db upgrade"
            ) from error


def _refusal(error: DatabaseError) -> str:
    """Return what the server said; the advice on an absent schema is to upgrade, which is what was refused."""
    cause = error.__cause__
    if isinstance(error, SchemaError) and isinstance(cause, sa.exc.DBAPIError):
        return f"The database refused: {str(cause.orig).strip().splitlines()[0]}"
    return str(error)


def _offline(action: Callable[..., None], revision: str) -> str:
    buffer = io.StringIO()
    try:
        action(_config(buffer), revision, sql=True)
    except CommandError as error:
        raise SchemaError(f"{error}. See the revisions there are with: embrec db history") from error
    return buffer.getvalue()
