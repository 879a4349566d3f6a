"""Database access of the web server: read-only transactions with the permissions of embrec_api."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from embrec import db
from embrec.serving import preview

TIMEOUT_SECONDS = 15
# All settings end with the transaction, so that they work behind a connection pooler. A login that may assume
# embrec_api does so, and another keeps its own permissions. From PostgreSQL 16 on, membership alone does not allow it.
_BOUNDS = sa.text(
    "SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', :timeout, true),"
    " CASE WHEN pg_has_role(CAST(to_regrole('embrec_api') AS oid),"
    " CASE WHEN CAST(current_setting('server_version_num') AS integer) < 160000 THEN 'MEMBER' ELSE 'SET' END)"
    " THEN set_config('role', 'embrec_api', true) END"
)


@dataclass(frozen=True)
class Asking:
    """The source of an endpoint's answer.

    Attributes:
        engine: The database.
        run: The run that answers; None for the published one.
    """

    engine: sa.Engine
    run: int | None = None

    @contextlib.contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction.

        Raises:
            UnknownRunError: No trained run has the number.
            UnreachableError: The server cannot be reached.
            SchemaError: The schema is absent or behind.
        """
        with db.begin(self.engine) as connection, contextlib.ExitStack() as stack:
            connection.execute(_BOUNDS, {"timeout": f"{TIMEOUT_SECONDS}s"})
            if self.run is not None:
                stack.enter_context(preview.answering_from(connection, self.run))
            yield connection
