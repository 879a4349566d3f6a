"""Check that a server and the schema in it are what this release needs."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from dataclasses import dataclass
from typing import cast

import sqlalchemy as sa

from embrec import validation
from embrec.db import resources
from embrec.errors import (
    RequirementError,
    SchemaError,
)

# The revision this release needs; a test holds it against the newest file in migrations/versions.
SCHEMA_REVISION = "0018"
OLDEST_SERVER = 15
OLDEST_PGVECTOR = (0, 8, 0)


@dataclass(frozen=True)
class Server:
    """The facts about a server, a database in it and a role that decide on a migration.

    Attributes:
        version: PostgreSQL's ``server_version_num``.
        encoding: Encoding of the database.
        database: The database's name, quoted.
        role: The role's name, quoted.
        superuser: Whether it is a superuser.
        installed: Version of pgvector in this database, or None.
        available: Version of pgvector that can be created, or None.
        place: The schema of pgvector, or the one that it would be created in, quoted; None if there is none.
        may_use: Whether the role has USAGE on that schema.
        has_schema: Whether the schema embrec is there.
        migrates: Whether the role may create objects in it.
        may_create: Whether the role may create schemas in the database.
    """

    version: int
    encoding: str
    database: str
    role: str
    superuser: bool
    installed: str | None
    available: str | None
    place: str | None
    may_use: bool
    has_schema: bool
    migrates: bool
    may_create: bool


_SERVER = """
SELECT
    CAST(current_setting('server_version_num') AS integer) AS version,
    current_setting('server_encoding') AS encoding,
    quote_ident(current_database()) AS database,
    quote_ident(r.rolname) AS role,
    r.rolsuper AS superuser,
    e.extversion AS installed,
    (SELECT default_version FROM pg_available_extensions WHERE name = 'vector') AS available,
    quote_ident(n.nspname) AS place,
    coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE'), false) AS may_use,
    embrec.oid IS NOT NULL AS has_schema,
    coalesce(has_schema_privilege(r.oid, embrec.oid, 'CREATE'), false) AS migrates,
    has_database_privilege(r.oid, current_database(), 'CREATE') AS may_create
