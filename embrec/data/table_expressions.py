"""SQL expressions that turn the columns of a table into ratings or events, and tell which rows are none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from embrec.data.files.columns import LONGEST_TYPE_BYTES, RATINGS, kind_of
from embrec.data.files.validate import IN_MILLISECONDS, LARGEST_VALUE, MILLISECONDS
from embrec.data.scale import Scale
from embrec.validation import LONGEST_ID_BYTES

INTEGERS = ("smallint", "integer", "bigint")
NUMBERS = (*INTEGERS, "numeric", "real", "double precision")
TIME_TYPES = ("timestamp with time zone", "timestamp without time zone", "date")
# Ids of these types have no blanks and are never too long.
_SHORT = ("uuid", *INTEGERS)
IDS = ("text", "character varying", "character", "name", "citext", *_SHORT)
_FIRST, _END = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
_LARGEST_REAL = 3.4e38


@dataclass(frozen=True)
class Given:
    """Expressions of what the rows of a source give.

    Attributes:
        texts: Of ids and types, by our names of columns; in the other expressions each is called ``staged_NAME``. Ids
            of users and movies are of types whose values are equal where their texts are; the text is the id.
        values: Of the other columns, as they are stored; they hold for a row without a fault.
        fault: The fault of a row, as 'column: reason'; NULL if it can be stored.
    """

    texts: Mapping[str, str]
    values: Mapping[str, str]
    fault: str


def expressions(
    columns: Mapping[str, tuple[str, str]], scale: Scale, event_type: str, origin: str | None = None
) -> Given:
    """Return the expressions for the columns of a source.

    Args:
        columns: The expression of each column, and its type, by our names.
        scale: The scale that ratings keep to.
        event_type: The type of events that have no column of types.
        origin: The table that the rows are of, which stands before their external ids: two tables may have the same
            keys, and ``embrec.follow_table()`` has the ids so, too. None for a query, whose ids are taken as they are.
    """
    kind = kind_of(columns)
    texts = {column: _as_id(*columns[column]) for column in ("user_id", "movie_id")}
    values, faults = {}, [*_id_faults("user_id", columns), *_id_faults("movie_id", columns)]
    if kind is RATINGS:
        rating = columns["rating"]
        values["rating"] = _stored(rating[0], scale)
        faults += _rating_faults(*rating, scale)
    else:
        texts["event_type"] = _literal(event_type)
        texts["external_id"], values["value"] = "NULL::text", "NULL::real"
        if "event_type" in columns:
            texts["event_type"] = f"embrec.trimmed({columns['event_type'][0]}::text)"
            faults += _type_faults()
        if "value" in columns:
            value = columns["value"][0]
            values["value"] = f"{value}::real"
            faults.append(
                f"WHEN NOT {value} BETWEEN 0 AND {LARGEST_VALUE:.0f} THEN 'value: not from 0 to {LARGEST_VALUE:,.0f}'"
            )
        if "external_id" in columns:
            before = "" if origin is None else f"{_literal(f'{origin} ')} || "
            texts["external_id"] = f"{before}nullif(embrec.trimmed({columns['external_id'][0]}::text), '')"
            faults.append(_too_long("external_id", LONGEST_ID_BYTES))
    values[kind.time] = "NULL::timestamptz"
    if kind.time in columns:
        time, its_type = columns[kind.time]
        values[kind.time] = as_timestamptz(time, its_type)
        if its_type in NUMBERS:
            # Not by abs(), which overflows; NaN is greater than every number.
            large = f"{time} BETWEEN {MILLISECONDS} AND 1e18 OR {time} BETWEEN -1e18 AND -{MILLISECONDS}"
            faults.append(f"WHEN {large} THEN '{kind.time}: {IN_MILLISECONDS}'")
        faults.append(f"WHEN NOT {_between(time, its_type)} THEN '{kind.time}: not a time between 1900 and 2099'")
        if kind is not RATINGS:
            late = f"{values[kind.time]} > now() + interval '1 day'"
            faults.append(f"WHEN {late} THEN '{kind.time}: more than a day in the future; is the clock right?'")
    return Given(texts, values, f"CASE {' '.join(faults)} END")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''").replace("%", "%%") + "'::text"


def _as_id(column: str, kind: str) -> str:
    """Return an id without the blanks around it, as a file's are read."""
    return column if kind in _SHORT else f"embrec.trimmed({column}::text)"


def _id_faults(name: str, columns: Mapping[str, tuple[str, str]]) -> list[str]:
    if columns[name][1] in _SHORT:
        return [f"WHEN staged_{name} IS NULL THEN '{name}: empty'"]
    return [f"WHEN coalesce(staged_{name}, '') = '' THEN '{name}: empty'", _too_long(name, LONGEST_ID_BYTES)]


def _too_long(name: str, most: int) -> str:
    return f"WHEN octet_length(staged_{name}) > {most} THEN '{name}: longer than {most} bytes'"


def _type_faults() -> list[str]:
    """Return the cases of a type that is none, as :func:`embrec.data.files.columns.type_fault` has them."""
    return [
        "WHEN coalesce(staged_event_type, '') = '' THEN 'event_type: empty'",
        _too_long("event_type", LONGEST_TYPE_BYTES),
        "WHEN staged_event_type = 'rating' THEN 'event_type: ''rating'', which is no type of events'",
    ]


def _stored(rating: str, scale: Scale) -> str:
    """Return an expression for the rating as it is stored; NULL if it is not on the scale."""
    # A number past double precision cannot be converted.
    number = f"CAST(CASE WHEN {rating} BETWEEN -1e9 AND 1e9 THEN {rating} END AS double precision)"
    return f"embrec.as_rating({number}, {scale.lowest!r}::real, {scale.highest!r}::real)"


def _rating_faults(rating: str, kind: str, scale: Scale) -> list[str]:
    faults = [f"WHEN {rating} IS NULL THEN 'rating: empty'"]
    if kind not in INTEGERS:
        # NaN compares greater than every number.
        finite = f"{rating} BETWEEN -{_LARGEST_REAL} AND {_LARGEST_REAL}"
        faults.append(f"WHEN NOT {finite} THEN 'rating: not a finite number'")
    return [*faults, f"WHEN {_stored(rating, scale)} IS NULL THEN 'rating: not on the scale, {scale}'"]


def as_timestamptz(time: str, kind: str) -> str:
    """Return an expression for a time of any of the types as timestamptz."""
    if kind in NUMBERS:
        return f"to_timestamp({time})"
    return time if kind == TIME_TYPES[0] else f"({time}::timestamp AT TIME ZONE 'UTC')"


def _between(time: str, kind: str) -> str:
    if kind in NUMBERS:
        return f"({time} >= {_FIRST.timestamp():.0f} AND {time} < {_END.timestamp():.0f})"
    zone = "+00" if kind == TIME_TYPES[0] else ""
    return f"({time} >= '{_FIRST:%Y-%m-%d} 00:00{zone}' AND {time} < '{_END:%Y-%m-%d} 00:00{zone}')"
