"""Objects of the host application that need objects of embrec's, looked for before a downgrade removes any."""

from __future__ import annotations

import sqlalchemy as sa

from embrec.db import resources
from embrec.db.tables import metadata
from embrec.errors import SchemaError

# Relations of embrec's that the metadata does not have.
_OTHER_TABLES = ("alembic_version", "movie_likes", "movie_statistics")


def dependents(connection: sa.Connection, everything: bool) -> list[tuple[str, str]]:
    """Return the host's objects that are in the way of a downgrade, in the order to drop them.

    Args:
        connection: A connection to the database.
        everything: True if tables and types go too, not functions and views alone.

    Returns:
        For each its description, and the statement that drops it.
    """
    text = resources.sql_text("schema/dependents").replace("::", r"\:\:")
    tables = [*(table.name for table in metadata.tables.values()), *_OTHER_TABLES]
    connection.execute(sa.text("SET LOCAL search_path = ''"))  # names come with their schemas
    values = {"tables": tables, "files": list(resources.removable()), "everything": everything}
    return [(row.what, row.statement) for row in connection.execute(sa.text(text), values)]


def refuse_dependents(connection: sa.Connection, everything: bool) -> None:
    """Refuse a downgrade that would fail half-way, before anything is removed.

    Raises:
        SchemaError: Objects of the host need what would go; the message names them.
    """
    if found := dependents(connection, everything):
        raise SchemaError(
            f"Objects of yours need what this would remove: {', '.join(what for what, _ in found)}. Nothing was "
            f"removed; to drop them: {'; '.join(statement for _, statement in found)}; then run it again"
        )