FROM pg_roles AS r
LEFT JOIN pg_extension AS e ON e.extname = 'vector'
LEFT JOIN pg_namespace AS embrec ON embrec.nspname = 'embrec'
LEFT JOIN pg_namespace AS n ON n.oid = coalesce(
    e.extnamespace,
    -- As sql/schema/prepare.sql chooses.
    (
        SELECT CAST(CAST(quote_ident(path.schema) AS regnamespace) AS oid)
        FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (schema, position)
        WHERE path.schema <> 'embrec'
        ORDER BY path.position
        LIMIT 1
    ),
    CAST(to_regnamespace('public') AS oid)
)
WHERE r.rolname = coalesce(:role, current_user)
"""


def server(connection: sa.Connection, role: str | None = None) -> Server:
    """Read the facts about the server, the database and a role.

    Args:
        connection: A connection to the database.
        role: The role, or None for the connection's own.

    Raises:
        RequirementError: There is no such role.
    """
    row = connection.execute(sa.text(_SERVER), {"role": role}).one_or_none()
    if row is None:
        raise RequirementError(f"There is no role {role} on this server. Create it first: CREATE ROLE ... LOGIN")
    return Server(**row._mapping)


def server_faults(server: Server) -> list[str]:
    """Return everything that keeps a role from migrating, each as a sentence with the statement to run."""
    return [*_version_faults(server), *_pgvector_faults(server), *_right_faults(server)]


def _version_faults(server: Server) -> list[str]:
    found = []
    if server.version // 10000 < OLDEST_SERVER:
        found.append(
            f"This server is PostgreSQL {server.version // 10000}; embrec needs {OLDEST_SERVER} or newer. "
            "Upgrade the server."
        )
    if server.encoding != "UTF8":
        found.append(
            f"This database is encoded in {server.encoding}; embrec needs UTF8. A DBA can run: "
            "CREATE DATABASE embrec ENCODING 'UTF8' TEMPLATE template0"
        )
    return found


def _pgvector_faults(server: Server) -> list[str]:
    oldest = ".".join(map(str, OLDEST_PGVECTOR))
    version = server.installed or server.available
    if version is None:
        return [
            f"pgvector is not installed on this server. Install its package (pgvector {oldest} or newer; on Debian "
            f"postgresql-{server.version // 10000}-pgvector); a superuser then runs: CREATE EXTENSION vector"
        ]
    found = []
    if tuple(map(int, version.split("."))) < OLDEST_PGVECTOR:
        found.append(
            f"This server has pgvector {version}; embrec needs {oldest} or newer. Install a newer package; a superuser "
            "then runs: ALTER EXTENSION vector UPDATE"
        )
    if server.installed is None and server.place is None:
        found.append(
            "This database has no schema public, and none on the search_path, to put pgvector in. A superuser runs: "
            "CREATE SCHEMA extensions; CREATE EXTENSION vector SCHEMA extensions"
        )
    elif server.installed is None and not server.superuser:
        found.append(
            "pgvector is available but not enabled in this database, and that needs a superuser. "
            "Ask for: CREATE EXTENSION vector"
        )
    return found


def _right_faults(server: Server) -> list[str]:
    found = []
    if not (server.has_schema or server.may_create):
        found.append(
            f"The role {server.role} may not create the schema embrec. A superuser runs: "
            f"CREATE SCHEMA embrec AUTHORIZATION {server.role}"
        )
    # A role that only asks needs no right on pgvector's schema.
    if server.place and not server.may_use and (server.migrates or not server.has_schema):
        found.append(
            f"The role {server.role} needs USAGE on schema {server.place}, which has pgvector. Its owner runs: "
            f"GRANT USAGE ON SCHEMA {server.place} TO {server.role}"
        )
    return found


def requirements_sql(role: str) -> str:
    """Return the script that a superuser runs in a database, so that a role can migrate there.

    Args:
        role: The role that is to migrate, as it is spelt in pg_roles.
    """
    literal = validation.text(role, "role").replace("'", "''")
    return resources.sql_text("schema/requirements").replace("{role}", f"'{literal}'")


def check_server(connection: sa.Connection) -> None:
    """Check that the server is one embrec can use, and that this role can migrate.

    Raises:
        RequirementError: Something is missing; the message names everything, with the statements to run.
    """
    facts = server(connection)
    if faults := server_faults(facts):
        script = f"; all in one script: embrec db requirements --sql --role {facts.role}" if len(faults) > 1 else ""
        raise RequirementError(". ".join(fault.rstrip(".") for fault in faults) + script)


def path_faults(connection: sa.Connection) -> list[str]:
    """Return what keeps the functions of embrec from finding pgvector, each with the command or statement to run.

    Functions have the schema of pgvector in a search_path of their own, from the upgrade that installed them, and
    PostgreSQL passes over a schema on which a function's owner has no USAGE.
    """
    place, elsewhere, owners = connection.execute(sa.text(_PATHS)).first() or ("", 0, None)
    found = []
    if elsewhere:
        found.append(
            f"{elsewhere} functions look for pgvector elsewhere than in schema {place}, where it is now; "
            "run: embrec db upgrade"
        )
    if owners:
        found.append(f"no USAGE on pgvector's schema; its owner runs: GRANT USAGE ON SCHEMA {place} TO {owners}")
    return found


_PATHS = """
SELECT
    quote_ident(n.nspname),
    count(DISTINCT p.oid) FILTER (WHERE setting <> format('search_path=pg_catalog, %I, pg_temp', n.nspname)),
    string_agg(DISTINCT quote_ident(r.rolname), ', ') FILTER (
        WHERE NOT has_schema_privilege(r.oid, n.oid, 'USAGE')
    )
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
CROSS JOIN pg_proc AS p
JOIN pg_roles AS r ON r.oid = p.proowner OR r.rolname IN ('embrec_reader', 'embrec_trainer')
CROSS JOIN unnest(p.proconfig) AS setting
WHERE e.extname = 'vector'
    AND p.pronamespace = to_regnamespace('embrec')
    AND setting LIKE 'search_path=%'
    AND setting <> 'search_path=pg_catalog, pg_temp'
GROUP BY n.nspname
"""


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
