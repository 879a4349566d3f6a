"""The destination of batch recommendations: a file or a table, replaced as a whole or not at all."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.db import Bind, binary_copy, tables
from embrec.errors import ConfigError
from embrec.last_acts import replaced

Write = Callable[[pa.Table], None]

COLUMNS = pa.schema(
    {
        "user_id": pa.string(),
        "rank": pa.int32(),
        "movie_id": pa.string(),
        "title": pa.string(),
        "score": pa.float64(),
        "model_run_id": pa.int32(),
    }
)
_FILE_COLUMNS = COLUMNS.remove(COLUMNS.get_field_index("title"))
_FILE_WRITERS: dict[str, Any] = {".parquet": pa.parquet.ParquetWriter, ".csv": pa.csv.CSVWriter}
_CHOICE = "Name a file ending in .parquet or .csv, or a table as schema.table."


def rows(
    user_ids: pa.StringArray,
    movie_ids: pa.StringArray,
    titles: pa.StringArray,
    ranks: NDArray[np.int32],
    scores: NDArray[np.float64],
    model_run_id: int,
) -> pa.Table:
    """Return the rows to write, from arrays of shape (n,)."""
    run = np.full(len(ranks), model_run_id, np.int32)
    return pa.table([user_ids, ranks, movie_ids, titles, scores, run], schema=COLUMNS)


def open_output(bind: Bind, output: str | Path) -> contextlib.AbstractContextManager[Write]:
    """Open a context in which recommendations are written.

    Earlier contents are replaced when it ends, and kept if it fails.

    Args:
        bind: An engine, for a transaction of the context's own, or a connection whose transaction is the caller's.
        output: A file ending in ``.parquet`` or ``.csv``, or a table as ``schema.table``, which is created if it does
            not exist. Readers of the table see the earlier rows until the transaction ends.

    Returns:
        The context; its value is a function that writes rows with the columns ``COLUMNS``. Files get no titles.

    Raises:
        ConfigError: Nothing can be written there, or the table has other columns.
    """
    path = Path(output)
    if path.suffix.lower() in _FILE_WRITERS:
        return _file(path)
    if name := re.fullmatch(r"(\w+)\.(\w+)", str(output)):
        return _table(bind, name[1], name[2])
    raise ConfigError(f"Recommendations cannot be written to {output}. {_CHOICE}")


@contextlib.contextmanager
def _file(path: Path) -> Iterator[Write]:
    if not path.parent.is_dir() or path.is_dir():
        raise ConfigError(f"The file {path} cannot be made there. Name another.")
    with replaced(path) as unfinished, _FILE_WRITERS[path.suffix.lower()](unfinished, _FILE_COLUMNS) as writer:
        yield lambda rows: writer.write_table(rows.select(_FILE_COLUMNS.names))


@contextlib.contextmanager
def _table(bind: Bind, schema: str, name: str) -> Iterator[Write]:
    table = sa.Table(
        name,
        sa.MetaData(),
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("rank", sa.Integer, primary_key=True),
        sa.Column("movie_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("model_run_id", sa.Integer, nullable=False),
        schema=schema,
    )
    with db.begin(bind) as connection:
        _make(connection, table)
        quoted = connection.dialect.identifier_preparer.format_table(table)
        # One batch at a time. DELETE, because TRUNCATE would block readers.
        connection.execute(sa.text(f"LOCK TABLE {quoted} IN SHARE ROW EXCLUSIVE MODE"))
        connection.execute(sa.delete(table))
        target = f"{quoted} ({', '.join(COLUMNS.names)})"
        yield lambda rows: binary_copy.copy_table(connection, target, rows)
        connection.execute(sa.text(f"ANALYZE {quoted}"))


def _make(connection: sa.Connection, table: sa.Table) -> None:
    """Create the table, or check that the existing one has the same columns."""
    inspector = sa.inspect(connection)
    if table.schema == tables.SCHEMA:
        raise ConfigError(f"The schema {tables.SCHEMA} is embrec's own. Name a table in another.")
    if not inspector.has_schema(str(table.schema)):
        raise ConfigError(f"The database has no schema {table.schema}. {_CHOICE}")
    if not inspector.has_table(table.name, table.schema):
        table.create(connection)
        return
    found = {column["name"]: column["type"] for column in inspector.get_columns(table.name, table.schema)}
    key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    wanted = _types(connection, {column.name: column.type for column in table.columns})
    if _types(connection, found) != wanted or key != ["user_id", "rank"]:
        columns = ", ".join(f"{column} {kind}" for column, kind in wanted.items())
        raise ConfigError(
            f"The table {table.fullname} has other columns than recommendations: {columns},"
            " PRIMARY KEY (user_id, rank). Name another; it is made where there is none."
        )


def _types(connection: sa.Connection, columns: dict[str, Any]) -> dict[str, str]:
    """Return PostgreSQL's names of the columns' types."""
    return {name: kind.compile(connection.dialect).lower() for name, kind in columns.items()}
