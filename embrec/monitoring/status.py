"""The health of a deployment, read from the views ``status``, ``run_status``, ``run_indexes`` and ``warnings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from embrec import db
from embrec.db import Bind

Row = dict[str, Any]


@dataclass(frozen=True)
class StatusWarning:
    """A problem, and how to fix it.

    Attributes:
        code: Name of the problem, for programs: ``no_run``, ``many_new_ratings``, ...
        message: Description of the problem, for people.
        command: The fix: a shell command, or a SQL statement, which ends with a semicolon.
    """

    code: str
    message: str
    command: str


@dataclass(frozen=True)
class Status:
    """The health of a deployment.

    Attributes:
        state: The row of ``embrec.status``: counts, sizes in bytes, times as aware datetimes. If the schema is absent
            or behind, only database_name, server_version, database_bytes and schema_revision.
        runs: The rows of ``embrec.run_status``, newest first, except deleted runs.
        indexes: The rows of ``embrec.run_indexes``.
        warnings: The problems, most important first.
    """

    state: Row
    runs: list[Row]
    indexes: list[Row]
    warnings: list[StatusWarning]


def read_status(bind: Bind) -> Status:
    """Read the health of a deployment; quick enough to be called every few seconds.

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
