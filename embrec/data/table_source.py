"""Ratings or events that the database has already, in a table or by a query, and the SQL that reads them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from embrec.data.files.columns import RATINGS, TIMES, Kind, Naming, kind_of, match_columns, row_columns, shown
from embrec.data.files.movies import Movie, movies_of
from embrec.data.scale import WIDEST, Scale
from embrec.data.table_expressions import IDS, INTEGERS, NUMBERS, TIME_TYPES, Given, as_timestamptz, expressions
from embrec.db import binary_copy
from embrec.errors import ArgumentError, DataError

# Types that a content vector may have.
_VECTORS = ("vector", "halfvec", "real[]", "double precision[]", "numeric[]", "integer[]")
# Rows up to one hour older than the watermark are read again, or rows of transactions still open then would be missed.
OVERLAP = dt.timedelta(hours=1)

_KINDS = {
    "user_id": ("text or whole numbers", IDS),
    "movie_id": ("text or whole numbers", IDS),
    "rating": ("numbers", NUMBERS),
    **dict.fromkeys(TIMES, ("times, dates, or seconds since 1970", (*TIME_TYPES, *NUMBERS))),
    "event_type": ("text", IDS),
    "value": ("numbers", NUMBERS),
    "external_id": ("text or whole numbers", IDS),
}


@dataclass(frozen=True)
class TableSource:
    """Ratings or events that the database has already; exactly one of table and query.

    Attributes:
        table: A table, view or foreign table, with its schema where that is not on the search path.
        query: A SELECT.
        columns: Its names of user_id, movie_id, rating and rated_at, if they differ:
            ``{"user_id": "customer"}``. A rated_at is a timestamp (without a zone it is UTC), a date, or seconds since
            1970; there need not be one. Without a rating its rows are events, and may have event_type, value,
            occurred_at and external_id.
        movies_query: A SELECT of movie_id, title and, where known, genres (text[], json, or text as A|B) and
            release_year (a number, a date or text).
        watermark: A column of times that changes whenever its row does, such as updated_at. Then only rows are read
            that are newer than all were at the last such load, or at most ``OVERLAP`` older.
        event_type: The type of all rows, which are events then; None to read a column of types, if there is one.
    """

    table: str | None = None
    query: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    movies_query: str | None = None
    watermark: str | None = None
    event_type: str | None = None

    def __post_init__(self) -> None:
        """Raise ArgumentError unless there is exactly one of table and query, of ratings or events."""
        if (self.table is None) == (self.query is None):
            raise ArgumentError("Give a table of rows or a query for them, one of the two.")
        self.naming()

    def naming(self) -> Naming:
        """Return the caller's words on the rows."""
        return Naming(self.columns, self.event_type)


@dataclass(frozen=True)
class Reading:
    """The SQL that reads a source: expressions of its rows, which are called ``s``.

    Attributes:
        name: Its name in messages.
        key: Its name in ``embrec.load_watermarks``: the table with its schema, or the query.
        kind: The kind of its rows.
        rows: A FROM item.
        given: The expressions of what it gives, and of the faults.
        raw: All that is read of a row, as it stands there, as text[].
        position: The position of a row, which numbers events in their order.
        watermark: The column of times as it stands there, and its type; None without one.
    """

    name: str
    key: str
    kind: Kind
    rows: str
    given: Given
    raw: str
    position: str
    watermark: tuple[str, str] | None

    def select(self, condition: str) -> str:
        """Return the SELECT that reads the rows once: as they are stored, or with their fault and as they stand there.

        Args:
            condition: A condition on the rows, as :meth:`since` gives it.
        """
        watermark = "NULL::timestamptz"
        if self.watermark is not None:
            column, kind = self.watermark
            watermark = f"CASE WHEN isfinite({column}) THEN {as_timestamptz(column, kind)} END"
        staged = ", ".join(f"{expression} AS staged_{column}" for column, expression in self.given.texts.items())
        texts = ", ".join(f"staged_{column} AS {column}" for column in self.given.texts)
        values = ", ".join(
            f"CASE WHEN fault IS NULL THEN {expression} END AS {column}"
            for column, expression in self.given.values.items()
        )
        return (
            f"SELECT {self.position} AS position, {texts}, fault, {watermark} AS watermark, {values},"
            f" CASE WHEN fault IS NOT NULL THEN {self.raw} END AS raw FROM (SELECT *, {self.given.fault} AS fault FROM"
            f" (SELECT s.*, {staged} FROM {self.rows}"
            # OFFSET 0 keeps what is computed once from being computed again in each place.
            f" WHERE {condition} OFFSET 0) AS s OFFSET 0) AS s"
        )

    def since(self, mark: dt.datetime) -> str:
        """A condition on the rows from ``OVERLAP`` before a time on; an index on the watermark's column serves it."""
        if self.watermark is None:
            return "true"
        column, kind = self.watermark
        start = (mark - OVERLAP).astimezone(dt.UTC)
        literal = {TIME_TYPES[0]: f"timestamptz '{start.isoformat()}'", TIME_TYPES[2]: f"date '{start:%Y-%m-%d}'"}.get(
            kind, f"timestamp '{start.replace(tzinfo=None).isoformat()}'"
        )
        return f"({column} >= {literal} OR {column} IS NULL)"


