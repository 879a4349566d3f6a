"""Events from a table of the same database, loaded."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo
from shop import do

import embrec
from embrec import db
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.errors import ArgumentError, DataError

Row = tuple[Any, ...]
NAMES = {"user_id": "customer", "movie_id": "film", "event_type": "what", "value": "seconds", "occurred_at": "at"}
LOG = TableSource("shop.log", columns={**NAMES, "external_id": "id"})
STORED = """
SELECT user_id, movie_id, name, value, extract(epoch FROM occurred_at)::bigint, external_id
FROM embrec.events JOIN embrec.users USING (user_index) JOIN embrec.movies USING (movie_index)
JOIN embrec.event_types USING (event_type) ORDER BY event_id
"""


def stored(engine: sa.Engine) -> list[Row]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(STORED)]


@pytest.fixture
def log(engine: sa.Engine) -> sa.Engine:
    """A database with the empty table shop.log."""
    do(
        engine,
        "CREATE SCHEMA shop",
        "CREATE TYPE shop.what AS ENUM ('play', 'rewind', 'view')",
        "CREATE TABLE shop.log (id bigint, customer text, film bigint, what shop.what, seconds numeric, at timestamptz,"
        " noted_at timestamptz DEFAULT now())",
    )
    return engine


FOUR = """
INSERT INTO shop.log VALUES (10, 'ann', 7, 'rewind', NULL, '2020-01-01 00:00+00'), (2, ' bob', 8, 'play', 1.5, NULL),
    (9, 'ann', 9, 'play', 0, '2020-01-01 00:00+00'), (NULL, 'ann', 7, 'view', 1e9, NULL)
