"""The mapping from a file's column names to embrec's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from embrec.errors import DataError

_LONGEST_HEADER_SHOWN = 200
# A header of more than 30 columns without those of ratings is probably a matrix of users and movies.
_WIDE = 30

# Names read without being asked, by the column they mean, the likeliest first. Case, blanks, underscores and hyphens
# do not count.
ALIASES = {
    "user_id": ("userid", "user"),
    "movie_id": ("movieid", "movie", "itemid", "item"),
    "rating": ("rating",),
    "rated_at": ("ratedat", "timestamp"),
    "title": ("title", "movietitle"),
    "genres": ("genres",),
    "release_year": ("releaseyear", "year", "releasedate"),
}

# The command-line option that names each column of ratings, and of movies.
COLUMN_OPTIONS = {
    "user_id": "--user-column",
    "movie_id": "--movie-column",
    "rating": "--rating-column",
    "rated_at": "--time-column",
}
MOVIE_COLUMN_OPTIONS = {
    "movie_id": "--movie-id-column",
    "title": "--title-column",
    "genres": "--genres-column",
    "release_year": "--year-column",
}


def rating_columns(header: Sequence[str], columns: Mapping[str, str], path: Path | str) -> dict[str, str]:
    """Return the header's names of user_id, movie_id, rating and, if there is one, rated_at.

    Raises:
        DataError: As :func:`match_columns`, or one that is needed is missing.
    """
    return needed_columns(header, columns, COLUMN_OPTIONS, ("user_id", "movie_id", "rating"), path)


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
            is_matrix = "rating" in needed and len(header) > _WIDE
            advice = " If it has a column for each movie, write a row for each rating." if is_matrix else ""
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
