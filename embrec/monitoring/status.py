"""How everything is, as the views ``status``, ``run_status``, ``run_indexes`` and ``warnings`` say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from embrec import db
from embrec.db import Bind

Row = dict[str, Any]


@dataclass(frozen=True)
class StatusWarning:
    """Something to see to.

    Attributes:
        code: Which one it is, for programs: ``no_run``, ``many_new_ratings``, ...
        message: The same for people.
        command: What mends it: a command for the shell, or an SQL statement, which ends with a semicolon.
    """

    code: str
    message: str
    command: str


@dataclass(frozen=True)
class Status:
    """How everything is.

    Attributes:
        state: The row of ``embrec.status``: counts, sizes in bytes, times as aware datetimes. Without the schema, or
            with one that is behind, only database_name, server_version, database_bytes and schema_revision.
        runs: The rows of ``embrec.run_status``, newest first, without those of deleted runs.
        indexes: The rows of ``embrec.run_indexes``.
        warnings: What should be seen to, most important first.
    """

    state: Row
    runs: list[Row]
    indexes: list[Row]
    warnings: list[StatusWarning]


def read_status(bind: Bind) -> Status:
    """See how everything is; quick enough to be asked every few seconds.

    Raises:
        UnreachableError: The server cannot be reached.
        DatabaseError: This role may not read the views, as embrec_reader may.
    """
    with db.begin(bind) as connection:
        revision = db.current_revision(connection)
        if fault := db.schema_fault(connection, revision):
            return _without_views(connection, revision, fault)
        return Status(
            state=_rows(connection, "SELECT * FROM embrec.status")[0],
            runs=_rows(connection, "SELECT * FROM embrec.run_status WHERE state <> 'deleted' ORDER BY 1 DESC"),
            indexes=_rows(connection, "SELECT * FROM embrec.run_indexes ORDER BY 1 DESC, 2"),
            warnings=[
                StatusWarning(**row) for row in _rows(connection, "SELECT code, message, command FROM embrec.warnings")
            ],
        )


def _without_views(connection: sa.Connection, revision: str | None, fault: str) -> Status:
    (state,) = _rows(
        connection,
        "SELECT current_database()::text AS database_name, current_setting('server_version') AS server_version,"
        " pg_database_size(current_database()) AS database_bytes",
    )
    code = "schema_absent" if revision is None else "schema_behind"
    warning = StatusWarning(code, fault, "embrec db upgrade")
    return Status({**state, "schema_revision": revision}, [], [], [warning])


def _rows(connection: sa.Connection, query: str) -> list[Row]:
    return [dict(row) for row in connection.execute(sa.text(query.replace("::", r"\:\:"))).mappings()]