"""
EVENTS: list[Row] = [
    ("bob", "8", "play", 1.5, None, "shop.log 2"),
    ("ann", "9", "play", 0.0, 1577836800, "shop.log 9"),
    ("ann", "7", "rewind", None, 1577836800, "shop.log 10"),
    ("ann", "7", "view", 1e9, None, None),
]


def test_a_table_is_read_in_the_order_of_its_external_id(log: sa.Engine) -> None:
    do(log, FOUR)
    report = load_from_table(log, LOG)
    assert (report.read, report.inserted, report.kind, report.new_users, report.new_movies) == (4, 4, "events", 2, 3)
    assert (report.types, report.new_types) == (("play", "rewind", "view"), ("rewind",))
    assert stored(log) == EVENTS
    report = load_from_table(log, LOG)
    assert (report.inserted, report.unchanged) == (0, 4)


def test_ids_of_text_go_by_size_too(log: sa.Engine) -> None:
    do(log, "ALTER TABLE shop.log ALTER id TYPE text", FOUR)
    load_from_table(log, LOG)
    assert stored(log) == EVENTS


def test_a_table_gives_what_the_same_rows_give_by_file(log: sa.Engine, url: str, tmp_path: Path) -> None:
    """Rows without an external id keep their places in the table, and those of a query its order."""
    do(
        log,
        "INSERT INTO shop.log (customer, film, what, seconds, at)"
        " SELECT 'u' || n * 7 % 11, n % 13, CASE WHEN n % 3 = 0 THEN 'view' ELSE 'play' END::shop.what, n % 5,"
        " timestamptz '2020-01-01 00:00+00' + n / 20 * interval '1 day' FROM generate_series(1, 3000) AS n",
    )
    select = "SELECT customer, film, what, seconds, extract(epoch FROM at)::bigint AS at FROM shop.log"
    with log.connect() as connection:
        frame = pd.read_sql(sa.text(select), connection)
    frame.to_csv(tmp_path / "log.csv", index=False)
    embrec.load(log, embrec.open_source(tmp_path / "log.csv", columns=NAMES))
    by_file = stored(log)
    assert [row[:4] for row in by_file] == [
        (row.customer, str(row.film), row.what, float(row.seconds)) for row in frame.itertuples()
    ]
    assert load_from_table(log, TableSource("shop.log", columns=NAMES)).unchanged == 3000
    do(log, "TRUNCATE embrec.events")
    # A plan with workers is the cheapest here.
    settings = "-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0"
    parallel = db.create_engine(f"{url} options='{settings}'")
    load_from_table(parallel, TableSource("shop.log", columns=NAMES))
    parallel.dispose()
    assert stored(log) == by_file
    do(log, "TRUNCATE embrec.events")
    query = f"{select} ORDER BY ctid DESC"
    load_from_table(log, TableSource(query=query, columns={**NAMES}))
    assert stored(log) == by_file[::-1]


def test_two_columns_are_enough_and_the_type_is_said(log: sa.Engine) -> None:
    query = "SELECT 'a' AS user_id, m AS movie_id, 5 AS rating FROM (VALUES ('x'), ('y'), ('x')) AS t (m)"
    report = load_from_table(log, TableSource(query=query, event_type=" it's 100% "))
    assert (report.inserted, report.new_types) == (3, ("it's 100%",))
    assert [row[:4] for row in stored(log)] == [("a", movie, "it's 100%", None) for movie in "xyx"]
    assert load_from_table(log, TableSource(query=query)).kind == "ratings"
    with pytest.raises(DataError, match="has events, and a scale is one of ratings"):
        load_from_table(log, TableSource(query=query, event_type="play"), scale=(1, 5))
    with pytest.raises(ArgumentError, match="both given"):
        TableSource("shop.log", columns={"rating": "a", "external_id": "b"})


def test_of_rows_with_one_external_id_the_first_is_stored(log: sa.Engine) -> None:
    values = "(VALUES ('a', 'x'), ('b', 'x'), ('c', NULL), ('d', ' '), ('e', ' x')) AS t (m, i)"
    query = f"SELECT 'u' AS user_id, m AS movie_id, i AS external_id FROM {values}"
    for inserted in (3, 0):
        report = load_from_table(log, TableSource(query=query))
        assert (report.read, report.inserted) == (5, inserted)
    assert [(row[1], row[5]) for row in stored(log)] == [("a", "x"), ("c", None), ("d", None)]


BAD = [
    ("(1, '', 1, 'play', 1, NULL)", "user_id", "empty"),
    ("(1, 'a', NULL, 'play', 1, NULL)", "movie_id", "empty"),
    ("(1, 'a', 1, NULL, 1, NULL)", "event_type", "empty"),
    ("(1, 'a', 1, 'rating', 1, NULL)", "event_type", "'rating', which is no type of events"),
    ("(1, 'a', 1, repeat('é', 51), 1, NULL)", "event_type", "longer than 100 bytes"),
    ("(1, 'a', 1, 'play', -1, NULL)", "value", "not from 0 to 1,000,000,000"),
    ("(1, 'a', 1, 'play', 'NaN', NULL)", "value", "not from 0 to 1,000,000,000"),
    ("(1, 'a', 1, 'play', 1, 'infinity')", "occurred_at", "not a time between 1900 and 2099"),
    ("(1, 'a', 1, 'play', 1, now() + interval '25 hours')", "occurred_at", "more than a day in the future; is the"),
    ("(repeat('x', 501), 'a', 1, 'play', 1, NULL)", "external_id", "longer than 500 bytes"),
]


def test_bad_rows_stop_the_load_or_are_set_aside(log: sa.Engine, tmp_path: Path) -> None:
    do(log, "ALTER TABLE shop.log ALTER id TYPE text, ALTER what TYPE text")
    for values, column, reason in BAD:
        do(log, f"TRUNCATE shop.log; INSERT INTO shop.log VALUES (0, 'good', 1, 'play', NULL, NULL), {values}")
        with pytest.raises(DataError, match=f"shop.log has an invalid row: {column} is {reason}"):
            load_from_table(log, LOG)
    assert stored(log) == []
    do(
        log,
        "TRUNCATE shop.log; INSERT INTO shop.log VALUES (0, 'good', 1, 'play', NULL, NULL), "
        + ", ".join(row[0] for row in BAD),
    )
    report = load_from_table(log, LOG, tmp_path / "bad.csv")
    assert (report.inserted, report.rejected, report.types) == (1, len(BAD), ("play",))
    with open(tmp_path / "bad.csv", encoding="utf-8") as file:
        found = [(row["column"], row["reason"]) for row in csv.DictReader(file)]
    assert all(any(c == column and r.startswith(reason) for c, r in found) for _, column, reason in BAD)
    do(log, "INSERT INTO shop.log SELECT n, 'a', 1, n FROM generate_series(1000, 1100) AS n")
    with pytest.raises(DataError, match="has 102 types of events, such as 'play'. .*--type-column"):
        load_from_table(log, LOG, tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("time", "fault"),
    [
        ("1714594500000", "too large for seconds since 1970; is it in milliseconds"),
        ("-1714594500000.5", "too large for seconds since 1970; is it in milliseconds"),
        ("(-9223372036854775808)::bigint", "not a time between 1900 and 2099"),
        ("'NaN'::numeric", "not a time between 1900 and 2099"),
        ("4102444800", "not a time between 1900 and 2099"),
        ("1714594500::real", None),
    ],
)
def test_numbers_of_milliseconds_are_named(log: sa.Engine, time: str, fault: str | None) -> None:
    source = TableSource(query=f"SELECT 'a' AS user_id, 1 AS movie_id, 'play' AS event_type, {time} AS occurred_at")
    if fault is None:
        assert load_from_table(log, source).inserted == 1
        return
    with pytest.raises(DataError, match=f"occurred_at is {fault}.* \\(user 'a', movie '1'\\)"):
        load_from_table(log, source)
    assert stored(log) == []


def test_only_what_is_new_is_read_from_the_watermark_on(log: sa.Engine) -> None:
    source = TableSource("shop.log", columns=NAMES, watermark="noted_at")
    do(log, FOUR, "UPDATE shop.log SET noted_at = now() - interval '2 hours' WHERE id = 2")
    assert load_from_table(log, source).inserted == 4
    do(log, "INSERT INTO shop.log VALUES (11, 'ann', 9, 'play', 0, '2020-01-02 00:00+00')")
    report = load_from_table(log, source)
    assert (report.read, report.inserted, report.unchanged) == (4, 1, 3), "the last hour is read again"
    do(log, "TRUNCATE embrec.events")
    assert load_from_table(log, source).inserted == 5, "without events the watermark is none"


def test_a_loader_needs_no_other_rights(log: sa.Engine, url: str) -> None:
    do(
        log,
        FOUR,
        "DROP ROLE IF EXISTS embrec_test_events",
        "CREATE ROLE embrec_test_events LOGIN PASSWORD 'x' IN ROLE embrec_loader",
        "GRANT USAGE ON SCHEMA shop TO embrec_test_events; GRANT SELECT ON shop.log TO embrec_test_events",
    )
    loader = db.create_engine(make_conninfo(url, user="embrec_test_events", password="x"))
    try:
        for inserted in (4, 0):
            assert load_from_table(loader, LOG).inserted == inserted
        assert stored(log) == EVENTS
        do(log, "TRUNCATE embrec.events")
        for inserted in (2, 0):
            frame = pd.DataFrame({"user_id": ["ann", "cas"], "movie_id": 7, "event_type": "hum", "external_id": [1, 2]})
            assert embrec.load(loader, frame).inserted == inserted
    finally:
        loader.dispose()
        do(log, "DROP OWNED BY embrec_test_events; DROP ROLE embrec_test_events")


def test_the_command(log: sa.Engine, url: str, embrec: Any) -> None:
    do(log, FOUR)
    names = ["--user-column", "customer", "--movie-column", "film", "--type-column", "what", "--time-column", "at"]
    arguments = [*names, "--value-column", "seconds", "--id-column", "id", "--database-url", url]
    code, out, err = embrec("load", "--from-table", "shop.log", *arguments)
    assert (code, out) == (0, "4 events read: 4 new, 0 unchanged, 0 rejected; 2 new users, 3 new movies.\n")
    assert "Events of the new types rewind count with weight 1." in err
    assert stored(log) == EVENTS
