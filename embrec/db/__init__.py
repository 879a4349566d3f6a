"""Reach a database: engines, transactions, requirements, and the driver's errors in embrec's words."""

from __future__ import annotations

from embrec.db.connection import (
    OLDEST_PGVECTOR,
    OLDEST_SERVER,
    SCHEMA_REVISION,
    Bind,
    begin,
    check_server,
    create_engine,
    current_revision,
    extension_schema,
    local_server,
    open_engine,
    poll_lock,
    require_schema,
    require_session,
    retrying,
    translated_errors,
)

__all__ = [
    "OLDEST_PGVECTOR",
    "OLDEST_SERVER",
    "SCHEMA_REVISION",
    "Bind",
    "begin",
    "check_server",
    "create_engine",
    "current_revision",
    "extension_schema",
    "local_server",
    "open_engine",
    "poll_lock",
    "require_schema",
    "require_session",
    "retrying",
    "translated_errors",
]
