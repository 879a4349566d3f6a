"""Ratings that the database has already, in a table or by a query: which SQL reads them, and which rows are none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from embrec.data.files.columns import match_columns, rating_columns, shown
from embrec.data.files.movies import Movie, check_movie, titled
from embrec.data.scale import Scale
from embrec.errors import ArgumentError, BadRowError, DataError
from embrec.validation import LONGEST_ID_BYTES

# Rows up to one hour older than the watermark are read again, or rows of transactions still open then would be missed.
OVERLAP = dt.timedelta(hours=1)

_INTEGERS = ("smallint", "integer", "bigint")
_NUMBERS = (*_INTEGERS, "numeric", "real", "double precision")
_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")
# Two values of these that are equal have the same text, so that they can be grouped as they are, which is quicker.
_ONE_TEXT = ("text", "character varying", "uuid", *_INTEGERS)
_KINDS = {
    "user_id": ("text or whole numbers", (*_ONE_TEXT, "character", "name", "citext")),
    "movie_id": ("text or whole numbers", (*_ONE_TEXT, "character", "name", "citext")),
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
        movies_query: A SELECT of movie_id, title and, where known, genres (text[], or text as A|B) and release_year.
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
        rating: A number of any type.
        stored: The rating as it is stored; NULL if it is not on the scale.
        scale: The scale.
        rated_at: A timestamptz; NULL without one.
        raw: All that is read of a row, as it stands there, as text[].
        good: Whether the row is a rating, so that it can be converted.
        watermark: The column of times as it stands there, and its type; None without one.
    """

    name: str
    key: str
    rows: str
    user_id: str
    movie_id: str
    rating: str
    stored: str
    scale: Scale
    rated_at: str
    raw: str
    good: str
    watermark: tuple[str, str] | None

    @property
    def bad(self) -> str:
        """The fault of a row, as 'column: reason'; NULL if it has none."""
        ids = [
            f"WHEN coalesce({expression}::text, '') = '' THEN '{column}: empty'"
            f" WHEN octet_length({expression}::text) > {LONGEST_ID_BYTES}"
            f" THEN '{column}: longer than {LONGEST_ID_BYTES} bytes'"
            for column, expression in (("user_id", self.user_id), ("movie_id", self.movie_id))
        ]
        return (
            f"CASE {' '.join(ids)} WHEN {self.rating} IS NULL THEN 'rating: empty'"
            f" WHEN NOT {_finite(self.rating)} THEN 'rating: not a finite number'"
            f" WHEN {self.stored} IS NULL THEN 'rating: not on the scale, {self.scale}'"
            f" WHEN ({self.good}) IS NOT TRUE THEN 'rated_at: not a time between 1900 and 2099' END"
        )

    def newest(self) -> str:
        """The newest finite time of the watermark's column, for an aggregate."""
        if self.watermark is None:
            return "NULL::timestamptz"
        column, kind = self.watermark
        return f"max({_as_timestamptz(column, kind)}) FILTER (WHERE isfinite({column}))"

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


def read_source(connection: sa.Connection, source: TableSource, scale: Scale) -> Reading:
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
    user_id, movie_id = (
        expressions[column] + ("" if types[names[column]] in _ONE_TEXT else "::text")
        for column in ("user_id", "movie_id")
    )
    rating, rated_at = expressions["rating"], "NULL::timestamptz"
    stored = _stored(rating, scale)
    conditions = [
        *(_is_id(column, types[names[name]]) for name, column in (("user_id", user_id), ("movie_id", movie_id))),
        f"{stored} IS NOT NULL",
    ]
    if "rated_at" in expressions:
        time, kind = expressions["rated_at"], types[names["rated_at"]]
        rated_at = _as_timestamptz(time, kind)
        conditions.append(f"coalesce({_between(time, kind)}, true)")
    return Reading(
        name,
        source.query or name,
        rows,
        user_id,
        movie_id,
        rating,
        stored,
        scale,
        rated_at,
        f"ARRAY[{', '.join(f'{each}::text' for each in expressions.values())}]",
        " AND ".join(conditions),
        _watermark(source.watermark, types, name),
    )


def read_movies(connection: sa.Connection, query: str) -> list[Movie]:
    """The movies that a query gives, with the year that a title ends with where none is given.

    Raises:
        DataError: A column is missing, or a row is no movie.
    """
    result = run(connection, f"SELECT * FROM {_subquery(query)}")
    header = list(result.keys())
    names = match_columns(header, {}, ("movie_id", "title", "genres", "release_year"), "The query of movies")
    for column in ("movie_id", "title"):
        if column not in names:
            raise DataError(f"The query of movies has no column {column}; it has: {shown(header)}. Name one so, by AS.")
    return list(_movies(result.mappings(), names))


def _movies(rows: sa.MappingResult, names: Mapping[str, str]) -> Iterator[Movie]:
    for number, row in enumerate(rows, 1):
        values = {column: row[theirs] for column, theirs in names.items()}
        genres, year = values.get("genres"), values.get("release_year")
        if isinstance(genres, str):
            genres = genres.split("|")
        elif genres is not None:
            genres = [str(genre) for genre in genres if genre is not None]
        if year is not None and not str(year).isdigit():
            raise BadRowError("the query of movies", number, "release_year", "not a year between 1800 and 2199")
        movie_id, title = ("" if each is None else str(each) for each in (values["movie_id"], values["title"]))
        movie = titled(movie_id, title, genres, None if year is None else int(year))
        yield check_movie(movie, "the query of movies", number)


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


def _is_id(column: str, kind: str) -> str:
    if kind in (*_INTEGERS, "uuid"):
        return f"{column} IS NOT NULL"
    return f"{column} <> '' AND octet_length({column}) <= {LONGEST_ID_BYTES}"


def _finite(number: str) -> str:
    # NaN compares greater than every number.
    return f"({number} BETWEEN -{_LARGEST_REAL} AND {_LARGEST_REAL})"


def _stored(rating: str, scale: Scale) -> str:
    # A number past double precision cannot be converted.
    number = f"CASE WHEN {_finite(rating)} THEN {rating} END::double precision"
    return f"embrec.as_rating({number}, {scale.lowest!r}::real, {scale.highest!r}::real)"


def _as_timestamptz(time: str, kind: str) -> str:
    if kind in _NUMBERS:
        return f"to_timestamp({time})"
    return time if kind == _TIMES[0] else f"({time}::timestamp AT TIME ZONE 'UTC')"


def _between(time: str, kind: str) -> str:
    if kind in _NUMBERS:
        return f"({time} >= {_FIRST.timestamp():.0f} AND {time} < {_END.timestamp():.0f})"
    zone = "+00" if kind == _TIMES[0] else ""
    return f"({time} >= '{_FIRST:%Y-%m-%d} 00:00{zone}' AND {time} < '{_END:%Y-%m-%d} 00:00{zone}')"
