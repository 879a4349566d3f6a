"""Alembic environment, the same for `alembic upgrade head` in a checkout and `embrec db upgrade` anywhere.

Online it takes one lock (Alembic has none: of several upgrades at once all but one would die), prepares the schema
and the extension, runs each revision in a transaction of its own, then installs functions, views and rights in one
transaction. A downgrade is one transaction as a whole, because half of it would be of no use. Offline it writes the
same statements for psql.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationInfo

from embrec import db
from embrec.db import former, resources, schema
from embrec.db.dependents import refuse_dependents
from embrec.db.tables import COMPARISON, SCHEMA, metadata
from embrec.errors import SchemaError

LOCK_KEY = 0x656D62726563  # "embrec"

OPTIONS = {
    **COMPARISON,
    "target_metadata": metadata,
    "version_table_schema": SCHEMA,
}
# The names and the text of a view.
VIEW = """
SELECT concat_ws(' ', pg_get_viewdef(c.oid), c.reloptions)
FROM pg_class AS c
WHERE c.relnamespace = 'embrec'::regnamespace AND c.relkind = 'v' AND c.relname = :name
"""


@contextlib.contextmanager
def migration_lock(engine: sa.Engine) -> Iterator[None]:
    """Hold the one migration lock, on a connection of its own in autocommit."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        db.poll_lock(connection, LOCK_KEY)
        try:
            yield
        finally:
            connection.scalar(sa.select(sa.func.pg_advisory_unlock(LOCK_KEY)))


def told(step: MigrationInfo, **others: object) -> None:
    """Tell the caller of the migration which revision is reached."""
    if step.is_upgrade and (tell := context.config.attributes.get("on_revision")):
        tell(step.up_revision_id)


def is_downgrade(current: str | None) -> bool:
    """Check whether Alembic was told to go to an older revision than the current one."""
    try:
        destination = context.get_revision_argument() or ""
    except KeyError:  # a command that only reads has none
        return False
    return current is not None and (destination < current or str(destination).startswith("-"))


def refuse_newer(connection: sa.Connection) -> None:
    """Keep an older release from replacing the functions of a newer one.

    Raises:
        SchemaError: A newer release has installed its functions.
    """
    version, _ = db.installed_sql(connection) or ("0", "")
    if db.is_newer(version):
        raise SchemaError(
            f"The functions in the schema embrec are of embrec {version}, which is newer than this release. This "
            f"release can use them as they are; to migrate, install embrec {version} or newer"
        )


def view_differs(connection: sa.Connection, name: str) -> bool:
    """Create a view a second time, compare the two, and drop the second again."""
    view, other = name.removeprefix("views/"), f"{name.removeprefix('views/')}_as_installed"
    head, text = f"CREATE OR REPLACE VIEW embrec.{view} ", resources.sql_text(name)
    with connection.begin_nested() as savepoint:
        connection.execute(resources.statement(text.replace(head, f"CREATE VIEW embrec.{other} ")))
        there, wanted = (connection.scalar(sa.text(VIEW), {"name": each}) for each in (view, other))
        savepoint.rollback()
    return bool(there != wanted)


def comment() -> sa.TextClause:
    """Return the statement that records the installed functions' version and digest in the schema's comment."""
    return resources.statement(f"COMMENT ON SCHEMA {SCHEMA} IS '{db.sql_comment()}'")


def install(connection: sa.Connection) -> None:
    """Create or replace every function and view, in the transaction that then gives the rights on them.

    Replacing a view waits for every transaction that has read it, and later readers wait behind that. So a view that
    has not changed is left alone.
    """
    for name in resources.installed():
        if not name.startswith("views/") or view_differs(connection, name):
            connection.execute(resources.executable(name))
    connection.execute(comment())


def run_offline() -> None:
    """Write the statements instead of running them."""
    context.configure(
        dialect_name="postgresql",
        # Without this every percent sign in a function's body is doubled.
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        transaction_per_migration=True,
        **OPTIONS,
    )
    context.execute(resources.executable("schema/prepare"))
    context.run_migrations()
    revision = context.get_revision_argument()
    if not revision:
        context.execute(resources.executable("schema/remove"))
        return
    implementation = context.get_context().impl
    implementation.emit_begin()
    if revision == context.get_head_revision():
        for name in resources.installed():
            context.execute(resources.executable(name))
        context.execute(comment())
    context.execute(resources.executable("schema/rights"))
    implementation.emit_commit()


def run_online(engine: sa.Engine) -> None:
    """Run the migrations, or only read where Alembic says that nothing may change."""
    with engine.connect() as connection:
        downgrades = is_downgrade(db.current_revision(connection))
        connection.rollback()  # Alembic would leave transactions to the one who began this one
        context.configure(
            connection=connection, on_version_apply=told, **OPTIONS, transaction_per_migration=not downgrades
        )
        if context.get_context().opts.get("dont_mutate"):
            context.run_migrations()
            return
        with migration_lock(engine):
            try:
                db.check_server(connection)
                refuse_newer(connection)
                connection.execute(resources.executable("schema/prepare"))
                connection.commit()
                former.take_over(connection)
                connection.commit()
                if downgrades:
                    refuse_dependents(connection, everything=not context.get_revision_argument())
                    connection.commit()
                with schema.not_the_default_schema(connection):
                    context.run_migrations()
                left = context.get_context().get_current_heads()
                if left == (context.get_head_revision(),):
                    install(connection)
                connection.execute(resources.executable("schema/rights" if left else "schema/remove"))
                connection.commit()
            finally:
                connection.invalidate()  # the session's settings must not go back to the pool


if context.is_offline_mode():
    run_offline()
elif "engine" in context.config.attributes:
    run_online(context.config.attributes["engine"])
else:
    own_engine = db.open_engine(notify=print, direct=True, migrate=False)
    run_online(own_engine)
    own_engine.dispose()
