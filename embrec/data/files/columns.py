"""The mapping from a file's column names to embrec's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from embrec.errors import DataError

_LONGEST_HEADER_SHOWN = 200
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}

# Names read without being asked, by the column they mean; letters' case and underscores are ignored.
ALIASES = {
    "user_id": ("userid", "user"),
    "movie_id": ("movieid", "movie", "itemid", "item"),
    "rating": ("rating",),
    "rated_at": ("ratedat", "timestamp"),
    "title": ("title", "movietitle"),
    "genres": ("genres",),
    "release_year": ("releaseyear", "year"),
}


# The command-line option that names each column of ratings.
COLUMN_OPTIONS = {
    "user_id": "--user-column",
    "movie_id": "--movie-column",
    "rating": "--rating-column",
    "rated_at": "--time-column",
}


def rating_columns(header: Sequence[str], columns: Mapping[str, str], path: Path | str) -> dict[str, str]:
    """Return the header's names of user_id, movie_id, rating and, if there is one, rated_at.

    Raises:
        DataError: As :func:`match_columns`, or one that is needed is missing.
    """
    names = match_columns(header, columns, tuple(COLUMN_OPTIONS), path)
    for column, option in COLUMN_OPTIONS.items():
        if column not in names and column != "rated_at":
            raise DataError(
                f"{path} has no column {column}; its header is: {shown(header)}. "
                f"Put its name there, or say what it is called with {option} NAME."
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
        DataError: A name the user gave is not in the header or not for a column of ours, two columns have one name,
            or something else than commas separates them.
    """
    if unknown := set(columns) - set(wanted):
        raise DataError(f"There is no column {', '.join(sorted(unknown))} to name. Name one of: {', '.join(wanted)}")
    used = {separator: words for separator, words in _OTHER_SEPARATORS.items() if separator in "".join(header)}
    if len(header) == 1 and used:
        raise DataError(f"{path} separates its columns by {' and '.join(used.values())}. Rewrite it with commas.")
    if twice := {name for name in header if header.count(name) > 1}:
        raise DataError(f"The header of {path} names {shown(sorted(twice))} twice. Rename one.")
    plain: dict[str, list[str]] = {}
    for name in header:
        plain.setdefault(name.replace("_", "").strip().lower(), []).append(name)
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
