"""Side information on users, as short labels, and the files that have it.

All of it is personal data: no message and no log has a user's labels, and :func:`embrec.data.ratings.forget_user`
takes them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embrec.data.files.columns import match_columns, shown
from embrec.data.files.text_files import read_rows, split_lines, why_no_id, why_no_text
from embrec.errors import BadRowError, DataError

LONGEST_LABEL_BYTES = 200
# A column with more than 12 distinct numbers is cut into 10 quantile groups: each needs enough users to learn from.
_FEW_NUMBERS, _PARTS = 12, 10
# A column with more than 1,000 distinct texts is refused: names, addresses or ids say nothing about other users.
MOST_TEXTS = 1_000

_ML_1M_AGES = {
    **{"1": "0-17", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49"},
    **{"50": "50-55", "56": "56 or more"},
}


class User(NamedTuple):
    """A user, and labels such as ``age 20-29`` or ``occupation student``; none if nothing is known."""

    user_id: str
    labels: list[str]


def read_ml_100k_users(path: Path) -> list[User]:
    """Users of u.user: their decades of age, sexes, occupations, and first characters of the zip code."""
    users = []
    for number, (user_id, age, sex, occupation, zip_code) in split_lines(path, "|", 5):
        if not (age.isdecimal() and len(age) <= 3):
            raise BadRowError(str(path), number, "age", "not a number of years")
        decade = int(age) // 10 * 10
        known = {"age": f"{decade}-{decade + 9}", "sex": sex, "occupation": occupation, "zip": zip_code[:1]}
        users.append(_user(user_id, known, str(path), number))
    return users


def read_ml_1m_users(path: Path) -> list[User]:
    """Users of users.dat: the same of them, age and occupation by the data set's own groups.

    MovieTweetings' users.dat has two columns, an id and the name of an account, which is no side information.
    """
    lines = list(split_lines(path, "::", 2, 5))
    if all(len(fields) == 2 for _, fields in lines):
        return []
    users = []
    for number, fields in lines:
        user_id, sex, age, occupation, zip_code = fields
        if age not in _ML_1M_AGES:
            raise BadRowError(str(path), number, "age", "not one of the data set's codes")
        known = {"age": _ML_1M_AGES[age], "sex": sex, "occupation": occupation, "zip": zip_code[:1]}
        users.append(_user(user_id, known, str(path), number))
    return users


def read_csv_users(path: Path) -> list[User]:
    """Users of a file with a header, or of JSON lines: user_id, and any columns, which become labels."""
    rows = read_rows(path)
    _, first = next(rows)
    header = [name.strip() for name in first]
    names = match_columns(header, {}, ("user_id",), path)
    if "user_id" not in names:
        raise DataError(f"{path} has no column user_id; its header is: {shown(header)}. Rename one.")
    numbered = list(rows)
    columns = {name: [_text(fields[place]) for _, fields in numbered] for place, name in enumerate(header)}
    ids = columns.pop(names["user_id"])
    return label_users(ids, columns, str(path), [number for number, _ in numbered])


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def label_users(
    ids: Sequence[str], columns: Mapping[str, Sequence[str]], file: str, lines: Sequence[int]
) -> list[User]:
    """Make labels of columns: a value that is not empty gives ``column value``.

    A column of numbers with more than 12 different ones is cut into ten parts of about as many users each, and the
    label has the part, such as ``age 23-27``.

    Args:
        ids: The users' external ids.
        columns: By its name, each column's values of all users, trimmed; empty if it is not known.
        file: A name for messages.
        lines: The users' line numbers, for messages.

    Raises:
        BadRowError: An id is none, or a label is too long or no text.
        DataError: A column has no name, or more than ``MOST_TEXTS`` different texts.
    """
    if not all(columns):
        raise DataError(f"{file} has a column without a name. Name it, or leave it out.")
    grouped = {name: _grouped(values, name, file) for name, values in columns.items()}
    return [
        _user(user_id, {name: values[row] for name, values in grouped.items()}, file, line)
        for row, (user_id, line) in enumerate(zip(ids, lines, strict=True))
    ]


def _user(user_id: str, known: Mapping[str, str], file: str, line: int) -> User:
    """Check a user, and name what is known."""
    if reason := why_no_id(user_id):
        raise BadRowError(file, line, "user_id", reason)
    labels = {name: f"{name} {value.strip()}" for name, value in known.items() if value.strip()}
    for name, label in labels.items():
        reason = why_no_text(label)
        if reason is None and len(label.encode()) > LONGEST_LABEL_BYTES:
            reason = f"longer than {LONGEST_LABEL_BYTES} bytes, with the column's name"
        if reason:
            raise BadRowError(file, line, shown([name]), reason)
    return User(user_id, list(dict.fromkeys(labels.values())))


def _grouped(values: Sequence[str], name: str, file: str) -> Sequence[str]:
    """The values, or the parts that they are in."""
    different = {value for value in values if value}
    numbers = _numbers(different)
    if numbers is None and len(different) > MOST_TEXTS:
        raise DataError(
            f"Column {shown([name])} of {file} has more than {MOST_TEXTS:,} different texts, so it says little of any "
            "two users. Leave it out, or write groups in their place."
        )
    if numbers is None or len(set(numbers.values())) <= _FEW_NUMBERS:
        return values
    known = np.array([numbers[value] for value in values if value])
    parts = dict(zip(numbers, _parts(known, np.array(list(numbers.values()))), strict=True))
    return [parts[value] if value else "" for value in values]


def _numbers(texts: Iterable[str]) -> dict[str, float] | None:
    """Each text's number, or None where one is none."""
    try:
        numbers = {text: float(text) for text in texts}
    except ValueError:
        return None
    return numbers if np.isfinite(list(numbers.values())).all() else None


def _parts(known: NDArray[np.float64], asked: NDArray[np.float64]) -> list[str]:
    """Name the part that each number asked for is in; the parts have about as many of the known numbers each."""
    edges = np.quantile(known, np.arange(1, _PARTS) / _PARTS, method="inverted_cdf")
    part_of, asked_part = np.searchsorted(edges, known), np.searchsorted(edges, asked)
    names = {}
    for part in np.unique(part_of):
        low, high = known[part_of == part].min(), known[part_of == part].max()
        names[part] = f"{low:.12g}" if low == high else f"{low:.12g}-{high:.12g}"
    return [names[part] for part in asked_part]
