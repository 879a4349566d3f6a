"""Alembic environment, the same for `alembic upgrade head` in a checkout and `embrec db upgrade` anywhere.

Online it takes one lock (Alembic has none: of several upgrades at once all but one would die), prepares the
schema and the extension, then runs each revision in a transaction of its own. Offline it writes the same
statements for psql.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import context
from alembic.runtime.migration import MigrationInfo

from embrec import db
from embrec.db import resources, schema
from embrec.db.tables import COMPARISON, SCHEMA, metadata

LOCK_KEY = 0x656D62726563  # "embrec"

OPTIONS = {
    **COMPARISON,
    "target_metadata": metadata,
    "version_table_schema": SCHEMA,
    "transaction_per_migration": True,
}


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
    """Tell who started the migration which revision is reached."""
    if step.is_upgrade and (tell := context.config.attributes.get("on_revision")):
        tell(step.up_revision_id)


def run_offline() -> None:
    """Write the statements instead of running them."""
    context.configure(
        dialect_name="postgresql",
        # Without this every percent sign in a function's body is doubled.
        dialect_opts={"paramstyle": "named"},
        literal_binds=True,
        **OPTIONS,
    )
    context.execute(resources.executable("schema/prepare"))
    context.run_migrations()
    context.execute(resources.executable("schema/rights" if context.get_revision_argument() else "schema/remove"))


def run_online(engine: sa.Engine) -> None:
    """Run the migrations, or only read where Alembic says that nothing may change."""
    with engine.connect() as connection:
        context.configure(connection=connection, on_version_apply=told, **OPTIONS)
        if context.get_context().opts.get("dont_mutate"):
            context.run_migrations()
            return
        with migration_lock(engine):
            try:
                db.check_server(connection)
                connection.execute(resources.executable("schema/prepare"))
                connection.commit()
                with schema.not_the_default_schema(connection):
                    context.run_migrations()
                left = context.get_context().get_current_heads()
                connection.execute(resources.executable("schema/rights" if left else "schema/remove"))
                connection.commit()
            finally:
                connection.invalidate()  # the session's settings must not go back to the pool


if context.is_offline_mode():
    run_offline()
elif "engine" in context.config.attributes:
    run_online(context.config.attributes["engine"])
else:
    own_engine = db.open_engine(notify=print, direct=True)
    run_online(own_engine)
    own_engine.dispose()
