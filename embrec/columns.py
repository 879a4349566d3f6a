"""Which column of somebody's file is which of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from embrec.errors import DataError

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


def match_columns(
    header: Sequence[str], columns: Mapping[str, str], wanted: Sequence[str], path: Path
) -> dict[str, str]:
    """The header's name of each wanted column that it has.

    Args:
        header: The file's names.
        columns: What the user says the file calls a column, by our names.
        wanted: Our names.
        path: The file, for messages.

    Raises:
        DataError: A name the user gave is not in the header, or is not for a column of ours.
    """
    if unknown := set(columns) - set(wanted):
        raise DataError(f"There is no column {', '.join(sorted(unknown))} to name. Name one of: {', '.join(wanted)}")
    plain = {name.replace("_", "").strip().lower(): name for name in header}
    found: dict[str, str] = {}
    for column in wanted:
        if column in columns:
            if columns[column] not in header:
                raise DataError(f"{path} has no column {columns[column]}; its header is: {', '.join(header)}.")
            found[column] = columns[column]
        else:
            known = [alias for alias in ALIASES[column] if alias in plain]
            if known:
                found[column] = plain[known[0]]
    return found
