"""Alembic environment, the same for `alembic upgrade head` in a checkout and `embrec db upgrade` anywhere.

Online it takes one lock (Alembic has none: of several upgrades at once all but one would die), prepares the
schema and the extension, then runs each revision in a transaction of its own. Offline it writes the same
statements for psql.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import context

from embrec import database, resources, schema
from embrec.errors import SchemaError
from embrec.tables import COMPARISON, SCHEMA, metadata

LOCK_KEY = 0x656D62726563  # "embrec"
LOCK_SECONDS = 600.0

OPTIONS = {
    **COMPARISON,
    "target_metadata": metadata,
    "version_table_schema": SCHEMA,
    "transaction_per_migration": True,
}


@contextlib.contextmanager
def migration_lock(engine: sa.Engine) -> Iterator[None]:
    """Hold the one migration lock.

    It is polled on a connection of its own in autocommit: a blocking lock would hold a snapshot that
    CREATE INDEX CONCURRENTLY waits for, and so hang both.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + LOCK_SECONDS
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK_KEY))):
            if time.monotonic() > deadline:
                raise SchemaError(
                    f"Another migration has held the lock for {LOCK_SECONDS:.0f} s. "
                    "Look for it in pg_stat_activity, then run again."
                )
            time.sleep(0.1)
        try:
            yield
        finally:
            connection.scalar(sa.select(sa.func.pg_advisory_unlock(LOCK_KEY)))


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
    if not context.get_revision_argument():
        context.execute(resources.executable("schema/remove"))


def run_online(engine: sa.Engine) -> None:
    """Run the migrations, or only read where Alembic says that nothing may change."""
    with engine.connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        if context.get_context().opts.get("dont_mutate"):
            context.run_migrations()
            return
        with migration_lock(engine):
            try:
                database.check_server(connection)
                connection.execute(resources.executable("schema/prepare"))
                connection.commit()
                with schema.not_the_default_schema(connection):
                    context.run_migrations()
                if not context.get_context().get_current_heads():
                    connection.execute(resources.executable("schema/remove"))
                connection.commit()
            finally:
                connection.invalidate()  # the session's settings must not go back to the pool


if context.is_offline_mode():
    run_offline()
elif "engine" in context.config.attributes:
    run_online(context.config.attributes["engine"])
else:
    own_engine = database.open_engine(notify=print)
    run_online(own_engine)
    own_engine.dispose()
