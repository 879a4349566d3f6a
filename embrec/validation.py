"""Validation of callers' arguments, and their conversion to values for SQL statements."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import numbers
import operator
import re
import struct
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

from embrec.errors import ArgumentError

# An external id, as applications hold it: PostgreSQL's text, bigint or uuid.
OutsideId = str | int | uuid.UUID
# A step of a visitor's session: a movie's id, or a mapping with the keys movie_id, type and at.
Step = str | int | uuid.UUID | Mapping[str, Any]
Repeats = Literal["never", "allowed", "only"]
# A visitor's ratings by movie id, or the ids of the movies that they watched.
GivenRatings = Mapping[str, float] | Mapping[int, float] | Mapping[uuid.UUID, float] | Sequence[OutsideId]
LONGEST_ID_BYTES = 500
# PostgreSQL's text type can store neither NUL nor a lone surrogate. Python decodes invalid UTF-8 in a command-line
# argument to lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LOWEST, _HIGHEST = -(2**31), 2**31 - 1


def outside_id(value: Any, name: str) -> str:
    """Return an external id as text.

    Raises:
        ArgumentError: The value is neither text, an integer nor a UUID, or is no valid id.
    """
    if _is_whole(value):
        return str(int(value))
    if isinstance(value, uuid.UUID):
        return str(value)
    found = text(value, name, "text, an integer or a UUID")
    if len(found.encode()) > LONGEST_ID_BYTES:
        raise ArgumentError(f"{name} is longer than {LONGEST_ID_BYTES} bytes; give a shorter id.")
    return found


def new_id(value: Any, name: str) -> str:
    """Return an external id that is to be stored, as the SQL function id_fault has it.

    Raises:
        ArgumentError: The value is no id, is empty, or stands between blanks.
    """
    found = outside_id(value, name)
    if not found.strip():
        raise ArgumentError(f"{name} is empty; give an id.")
    if found.strip() != found:
        raise ArgumentError(f"{name} has blanks around it, which loads leave out; give {found.strip()!r}.")
    return found


def text(value: object, name: str, wanted: str = "text") -> str:
    """Return text that PostgreSQL can store."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is {_shown(value)}; give {wanted}.")
    if _UNSTORABLE.search(value):
        raise ArgumentError(f"{name} has a NUL character or half a surrogate pair; give text without.")
    return str(value)


def words(value: object, name: str) -> str:
    """Return text to search for; a character that PostgreSQL cannot store becomes a space."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is {_shown(value)}; give text.")
    return _UNSTORABLE.sub(" ", value)


def several(values: object, name: str, each: Callable[[object, str], str] = outside_id) -> list[str]:
    """Return a list of ids, or of other text."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ArgumentError(f"{name} is {_shown(values)}; give a list.")
    return [each(value, name) for value in values]


def integer(value: Any, name: str) -> int:
    """Return a whole number, clipped to the range of PostgreSQL's integer."""
    if not _is_whole(value):
        raise ArgumentError(f"{name} is {_shown(value)}; give a whole number.")
    return min(max(operator.index(value), _LOWEST), _HIGHEST)


def count(n: Any, least: int = 0) -> int:
    """Return ``n``, the number of rows to return, as an integer."""
    found = integer(n, "n")
    if found < least:
        raise ArgumentError(f"n is {n}; give {least} or more.")
    return found


def number(value: Any, name: str) -> float:
    """Return any number as a float, including NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real | Decimal):
        raise ArgumentError(f"{name} is {_shown(value)}; give a number.")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def rating(value: Any) -> float:
    """Return a rating, which must be finite in single precision as well."""
    found = number(value, "rating")
    if not math.isfinite(found) or not _is_single(found):
        raise ArgumentError(f"The rating is {found}; give a finite number.")
    return found


def _is_single(value: float) -> bool:
    """Return whether a finite number is finite in single precision, too."""
    try:
        struct.pack("<f", value)  # the native format would round it to infinity
    except OverflowError:
        return False
    return True


def ratings(given: object) -> dict[str, float] | list[str]:
    """Return a visitor's ratings by movie id, or the ids of the movies watched."""
    if isinstance(given, Mapping):
        return {outside_id(movie, "movie_id"): rating(value) for movie, value in given.items()}
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise ArgumentError(
            f'The ratings are {_shown(given)}; give them by movie id, as in {{"50": 5}}, or give the ids of movies '
            'watched, as in ["50", "172"].'
        )
    return [outside_id(movie, "movie_id") for movie in given]


def history(given: object) -> list[str | dict[str, str]]:
    """Return a visitor's session as the SQL function given_history reads it, oldest step first."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ArgumentError(f'The history is {_shown(given)}; give movie ids, newest last, as in ["50", "172"].')
    return [_step(each) if isinstance(each, Mapping) else outside_id(each, "movie_id") for each in given]


def _step(given: Mapping[Any, Any]) -> dict[str, str]:
    if "movie_id" not in given or set(given) - {"movie_id", "type", "at"}:
        raise ArgumentError(
            f"A step has the keys {', '.join(map(str, given))}; give movie_id, and type and at if known."
        )
    found = {"movie_id": outside_id(given["movie_id"], "movie_id")}
    if given.get("type") is not None:
        found["type"] = text(given["type"], "type")
    if given.get("at") is not None:
        found["at"] = moment(given["at"], "at").isoformat()
    return found


def repeats(value: object) -> str:
    """Return the name of what repeats means."""
    if value not in get_args(Repeats):
        raise ArgumentError(f"repeats is {_shown(value)}; give never, allowed or only.")
    return str(value)


def diversity(value: Any) -> float:
    """Return the weight of diversity, from 0 to 1."""
    found = number(value, "diversity")
    if not 0 <= found <= 1:
        raise ArgumentError(f"diversity is {found}; give 0 for the best movies, up to 1 for the most different.")
    return found


def moment(value: object, name: str) -> dt.datetime:
    """Return a timestamp; pandas' NaT is refused, although it is an instance of datetime."""
    if not isinstance(value, dt.datetime) or value != value:
        raise ArgumentError(f"{name} is {_shown(value)}; give a datetime.")
    return value


def duration(value: object, name: str) -> dt.timedelta:
    """Return a time span longer than 0; pandas' NaT is refused, although it is an instance of timedelta."""
    if not isinstance(value, dt.timedelta) or value != value:
        raise ArgumentError(f"{name} is {_shown(value)}; give a timedelta.")
    if value <= dt.timedelta(0):
        raise ArgumentError(f"{name} is {value}; give a time span longer than 0.")
    return value


def filters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters that are given, by name."""
    checks: dict[str, Callable[[Any, str], Any]] = {
        "genres": lambda value, name: several(value, name, text),
        "without_genres": lambda value, name: several(value, name, text),
        "released_from": integer,
        "released_to": integer,
        "min_ratings": integer,
    }
    if unknown := sorted(set(given) - set(checks)):
        raise ArgumentError(f"There is no filter {', '.join(unknown)}; the filters are {', '.join(checks)}.")
    return {name: checks[name](value, name) for name, value in given.items() if value is not None}


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """Describe any value in a few words, for a message."""
    if value is None or isinstance(value, str | numbers.Number):
        shown = repr(value)
        return shown if len(shown) <= 40 else shown[:40] + "..."
    return f"of type {type(value).__name__}"


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a suggestion to append to a message: the known name spelt most like the given one, or nothing."""
    names = {name.casefold(): name for name in known}
    alike = difflib.get_close_matches(given.casefold(), names, n=1)
    return f" Did you mean {names[alike[0]]!r}?" if alike else ""
