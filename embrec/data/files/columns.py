"""The mapping from a file's column names to embrec's, which also tells whether its rows are ratings or events."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embrec.errors import ArgumentError, DataError

_LONGEST_HEADER_SHOWN = 200
# As the schema's: a type is a word, and its name is in messages and on pages.
LONGEST_TYPE_BYTES = 100
# The type of events that nobody names a type of.
DEFAULT_TYPE = "event"
# A header of more than 30 columns without the ids of users and movies is probably a matrix of users and movies.
_WIDE = 30

# Names read without being asked, by the column they mean, the likeliest first. Case, blanks, underscores and hyphens
# do not count.
ALIASES = {
    "user_id": ("userid", "user"),
    "movie_id": ("movieid", "movie", "itemid", "item"),
    "rating": ("rating",),
    "rated_at": ("ratedat", "timestamp"),
    "occurred_at": ("occurredat", "timestamp", "eventtime", "datetime", "time", "ratedat"),
    "event_type": ("eventtype", "event", "type", "action"),
    "value": ("value", "count", "plays", "playcount", "weight"),
    # Not event_id: where it is the number of a type, nearly all events would be taken for repeats.
    "external_id": ("externalid",),
    "title": ("title", "movietitle"),
    "genres": ("genres",),
    "release_year": ("releaseyear", "year", "releasedate"),
    # Read only if they are named: a column of this name may be anything.
    "content": (),
    "text": (),
}


@dataclass(frozen=True)
class Kind:
    """A kind of rows that loads take.

    Attributes:
        name: ``ratings`` or ``events``.
        options: The command-line option that names each of its columns.
        needed: The columns that every input has.
        time: The column of times.
    """

    name: str
    options: Mapping[str, str]
    needed: tuple[str, ...]
    time: str


_ID_OPTIONS = {"user_id": "--user-column", "movie_id": "--movie-column"}
RATINGS = Kind(
    "ratings",
    {**_ID_OPTIONS, "rating": "--rating-column", "rated_at": "--time-column"},
    ("user_id", "movie_id", "rating"),
    "rated_at",
)
EVENTS = Kind(
    "events",
    {
        **_ID_OPTIONS,
        "occurred_at": "--time-column",
        "event_type": "--type-column",
        "value": "--value-column",
        "external_id": "--id-column",
    },
    ("user_id", "movie_id"),
    "occurred_at",
)
TIMES = (RATINGS.time, EVENTS.time)
# The command-line option that names each column, of either kind; rated_at stands for the time of both.
COLUMN_OPTIONS = {name: option for name, option in {**EVENTS.options, **RATINGS.options}.items() if name != EVENTS.time}
# Naming one of these columns says that rows are events.
_OF_EVENTS = ("event_type", "value", "external_id")

# The command-line option that names each column of movies.
MOVIE_COLUMN_OPTIONS = {
    "movie_id": "--movie-id-column",
    "title": "--title-column",
    "genres": "--genres-column",
    "release_year": "--year-column",
    "content": "--content-column",
    "text": "--text-column",
}


@dataclass(frozen=True)
class Naming:
    """A caller's words on the rows of an input.

    Attributes:
        columns: The input's name of columns, by ours; ``rated_at`` and ``occurred_at`` both name the time.
        event_type: The type of all rows, which are events then; None if a column has it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    event_type: str | None = None

    def __post_init__(self) -> None:
        """Raise ArgumentError if the words contradict each other, or the type is none."""
        events = [EVENTS.options[column] for column in _OF_EVENTS if column in self.columns]
        if self.event_type is not None:
            if fault := type_fault(self.event_type):
                raise ArgumentError(f"The type of events is {fault}; name one such as play.")
            if "event_type" in self.columns:
                raise ArgumentError("Name the type of all events or the column of types, one of the two.")
            events.append("--event-type")
        if events and "rating" in self.columns:
            raise ArgumentError(
                f"A row is a rating or an event, and --rating-column and {events[0]} are both given. Give one of them."
            )
        if self.columns.keys() >= set(TIMES):
            raise ArgumentError("rated_at and occurred_at both name the time of a row. Name one of them.")

    @property
    def default_type(self) -> str:
        """The type of events that have no type of their own."""
        return (self.event_type or DEFAULT_TYPE).strip()

    def kind(self, header: Sequence[str], path: Path | str) -> Kind:
        """Return the kind of rows: events if the caller names what only they have, else by a column of ratings."""
        if self.event_type is not None or any(column in self.columns for column in _OF_EVENTS):
            return EVENTS
        named = "rating" in self.columns or "rating" in match_columns(header, {}, ("rating",), path)
        return RATINGS if named else EVENTS


