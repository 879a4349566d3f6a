"""Turns raw text columns into checked arrays of ratings or events, a column at a time, and names each bad row."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from embrec.data.arrays import MICROSECONDS_PER_DAY, NO_TIME
from embrec.data.files.columns import EVENTS, Kind, kind_of, type_fault
from embrec.data.rejects import MOST_REJECTED, RejectedRow
from embrec.data.scale import WIDEST, Scale
from embrec.validation import LONGEST_ID_BYTES

# A rating nearer to 0 is 0, or products of ratings would underflow; as in embrec.as_rating().
NEAREST_TO_ZERO = 1e-9
# The largest value of an event, as the schema's.
LARGEST_VALUE = 1e9

# A number of seconds as large as this is probably one of milliseconds: it is past the year 5000.
MILLISECONDS = 10**11
IN_MILLISECONDS = "too large for seconds since 1970; is it in milliseconds?"

# Called with a column, a mask of its bad rows, and the reason.
Note: TypeAlias = Callable[[str, NDArray[np.bool_], str], None]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Digits that are no number, because a comma or separators of thousands stand among them.
_SEPARATED = r"^[+-]?\d[\d\s,.'_\x{a0}\x{202f}]*$"
_EPOCH = r"^-?\d+(\.\d*)?$"
_ISO_8601 = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?\s?(Z|[+-]\d{2}(:?\d{2})?)?$"
# Outside these years a time is a mistake: milliseconds read as seconds end in the year 29895.
_OLDEST, _NEWEST = (int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000 for year in (1900, 2100))


@dataclass(frozen=True)
class RawRows:
    """Rows as they stand in a file.

    Attributes:
        file: The file's name for messages.
        columns: One binary or string array for each column of the kind that the file has.
        lines: The rows' line numbers, int64 of shape (n,), counted from 1.
        rejected: Rows that could not even be split into columns.
    """

    file: str
    columns: dict[str, pa.Array]
    lines: NDArray[np.int64]
    rejected: list[RejectedRow]

    @property
    def kind(self) -> Kind:
        """The kind of the rows."""
        return kind_of(self.columns)


@dataclass(frozen=True)
class Chunk:
    """Checked rows of ratings or events.

    Attributes:
        user_ids: String array of shape (n,).
        movie_ids: String array of shape (n,).
        columns: Arrays of shape (n,). Of ratings: ``rating``, float32, finite; ``rated_at``, int64, microseconds since
            1970, ``NO_TIME`` where the row has none. Of events: ``occurred_at`` likewise; ``value``, float32, NaN where
            the row has none; and, if the file has them, ``event_type``, a dictionary array of strings, and
            ``external_id``, a string array, empty where the row has none.
        rejected: The bad rows that were left out.
    """

    user_ids: pa.StringArray
    movie_ids: pa.StringArray
    columns: dict[str, NDArray[Any] | pa.StringArray]
    rejected: list[RejectedRow]


def check_rows(raw: RawRows, scale: Scale = WIDEST) -> Chunk:
    """Check the rows of one chunk; bad ones are left out and listed, each with its first bad column.

    Of more than ``MOST_REJECTED`` only one more than those is listed: enough to tell.
    """
    raw = _without_blank_lines(raw)
    problems: NDArray[np.object_] = np.full(len(raw.lines), None, dtype=object)
    columns_at_fault: NDArray[np.object_] = np.full(len(raw.lines), None, dtype=object)

    def note(column: str, faulty: NDArray[np.bool_], reason: str) -> None:
        if not faulty.any():
            return
        new = faulty & (problems == None)  # noqa: E711 - elementwise
        problems[new] = reason
        columns_at_fault[new] = column

    user_ids = _checked_ids(raw.columns["user_id"], "user_id", note)
    movie_ids = _checked_ids(raw.columns["movie_id"], "movie_id", note)
    checked = _checked_events(raw, note) if raw.kind is EVENTS else _checked_ratings(raw, scale, note)

    bad = problems != None  # noqa: E711 - elementwise
    rejected = list(raw.rejected)
    for row in np.flatnonzero(bad)[: MOST_REJECTED + 1]:
        text = ",".join(_text(column[int(row)]) for column in raw.columns.values())
        rejected.append(RejectedRow(raw.file, int(raw.lines[row]), columns_at_fault[row], problems[row], text))
    if bad.any():
        user_ids, movie_ids = user_ids.filter(pa.array(~bad)), movie_ids.filter(pa.array(~bad))
        checked = {
            name: column[~bad] if isinstance(column, np.ndarray) else column.filter(pa.array(~bad))
            for name, column in checked.items()
        }
    return Chunk(user_ids, movie_ids, checked, sorted(rejected, key=lambda each: each.line))


def _checked_ratings(raw: RawRows, scale: Scale, note: Note) -> dict[str, Any]:
    rating = _numbers(raw.columns["rating"], "rating", note)
    note("rating", np.isnan(rating), "empty")
    rating[np.abs(rating) < NEAREST_TO_ZERO] = 0
    note("rating", scale.beyond(rating), f"not on the scale, {scale}")
    return {"rating": rating, "rated_at": _checked_times(raw, note)}


def _checked_events(raw: RawRows, note: Note) -> dict[str, Any]:
    checked: dict[str, Any] = {"value": np.full(len(raw.lines), np.nan, np.float32)}
    if "event_type" in raw.columns:
        checked["event_type"] = _checked_types(raw.columns["event_type"], note)
    if "value" in raw.columns:
        value = _numbers(raw.columns["value"], "value", note)
        note("value", (value < 0) | (value > LARGEST_VALUE), f"not from 0 to {LARGEST_VALUE:,.0f}")
        checked["value"] = value
    if "external_id" in raw.columns:
        checked["external_id"] = _checked_ids(raw.columns["external_id"], "external_id", note, optional=True)
    checked["occurred_at"] = times = _checked_times(raw, note)
    tomorrow = time.time_ns() // 1_000 + MICROSECONDS_PER_DAY
    note("occurred_at", times > tomorrow, "more than a day in the future; is the clock right?")
    return checked


def _text(value: Any) -> str:
    raw = value.as_py()
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")


def _without_blank_lines(raw: RawRows) -> RawRows:
    """The rows of which any column has something in it."""
    filled = np.zeros(len(raw.lines), dtype=bool)
    for column in raw.columns.values():
        filled |= _numpy(pc.not_equal(pc.binary_length(column), 0), missing=True)
    if filled.all():
        return raw
    columns = {name: column.filter(pa.array(filled)) for name, column in raw.columns.items()}
    return RawRows(raw.file, columns, raw.lines[filled], raw.rejected)


def _numpy(mask: pa.Array, missing: bool = False) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(mask, missing).to_numpy(zero_copy_only=False), dtype=bool)


def _as_text(column: pa.Array, name: str, note: Note) -> pa.StringArray:
    """Decode UTF-8 and trim; what is not UTF-8 is noted and becomes empty."""
    column = pc.fill_null(column, b"" if pa.types.is_binary(column.type) else "")
    try:
        text = pc.cast(column, pa.string())
    except pa.ArrowInvalid:
        decoded = [_decoded(value) for value in column.to_pylist()]
        note(name, np.array([value is None for value in decoded]), "not UTF-8 text")
        text = pa.array([value or "" for value in decoded], pa.string())
    return pc.utf8_trim_whitespace(text)


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _checked_types(column: pa.Array, note: Note) -> pa.DictionaryArray:
    """Return names of types, of which there are few: each is checked once."""
    encoded = pc.fill_null(column, b"" if pa.types.is_binary(column.type) else "").dictionary_encode()
    codes = encoded.indices.to_numpy()
    names = _as_text(encoded.dictionary, "event_type", lambda name, faulty, reason: note(name, faulty[codes], reason))
    faults = np.array([type_fault(name) for name in names.to_pylist()], dtype=object)
    for fault in {each for each in faults if each}:
        note("event_type", (faults == fault)[codes], fault)
    return pa.DictionaryArray.from_arrays(encoded.indices, names)


def _checked_ids(column: pa.Array, name: str, note: Note, optional: bool = False) -> pa.StringArray:
    ids = _as_text(column, name, note)
    length = pc.binary_length(ids)
    if not optional:
        note(name, _numpy(pc.equal(length, 0)), "empty")
    note(name, _numpy(pc.greater(length, LONGEST_ID_BYTES)), f"longer than {LONGEST_ID_BYTES} bytes")
    note(name, _numpy(pc.match_substring(ids, "\0")), "contains a NUL character")
    return ids


def _numbers(column: pa.Array, name: str, note: Note) -> NDArray[np.float32]:
    """Return finite numbers in single precision, NaN where there is none."""
    text = _as_text(column, name, note)
    empty = np.zeros(len(text), dtype=bool)
    try:
        wide = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        numeric = pc.match_substring_regex(text, _NUMBER)
        special = pc.match_substring_regex(text, r"(?i)^[+-]?(nan|inf|infinity)$")
        empty = _numpy(pc.equal(text, ""))
        separated = _numpy(pc.match_substring_regex(text, _SEPARATED)) & ~_numpy(numeric)
        note(name, separated, "not a number; write it with a point and no separators, as 1234.5")
        note(name, ~_numpy(pc.or_(numeric, special)) & ~empty, "not a number")
        wide = pc.cast(pc.if_else(numeric, text, "nan"), pa.float64())
    with np.errstate(over="ignore"):
        numbers: NDArray[np.float32] = wide.to_numpy(zero_copy_only=False).astype(np.float32)
    note(name, ~np.isfinite(numbers) & ~empty, "not a finite number")
    return numbers


def _checked_times(raw: RawRows, note: Note) -> NDArray[np.int64]:
    """Seconds since 1970, or ISO 8601 (UTC if it names no zone), as microseconds since 1970."""
    name = raw.kind.time
    if name not in raw.columns:
        return np.full(len(raw.lines), NO_TIME, dtype=np.int64)
    text = _as_text(raw.columns[name], name, note)
    if pc.any(pc.equal(pc.binary_length(text), 8)).as_py():
        date_like = pc.match_substring_regex(text, r"^(19|20)\d{2}[01]\d[0-3]\d$")
        note(name, _numpy(date_like), "eight digits; write a date as 2024-01-31")
    try:
        seconds = pc.cast(text, pa.int64()).to_numpy(zero_copy_only=False)
        if _numpy(pc.match_substring(text, "x", ignore_case=True)).any():
            raise pa.ArrowInvalid("hexadecimal is no time")
        # Bounded first: a huge number must not wrap around into a plausible one.
        times: NDArray[np.int64] = np.clip(seconds, -(10**12), 10**12) * 1_000_000
    except pa.ArrowInvalid:
        times = _mixed_times(text, name, note)
    given = times != NO_TIME
    note(name, given & (np.abs(times) >= MILLISECONDS * 1_000_000), IN_MILLISECONDS)
    note(name, given & ((times < _OLDEST) | (times > _NEWEST)), "not between the years 1900 and 2100")
    return times


def _mixed_times(text: pa.StringArray, name: str, note: Note) -> NDArray[np.int64]:
    epoch = _numpy(pc.match_substring_regex(text, _EPOCH))
    empty = _numpy(pc.equal(text, ""))
    times = np.full(len(text), NO_TIME, dtype=np.int64)
    if epoch.any():
        seconds = pc.cast(text.filter(pa.array(epoch)), pa.float64()).to_numpy(zero_copy_only=False)
        times[epoch] = (np.clip(seconds, -1e12, 1e12) * 1e6).astype(np.int64)
    dated = ~epoch & ~empty
    if dated.any():
        import pandas as pd  # only here: importing it takes as long as reading a million rows

        written = text.filter(pa.array(dated))
        written = pc.if_else(pc.match_substring_regex(written, _ISO_8601), written, None)
        parsed = pd.to_datetime(
            pd.Series(written.to_pylist(), dtype=object), utc=True, format="ISO8601", errors="coerce"
        )
        unread = np.zeros(len(text), dtype=bool)
        unread[dated] = parsed.isna().to_numpy()
        note(name, unread, "neither seconds since 1970 nor an ISO 8601 time")
        times[dated] = np.where(parsed.isna(), NO_TIME, parsed.astype("datetime64[us, UTC]").astype(np.int64))
    return times