def run(connection: sa.Connection, statement: str, values: Mapping[str, Any] | None = None) -> sa.CursorResult[Any]:
    """Run a statement with SQL of the user's in it, whose colons are not ours to read; ``%(name)s`` is a value."""
    return connection.exec_driver_sql(statement, dict(values or {}))


def read_source(connection: sa.Connection, source: TableSource, scale: Scale = WIDEST) -> Reading:
    """Find out how a source is read.

    Raises:
        DataError: There is no such table or column, or one is of a type that cannot be what it should.
        DatabaseError: The query is none, or this role may not read.
    """
    if source.table is None:
        name, rows = "The query", _subquery(source.query or "")
    else:
        name, rows = _relation(connection, source.table)
    types = _types(connection, rows)
    naming = source.naming()
    names = row_columns(list(types), naming, name)
    for column, theirs in names.items():
        wanted, kinds = _KINDS[column]
        if types[theirs] not in kinds:
            raise DataError(
                f"Column {shown([theirs])} of {name} is of type {types[theirs]}, and {column} is {wanted}. "
                "Convert it in a query: --from-query."
            )
    columns = {column: (f"s.{_quoted(theirs)}", types[theirs]) for column, theirs in names.items()}
    return Reading(
        name=name,
        key=source.query or name,
        kind=kind_of(columns),
        rows=rows,
        given=expressions(columns, scale, naming.default_type, name if source.table is not None else None),
        raw=f"ARRAY[{', '.join(f'{column}::text' for column, _ in columns.values())}]",
        position=_position(columns, source.table),
        watermark=_watermark(source.watermark, types, name),
    )


def _position(columns: Mapping[str, tuple[str, str]], table: str | None) -> str:
    """Return an expression that numbers events: a table's by their external id, others as they are read."""
    if kind_of(columns) is RATINGS:
        return "NULL::bigint"
    if table is None or "external_id" not in columns:
        return "row_number() OVER ()"
    column, kind = columns["external_id"]
    # Numbers by size, whatever their type, and text the same in every collation.
    order = column if kind in INTEGERS else f'length({column}::text), {column}::text COLLATE "C"'
    return f"row_number() OVER (ORDER BY {order})"


def read_movies(connection: sa.Connection, query: str) -> list[Movie]:
    """The movies that a query gives.

    Raises:
        DataError: A column is missing, or a row is no movie.
    """
    result = run(connection, f"SELECT * FROM {_subquery(query)}")
    header = list(result.keys())
    names = match_columns(header, {}, ("movie_id", "title", "genres", "release_year"), "The query of movies")
    for column in ("movie_id", "title"):
        if column not in names:
            raise DataError(f"The query of movies has no column {column}; it has: {shown(header)}. Name one so, by AS.")
    rows = ({column: row[theirs] for column, theirs in names.items()} for row in result.mappings())
    return movies_of(enumerate(rows, 1), "the query of movies")


