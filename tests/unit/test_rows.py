"""The check of text columns, against a plain reading of one row at a time."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embrec.data.arrays import NO_TIME
from embrec.data.files.validate import RawRows, check_rows


def check(*rows: tuple[bytes | str, ...]) -> tuple[list[tuple[object, ...]], list[tuple[int, str, str]]]:
    """Return good rows as tuples, and (line, column, reason) of the bad ones."""
    names = ("user_id", "movie_id", "rating", "rated_at")[: len(rows[0])]
    values = [
        [value.encode() if isinstance(value, str) else value for value in column] for column in zip(*rows, strict=True)
    ]
    columns = {name: pa.array(column, pa.binary()) for name, column in zip(names, values, strict=True)}
    chunk = check_rows(RawRows("f.csv", columns, np.arange(2, 2 + len(rows)), []))
    good = zip(
        chunk.user_ids.to_pylist(),
        chunk.movie_ids.to_pylist(),
        chunk.columns["rating"].tolist(),
        chunk.columns["rated_at"].tolist(),
        strict=True,
    )
    return list(good), [(each.line, each.column, each.reason) for each in chunk.rejected]


def test_good_rows_of_every_kind() -> None:
    good, bad = check(
        ("1", "2", "3", "881250949"),
        (" é ", "a,b", " 4.5 ", "1997-12-04T15:55:49Z"),
        ("x" * 500, "9007199254740993", "-1e-3", "1997-12-04 16:55:49+01:00"),
        ("1", "3", "5", ""),
        ("1", "4", ".5", "881250949.5"),
    )
    assert bad == []
    assert good == [
        ("1", "2", 3.0, 881250949_000000),
        ("é", "a,b", 4.5, 881250949_000000),
        ("x" * 500, "9007199254740993", pytest.approx(-0.001), 881250949_000000),
        ("1", "3", 5.0, NO_TIME),
        ("1", "4", 0.5, 881250949_500000),
    ]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (("", "2", "3", "4"), "user_id", "empty"),
        (("  ", "2", "3", "4"), "user_id", "empty"),
        (("1", "", "3", "4"), "movie_id", "empty"),
        (("x" * 501, "2", "3", "4"), "user_id", "longer than 500 bytes"),
        (("a\0b", "2", "3", "4"), "user_id", "contains a NUL character"),
        ((b"\xff\xfe", "2", "3", "4"), "user_id", "not UTF-8 text"),
        (("1", "2", "", "4"), "rating", "empty"),
        (("1", "2", "good", "4"), "rating", "not a number"),
        (("1", "2", "3,5", "4"), "rating", "not a number; write it with a point and no separators, as 1234.5"),
        (("1", "2", "0x10", "4"), "rating", "not a number"),
        (("1", "2", "nan", "4"), "rating", "not a finite number"),
        (("1", "2", "-Infinity", "4"), "rating", "not a finite number"),
        (("1", "2", "1e39", "4"), "rating", "not a finite number"),
        (("1", "2", "3", "yesterday"), "rated_at", "neither seconds since 1970 nor an ISO 8601 time"),
        (("1", "2", "3", "now"), "rated_at", "neither seconds since 1970 nor an ISO 8601 time"),
        (("1", "2", "3", "0x10"), "rated_at", "neither seconds since 1970 nor an ISO 8601 time"),
        (("1", "2", "3", "20240131"), "rated_at", "eight digits; write a date as 2024-01-31"),
        (("1", "2", "3", "1997-13-01"), "rated_at", "neither seconds since 1970 nor an ISO 8601 time"),
        (("1", "2", "3", "881250949000"), "rated_at", "too large for seconds since 1970; is it in milliseconds?"),
        (("1", "2", "3", "9" * 30), "rated_at", "too large for seconds since 1970; is it in milliseconds?"),
        (("1", "2", "3", "-9000000000"), "rated_at", "not between the years 1900 and 2100"),
        (("1", "2", "3", "2525-01-01"), "rated_at", "not between the years 1900 and 2100"),
    ],
)
def test_a_bad_value_is_named(row: tuple[str, ...], column: str, reason: str) -> None:
    good, bad = check(("8", "8", "4", "881250949"), row, ("9", "9", "4", "881250949"))
    assert bad == [(3, column, reason)]
    assert [each[0] for each in good] == ["8", "9"], "the rows around it are kept"


def test_blank_lines_are_passed_over() -> None:
    good, bad = check(("1", "2", "3"), ("", "", ""), ("4", "5", "1"))
    assert (len(good), bad) == (2, [])


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
texts = st.one_of(
    st.floats(width=32).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["", " ", "nan", "INF", "1e400", "1_000", "٣", "1.", "--1", "1 2", "0x1", "1e"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)


def is_rating(text: str) -> bool:
    """Return whether a text is a rating, by a plain reading of the rules."""
    text = text.strip()
    if not NUMBER.fullmatch(text):
        return False
    return abs(float(text)) <= 1e9


def as_stored(text: str) -> np.float32:
    """Return a rating as it is stored: one nearer to 0 than a billionth is 0."""
    return np.float32(0 if abs(float(text)) < 1e-9 else text.strip())


@given(st.lists(texts, min_size=1, max_size=20))
def test_ratings_are_read_as_one_row_at_a_time_would_be(values: list[str]) -> None:
    good, bad = check(*[("u", f"m{position}", value) for position, value in enumerate(values)])
    expected = {f"m{position}": as_stored(value) for position, value in enumerate(values) if is_rating(value)}
    assert {movie: np.float32(rating) for _, movie, rating, _ in good} == expected
    assert len(bad) == len(values) - len(expected)


@given(
    st.lists(
        st.one_of(
            st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2099, 1, 1)),
            st.integers(100_000_000, 4_000_000_000),
            st.integers(-2_000_000_000, -1),
            st.none(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_times_are_read_to_the_microsecond(values: list[dt.datetime | int | None]) -> None:
    epoch = dt.datetime(1970, 1, 1)
    texts = ["" if value is None else str(value) for value in values]
    good, bad = check(*[("u", f"m{position}", "1", text) for position, text in enumerate(texts)])
    assert bad == []
    for (_, _, _, found), value in zip(good, values, strict=True):
        if value is None:
            assert found == NO_TIME
        elif isinstance(value, int):
            assert found == value * 1_000_000
        else:
            assert found == (value - epoch) // dt.timedelta(microseconds=1)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=10))
def test_ids_are_kept_as_they_are_but_for_white_space_around_them(ids: list[str]) -> None:
    good, bad = check(*[(each, "m", "1") for each in ids])
    kept = [each for each in ids if pa.compute.utf8_trim_whitespace(each).as_py() and "\0" not in each]
    assert [row[0] for row in good] == [pa.compute.utf8_trim_whitespace(each).as_py() for each in kept]
    assert len(bad) == len(ids) - len(kept)
