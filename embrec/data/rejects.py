"""Bad rows that a load sets aside: the limit on their number, and the file that they are written to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from embrec.errors import DataError

# An input with more than 100 types of events has probably something else in that column.
MOST_TYPES = 100
# At most 100,000 bad rows: they are held in memory, and an input with more is probably of another format.
MOST_REJECTED = 100_000


class RejectedRow(NamedTuple):
    """A bad row: where it is, what is wrong, and its text."""

    file: str
    line: int
    column: str
    reason: str
    row: str


def refuse_too_many(name: str, rejected: Sequence[RejectedRow], first: str, advice: str) -> None:
    """Refuse an input with more than ``MOST_REJECTED`` bad rows.

    Args:
        name: The input's name for the message.
        rejected: Its bad rows.
        first: Where the first bad row is, and what is wrong with it.
        advice: What to check.

    Raises:
        DataError: There are too many.
    """
    if len(rejected) > MOST_REJECTED:
        raise DataError(
            f"{name} has more than {MOST_REJECTED:,} bad rows, the first of them {first}. Nothing was stored; {advice}."
        )


def refuse_many_types(name: str, types: Sequence[str]) -> None:
    """Refuse an input with more than ``MOST_TYPES`` types of events.

    Raises:
        DataError: There are too many.
    """
    if len(types) > MOST_TYPES:
        raise DataError(
            f"{name} has {len(types):,} types of events, such as {types[0]!r}. Nothing was stored; name the column of "
            "types with --type-column, or one type for all with --event-type."
        )


def check_reject_file(reject_to: str | Path | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse a reject file that could not be written, or would be written over an input, before anything is done."""
    if reject_to is None:
        return
    path = Path(reject_to)
    if path.exists() and any(each.exists() and path.samefile(each) for each in inputs):
        raise DataError(f"The file for rejected rows, {path}, is the input itself. Name another.")
    if not path.parent.is_dir() or path.is_dir():
        raise DataError(f"The file for rejected rows, {path}, cannot be made there. Name another.")


def write_rejected(reject_to: str | Path | None, rejected: Sequence[RejectedRow]) -> None:
    """Write bad rows and their reasons to a CSV file, if one is named."""
    if reject_to is None:
        return
    with open(reject_to, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(RejectedRow._fields)
        writer.writerows(rejected)
