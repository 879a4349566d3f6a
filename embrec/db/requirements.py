"""Check that a server and the schema in it are what this release needs."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from typing import cast

import sqlalchemy as sa

from embrec.db import resources
from embrec.errors import (
    RequirementError,
    SchemaError,
)

# The revision this release needs; a test holds it against the newest file in migrations/versions.
SCHEMA_REVISION = "0014"
OLDEST_SERVER = 15
OLDEST_PGVECTOR = (0, 8, 0)


def check_server(connection: sa.Connection) -> None:
    """Check that the server is one embrec can use.

    Raises:
        RequirementError: PostgreSQL or pgvector is missing or too old, or the database is not UTF8; the message
            has the statement to run.
    """
    version = int(connection.scalar(sa.text("SELECT current_setting('server_version_num')")))
    if version // 10000 < OLDEST_SERVER:
        raise RequirementError(
            f"This server is PostgreSQL {version // 10000}; embrec needs {OLDEST_SERVER} or newer. Upgrade the server."
        )
    encoding = connection.scalar(sa.text("SELECT current_setting('server_encoding')"))
    if encoding != "UTF8":
        raise RequirementError(
            f"This database is encoded in {encoding}; embrec needs UTF8. A DBA can run: "
            "CREATE DATABASE embrec ENCODING 'UTF8' TEMPLATE template0"
        )
    installed, available, may_create = connection.execute(
        sa.text(
            "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),"
            " (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'),"
            " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        )
    ).one()
    oldest = ".".join(map(str, OLDEST_PGVECTOR))
    if installed is None and available is None:
        raise RequirementError(
            f"pgvector is not installed on this server. Install its package (pgvector {oldest} or newer; on Debian "
            f"postgresql-{version // 10000}-pgvector); a superuser then runs: CREATE EXTENSION vector"
        )
    if tuple(map(int, (installed or available).split("."))) < OLDEST_PGVECTOR:
        raise RequirementError(
            f"This server has pgvector {installed or available}; embrec needs {oldest} or newer. Install a newer "
            "package; a superuser then runs: ALTER EXTENSION vector UPDATE"
        )
    if installed is None and not may_create:
        raise RequirementError(
            "pgvector is available but not enabled in this database, and that needs a superuser. "
            "Ask for: CREATE EXTENSION vector"
        )


def extension_schema(connection: sa.Connection) -> str:
    """The schema that pgvector was installed in, quoted; it need not be on anybody's search path."""
    query = "SELECT CAST(extnamespace AS regnamespace) FROM pg_extension WHERE extname = 'vector'"  # quotes it
    return str(connection.scalar(sa.text(query)))


def current_revision(connection: sa.Connection) -> str | None:
    """Return the revision of the embrec schema in this database, or None without a schema."""
    if connection.scalar(sa.text("SELECT to_regclass('embrec.alembic_version')")) is None:
        return None
    return cast("str | None", connection.scalar(sa.text("SELECT version_num FROM embrec.alembic_version")))


@functools.cache
def sql_comment() -> str:
    """Return the comment that an upgrade gives the schema: embrec's version, and the digest of the SQL it installs."""
    return f"embrec {importlib.metadata.version('embrec')}, SQL sha256:{resources.sql_digest()}"


def installed_sql(connection: sa.Connection) -> tuple[str, str] | None:
    """Return version and digest of the SQL installed in this database, or None if the schema's comment has none."""
    comment = connection.scalar(sa.text("SELECT obj_description(to_regnamespace('embrec'), 'pg_namespace')"))
    found = re.fullmatch(r"embrec (\S+), SQL sha256:([0-9a-f]{64})", comment or "")
    return (found[1], found[2]) if found else None


def is_newer(version: str) -> bool:
    """Check whether a version of embrec is a newer release than this one."""
    theirs, ours = (
        [int(number) for number in re.findall(r"\d+", re.match(r"[\d.]*", each)[0])]  # type: ignore[index]
        for each in (version, importlib.metadata.version("embrec"))
    )
    return theirs > ours


def schema_fault(connection: sa.Connection, revision: str | None) -> str | None:
    """Return what keeps this release from using the schema, in a sentence, or None.

    Args:
        connection: A connection to the database.
        revision: The schema's revision there, as :func:`current_revision` returns it.
    """
    if revision is None:
        return "This database has no embrec schema yet."
    if revision < SCHEMA_REVISION:
        return f"The embrec schema is at revision {revision}; this release needs {SCHEMA_REVISION}."
    if revision > SCHEMA_REVISION:
        return None
    installed = installed_sql(connection)
    if installed is None:
        return "The functions and views in the schema embrec are not known to be those of this release."
    version, digest = installed
    if digest == resources.sql_digest() or is_newer(version):
        return None
    return f"The functions and views in the schema embrec are those of another embrec {version}, not of this release."


def require_schema(connection: sa.Connection) -> None:
    """Check that the schema has the revision and the functions this release needs; newer ones serve it too.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    if fault := schema_fault(connection, current_revision(connection)):
        raise SchemaError(f"{fault} Run: embrec db upgrade")