def kind_of(columns: Collection[str]) -> Kind:
    """Return the kind of rows that have these columns, by our names."""
    return RATINGS if "rating" in columns else EVENTS


def type_fault(event_type: str) -> str | None:
    """Return what is wrong with a name of a type of events, or None."""
    if not event_type.strip():
        return "empty"
    if len(event_type.encode("utf-8", "surrogatepass")) > LONGEST_TYPE_BYTES:
        return f"longer than {LONGEST_TYPE_BYTES} bytes"
    if "\0" in event_type:
        return "text with a NUL character"
    return "'rating', which is no type of events" if event_type.strip() == "rating" else None


def row_columns(header: Sequence[str], naming: Naming, path: Path | str) -> dict[str, str]:
    """Return the header's names of the columns of ratings or events, by ours; :func:`kind_of` tells which they are.

    Raises:
        DataError: As :func:`match_columns`, or one that is needed is missing.
    """
    kind = naming.kind(header, path)
    given = {kind.time if column in TIMES else column: theirs for column, theirs in naming.columns.items()}
    options = {name: option for name, option in kind.options.items() if name != "event_type" or not naming.event_type}
    return needed_columns(header, given, options, kind.needed, path)


def movie_columns(header: Sequence[str], columns: Mapping[str, str], path: Path | str) -> dict[str, str]:
    """Return the header's names of the columns of movies, by ours; a title is needed unless content is named.

    Raises:
        DataError: As :func:`match_columns`, one that is needed is missing, or both content and a text are named.
    """
    if columns.keys() >= {"content", "text"}:
        raise DataError("A movie's content is a vector or a text, and both are named. Name one of them.")
    needed = ("movie_id",) if columns.keys() & {"content", "text"} else ("movie_id", "title")
    return needed_columns(header, columns, MOVIE_COLUMN_OPTIONS, needed, path)


def needed_columns(
    header: Sequence[str],
    columns: Mapping[str, str],
    options: Mapping[str, str],
    needed: Sequence[str],
    path: Path | str,
) -> dict[str, str]:
    """Return the header's name of each column that has an option and that the header has.

    Raises:
        DataError: As :func:`match_columns`, or one that is needed is missing.
    """
    names = match_columns(header, columns, tuple(options), path)
    for column in needed:
        if column not in names:
            is_matrix = "user_id" in needed and len(header) > _WIDE
            advice = " If it has a column for each movie, write a row for each user and movie." if is_matrix else ""
            raise DataError(
                f"{path} has no column {column}; its header is: {shown(header)}. Put its name there, or say what it is "
                f"called with {options[column]} NAME.{advice}"
            )
    return names


def match_columns(
    header: Sequence[str], columns: Mapping[str, str], wanted: Sequence[str], path: Path | str
) -> dict[str, str]:
    """The header's name of each wanted column that it has.

    Args:
        header: The file's names.
        columns: The file's column names as the user gave them, by our names.
        wanted: Our names.
        path: The file or table, for messages.

    Raises:
        DataError: A name the user gave is not in the header or not for a column of ours, or two columns have one name.
    """
    if unknown := set(columns) - set(wanted):
        raise DataError(f"There is no column {', '.join(sorted(unknown))} to name. Name one of: {', '.join(wanted)}")
    if twice := {name for name in header if header.count(name) > 1}:
        raise DataError(f"The header of {path} names {shown(sorted(twice))} twice. Rename one.")
    plain: dict[str, list[str]] = {}
    for name in header:
        plain.setdefault(re.sub(r"[\s_-]", "", name).lower(), []).append(name)
    found: dict[str, str] = {}
    for column in wanted:
        if column in columns:
            if columns[column] not in header:
                raise DataError(
                    f"{path} has no column {columns[column]}; its header is: {shown(header)}. Name one of these."
                )
            found[column] = columns[column]
        else:
            known = next((plain[alias] for alias in ALIASES[column] if alias in plain), [])
            if len(known) > 1:
                raise DataError(f"{path} has several columns {column}: {shown(known)}. Rename all but one.")
            if known:
                found[column] = known[0]
    return found


def shown(names: Sequence[str]) -> str:
    """Names for a message: on one line, and not too long, whatever the file is."""
    joined = ", ".join(name or "''" for name in names)
    text = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in joined[:_LONGEST_HEADER_SHOWN]
    )
    return text if len(joined) <= _LONGEST_HEADER_SHOWN else f"{text}..."