def read_content(connection: sa.Connection, query: str) -> list[Movie]:
    """Return the movies of a query of ``movie_id`` and ``content``, vectors or arrays of numbers, or ``text``.

    Raises:
        DataError: A column is missing or of another type, or a row is no movie.
    """
    types = _types(connection, _subquery(query))
    kind = next((column for column in ("content", "text") if column in types), None)
    if "movie_id" not in types or kind is None:
        raise DataError(
            f"The query of content has the columns {shown(list(types))}. It needs movie_id, and content or text: name "
            "them so, by AS."
        )
    if kind == "content" and types[kind] not in _VECTORS:
        raise DataError(
            f"Column content is of type {types[kind]}, and content is a vector, a halfvec or an array of numbers. "
            "Convert it in the query, or name a text: AS text"
        )
    # An array of several dimensions, or with NULLs, is none that content_of takes.
    value = (
        "s.text::text"
        if kind == "text"
        else "CASE WHEN array_ndims(s.content::real[]) = 1 AND array_position(s.content::real[], NULL) IS NULL"
        " THEN s.content::real[] WHEN s.content IS NOT NULL THEN '{NaN}' END"
    )
    # All at once, or the rollback after a bad row would wait for the rows that nobody takes.
    found = list(binary_copy.query_arrays(connection, f"SELECT s.movie_id::text, {value} FROM {_as_it_is(query)}"))
    rows = ({"movie_id": movie, kind: content} for movie, content in found)
    return movies_of(enumerate(rows, 1), "the query of content")


def _relation(connection: sa.Connection, table: str) -> tuple[str, str]:
    found = connection.scalar(
        sa.text(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name)"
        ),
        {"name": table},
    )
    if found is None:
        raise DataError(
            f"There is no table {table} in this database. Check the name, and write it with its schema and, where it "
            "has capitals, with quotes: 'shop.\"Ratings\"'"
        )
    return str(found), f"{str(found).replace('%', '%%')} AS s"


def _subquery(query: str) -> str:
    return _as_it_is(query).replace("%", "%%")


def _as_it_is(query: str) -> str:
    """Return a query as a FROM item, for a statement without values."""
    without_end = re.sub(r";\s*((--[^\n]*|/\*.*?\*/)\s*)*\Z", "", query.rstrip(), flags=re.DOTALL)
    # A line of its own, for the query may end with a comment.
    return f"({without_end}\n) AS s"


def _types(connection: sa.Connection, rows: str) -> dict[str, str]:
    """The types of the columns of a FROM item, by name."""
    described = run(connection, f"SELECT * FROM {rows} LIMIT 0").cursor.description
    header = [str(column[0]) for column in described]
    if twice := {name for name in header if header.count(name) > 1}:
        raise DataError(f"The query names {shown(sorted(twice))} twice. Rename one, by AS.")
    kinds = connection.execute(
        sa.text(
            # An enumeration is read as text.
            "SELECT format_type(CASE WHEN t.typtype = 'e' THEN 'text'::regtype ELSE c.oid END, NULL)"
            " FROM unnest(CAST(:oids AS oid[])) WITH ORDINALITY AS c(oid, n) JOIN pg_type AS t USING (oid) ORDER BY n"
        ),
        {"oids": [column[1] for column in described]},
    )
    # An extension's type, such as citext, comes with its schema where that is not on the search path.
    return dict(zip(header, (kind.rpartition(".")[2] for kind in kinds.scalars()), strict=True))


def _watermark(column: str | None, types: Mapping[str, str], name: str) -> tuple[str, str] | None:
    if column is None:
        return None
    if column not in types:
        raise DataError(f"{name} has no column {column} for a watermark; it has: {shown(list(types))}. Name one.")
    if types[column] not in TIME_TYPES:
        raise DataError(
            f"Column {shown([column])} of {name} is of type {types[column]}, and a watermark is a time that changes "
            "with its row, such as updated_at. Name another, or load without --watermark."
        )
    return f"s.{_quoted(column)}", types[column]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'
