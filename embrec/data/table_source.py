"""Ratings that the database has already, in a table or by a query: which SQL reads them, and which rows are none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from embrec.data.files.columns import match_columns, rating_columns, shown
from embrec.data.files.movies import Movie, movies_of
from embrec.data.scale import WIDEST, Scale
from embrec.errors import ArgumentError, DataError
from embrec.validation import LONGEST_ID_BYTES

# Rows up to one hour older than the watermark are read again, or rows of transactions still open then would be missed.
OVERLAP = dt.timedelta(hours=1)

_INTEGERS = ("smallint", "integer", "bigint")
_NUMBERS = (*_INTEGERS, "numeric", "real", "double precision")
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")
# Ids of these types have no blanks and are never too long.
_SHORT = ("uuid", *_INTEGERS)
_IDS = ("text", "character varying", "character", "name", "citext", *_SHORT)
_KINDS = {
    "user_id": ("text or whole numbers", _IDS),
    "movie_id": ("text or whole numbers", _IDS),
    "rating": ("numbers", _NUMBERS),
    "rated_at": ("times, dates, or seconds since 1970", (*_TIMES, *_NUMBERS)),
}
_FIRST, _END = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_LARGEST_REAL = 3.4e38


@dataclass(frozen=True)
class TableSource:
    """Ratings that the database has already; exactly one of table and query.

    Attributes:
        table: A table, view or foreign table, with its schema where that is not on the search path.
        query: A SELECT.
        columns: Its names of user_id, movie_id, rating and rated_at, if they differ:
            ``{"user_id": "customer"}``. A rated_at is a timestamp (without a zone it is UTC), a date, or seconds since
            1970; there need not be one.
        movies_query: A SELECT of movie_id, title and, where known, genres (text[], json, or text as A|B) and
            release_year (a number, a date or text).
        watermark: A column of times that changes whenever its row does, such as updated_at. Then only rows are read
            that are newer than all were at the last such load, or at most ``OVERLAP`` older.
    """

    table: str | None = None
    query: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    movies_query: str | None = None
    watermark: str | None = None

    def __post_init__(self) -> None:
        """Raise ArgumentError unless there is exactly one of table and query."""
        if (self.table is None) == (self.query is None):
            raise ArgumentError("Give a table of ratings or a query for them, one of the two.")


@dataclass(frozen=True)
class Reading:
    """The SQL that reads a source: expressions of its rows, which are called ``s``.

    Attributes:
        name: Its name in messages.
        key: Its name in ``embrec.load_watermarks``: the table with its schema, or the query.
        rows: A FROM item.
        user_id: Of a type whose values are equal where their texts are; the text is the id.
        movie_id: Likewise.
        rating: A real, of a row without a fault.
        rated_at: A timestamptz; NULL without one.
        raw: All that is read of a row, as it stands there, as text[].
        fault: The fault of a row, as 'column: reason'; NULL if it can be converted to a rating. Its ids are
            ``staged_user`` and ``staged_movie``.
        watermark: The column of times as it stands there, and its type; None without one.
    """

    name: str
    key: str
    rows: str
    user_id: str
    movie_id: str
    rating: str
    rated_at: str
    raw: str
    fault: str
    watermark: tuple[str, str] | None

    def select(self, condition: str) -> str:
        """Return the SELECT that reads the rows once: as ratings, or with their fault and as they stand there.

        Args:
            condition: A condition on the rows, as :meth:`since` gives it.
        """
        watermark = "NULL::timestamptz"
        if self.watermark is not None:
            column, kind = self.watermark
            watermark = f"CASE WHEN isfinite({column}) THEN {_as_timestamptz(column, kind)} END"
        return (
            f"SELECT staged_user AS user_id, staged_movie AS movie_id, fault, {watermark} AS watermark,"
            f" CASE WHEN fault IS NULL THEN {self.rating} END AS rating,"
            f" CASE WHEN fault IS NULL THEN {self.rated_at} END AS rated_at,"
            f" CASE WHEN fault IS NOT NULL THEN {self.raw} END AS raw FROM (SELECT *, {self.fault} AS fault FROM"
            f" (SELECT s.*, {self.user_id} AS staged_user, {self.movie_id} AS staged_movie FROM {self.rows}"
            # OFFSET 0 keeps what is computed once from being computed again in each place.
            f" WHERE {condition} OFFSET 0) AS s OFFSET 0) AS s"
        )

    def since(self, mark: dt.datetime) -> str:
        """A condition on the rows from ``OVERLAP`` before a time on; an index on the watermark's column serves it."""
        if self.watermark is None:
            return "true"
        column, kind = self.watermark
        start = (mark - OVERLAP).astimezone(dt.UTC)
        literal = {_TIMES[0]: f"timestamptz '{start.isoformat()}'", _TIMES[2]: f"date '{start:%Y-%m-%d}'"}.get(
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
    names = rating_columns(list(types), source.columns, name)
    for column, theirs in names.items():
        wanted, kinds = _KINDS[column]
        if types[theirs] not in kinds:
            raise DataError(
                f"Column {shown([theirs])} of {name} is of type {types[theirs]}, and {column} is {wanted}. "
                "Convert it in a query: --from-query."
            )
    expressions = {column: f"s.{_quoted(theirs)}" for column, theirs in names.items()}
    rated_at, in_time = "NULL::timestamptz", "true"
    if "rated_at" in expressions:
        time, kind = expressions["rated_at"], types[names["rated_at"]]
        rated_at, in_time = _as_timestamptz(time, kind), f"coalesce({_between(time, kind)}, true)"
    return Reading(
        name=name,
        key=source.query or name,
        rows=rows,
        user_id=_as_id(expressions["user_id"], types[names["user_id"]]),
        movie_id=_as_id(expressions["movie_id"], types[names["movie_id"]]),
        rating=_stored(expressions["rating"], scale),
        rated_at=rated_at,
        raw=f"ARRAY[{', '.join(f'{each}::text' for each in expressions.values())}]",
        fault=_fault(
            expressions["rating"], {column: types[theirs] for column, theirs in names.items()}, in_time, scale
        ),
        watermark=_watermark(source.watermark, types, name),
    )


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
    without_end = re.sub(r";\s*((--[^\n]*|/\*.*?\*/)\s*)*\Z", "", query.rstrip(), flags=re.DOTALL)
    # A line of its own, for the query may end with a comment.
    return f"({without_end.replace('%', '%%')}\n) AS s"


def _types(connection: sa.Connection, rows: str) -> dict[str, str]:
    """The types of the columns of a FROM item, by name."""
    described = run(connection, f"SELECT * FROM {rows} LIMIT 0").cursor.description
    header = [str(column[0]) for column in described]
    if twice := {name for name in header if header.count(name) > 1}:
        raise DataError(f"The query names {shown(sorted(twice))} twice. Rename one, by AS.")
    kinds = connection.execute(
        sa.text(
            "SELECT format_type(oid, NULL) FROM unnest(CAST(:oids AS oid[])) WITH ORDINALITY AS t(oid, n) ORDER BY n"
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
    if types[column] not in _TIMES:
        raise DataError(
            f"Column {shown([column])} of {name} is of type {types[column]}, and a watermark is a time that changes "
            "with its row, such as updated_at. Name another, or load without --watermark."
        )
    return f"s.{_quoted(column)}", types[column]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _as_id(column: str, kind: str) -> str:
    """Return an id without the blanks around it, as a file's are read."""
    return column if kind in _SHORT else f"embrec.trimmed({column}::text)"


def _stored(rating: str, scale: Scale) -> str:
    """Return an expression for the rating as it is stored; NULL if it is not on the scale."""
    # A number past double precision cannot be converted.
    number = f"CAST(CASE WHEN {rating} BETWEEN -1e9 AND 1e9 THEN {rating} END AS double precision)"
    return f"embrec.as_rating({number}, {scale.lowest!r}::real, {scale.highest!r}::real)"


def _fault(rating: str, kinds: Mapping[str, str], in_time: str, scale: Scale) -> str:
    """Return an expression for the fault of a row, as 'column: reason', or NULL."""
    cases = []
    for column, staged in (("user_id", "staged_user"), ("movie_id", "staged_movie")):
        if kinds[column] in _SHORT:
            cases.append(f"WHEN {staged} IS NULL THEN '{column}: empty'")
            continue
        cases.append(f"WHEN coalesce({staged}, '') = '' THEN '{column}: empty'")
        longer = f"'{column}: longer than {LONGEST_ID_BYTES} bytes'"
        cases.append(f"WHEN octet_length({staged}) > {LONGEST_ID_BYTES} THEN {longer}")
    cases.append(f"WHEN {rating} IS NULL THEN 'rating: empty'")
    if kinds["rating"] not in _INTEGERS:
        # NaN compares greater than every number.
        finite = f"{rating} BETWEEN -{_LARGEST_REAL} AND {_LARGEST_REAL}"
        cases.append(f"WHEN NOT {finite} THEN 'rating: not a finite number'")
    cases.append(f"WHEN {_stored(rating, scale)} IS NULL THEN 'rating: not on the scale, {scale}'")
    return f"CASE {' '.join(cases)} WHEN NOT {in_time} THEN 'rated_at: not a time between 1900 and 2099' END"


def _as_timestamptz(time: str, kind: str) -> str:
    if kind in _NUMBERS:
        return f"to_timestamp({time})"
    return time if kind == _TIMES[0] else f"({time}::timestamp AT TIME ZONE 'UTC')"


def _between(time: str, kind: str) -> str:
    if kind in _NUMBERS:
        return f"({time} >= {_FIRST.timestamp():.0f} AND {time} < {_END.timestamp():.0f})"
    zone = "+00" if kind == _TIMES[0] else ""
    return f"({time} >= '{_FIRST:%Y-%m-%d} 00:00{zone}' AND {time} < '{_END:%Y-%m-%d} 00:00{zone}')"
