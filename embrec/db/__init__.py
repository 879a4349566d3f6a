"""Reach a database: engines, transactions, requirements, and the driver's errors in embrec's words."""

from __future__ import annotations

from embrec.db.connection import (
    RETRY_SECONDS,
    Bind,
    begin,
    create_engine,
    driver_connection,
    local_server,
    open_engine,
    require_bind,
    require_connection,
    require_engine,
    retrying,
)
from embrec.db.driver_errors import translated_errors
from embrec.db.requirements import (
    SCHEMA_REVISION,
    check_server,
    current_revision,
    extension_schema,
    installed_sql,
    is_newer,
    path_faults,
    require_schema,
    requirements_sql,
    schema_fault,
    server,
    server_faults,
    sql_comment,
)
from embrec.db.sessions import poll_lock, require_session

__all__ = [
    "RETRY_SECONDS",
    "SCHEMA_REVISION",
    "Bind",
    "begin",
    "check_server",
    "create_engine",
    "current_revision",
    "driver_connection",
    "extension_schema",
    "installed_sql",
    "is_newer",
    "local_server",
    "open_engine",
    "path_faults",
    "poll_lock",
    "require_bind",
    "require_connection",
    "require_engine",
    "require_schema",
    "require_session",
    "requirements_sql",
    "retrying",
    "schema_fault",
    "server",
    "server_faults",
    "sql_comment",
    "translated_errors",
]
