"""A followed table without a rating column: its rows are events, known by their primary key."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from shop import do

import embrec
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.monitoring.status import read_status

STORED = """
SELECT u.user_id, m.movie_id, t.name, e.value, CAST(extract(epoch FROM e.occurred_at) AS bigint), e.external_id
FROM embrec.events AS e JOIN embrec.users AS u USING (user_index) JOIN embrec.movies AS m USING (movie_index)
JOIN embrec.event_types AS t USING (event_type) ORDER BY e.event_id
"""
TABLE = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.log (id bigint PRIMARY KEY, customer text, film bigint, seconds numeric, at timestamptz)",
)
FOLLOW = "SELECT embrec.follow_table('shop.log', 'customer', 'film', NULL, 'at', 'play', value_column => 'seconds')"
NOON = 1588334400
AT = "'2020-05-01 12:00+00'"


def stored(engine: sa.Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(STORED))]


def ids(engine: sa.Engine) -> list[object]:
    return [row[5] for row in stored(engine)]


def said(engine: sa.Engine, *statements: str) -> list[str]:
    """Return the notices and warnings of statements."""
    heard: list[str] = []
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        driver.add_notice_handler(lambda each: heard.append(each.message_primary))
        for each in statements:
            connection.exec_driver_sql(each)
    return heard


def test_events_come_change_and_go_with_their_rows(engine: sa.Engine) -> None:
    do(engine, *TABLE, FOLLOW, FOLLOW)
    do(engine, f"INSERT INTO shop.log VALUES (1, 'a', 7, 3, {AT}), (2, ' a ', 7, 1e6, {AT}), (3, 'b', 8, NULL, NULL)")
    assert stored(engine) == [
        ("a", "7", "play", 3.0, NOON, "shop.log 1"),
        ("a", "7", "play", 1e6, NOON, "shop.log 2"),
        ("b", "8", "play", None, None, "shop.log 3"),
    ]
    do(engine, "UPDATE shop.log SET seconds = 4, customer = 'c' WHERE id = 1", "DELETE FROM shop.log WHERE id = 2")
    do(engine, "UPDATE shop.log SET seconds = seconds", "UPDATE shop.log SET id = 30 WHERE id = 3")
    assert stored(engine) == [
        ("c", "7", "play", 4.0, NOON, "shop.log 1"),
        ("b", "8", "play", None, None, "shop.log 30"),
    ]
    do(engine, "UPDATE shop.log SET customer = NULL WHERE id = 1")
    assert ids(engine) == ["shop.log 30"]
    do(engine, "UPDATE shop.log SET customer = 'd' WHERE id = 1", "TRUNCATE shop.log")
    assert ids(engine) == []
    do(engine, "INSERT INTO shop.log SELECT n, 'u' || n % 7, n % 3 FROM generate_series(1, 25000) AS n")
    assert ids(engine) == [f"shop.log {n}" for n in range(1, 25_001)], "in the order of the rows"


def test_what_happens_in_one_transaction_is_applied_in_its_order(engine: sa.Engine) -> None:
    do(engine, *TABLE, FOLLOW)
    do(
        engine,
        "INSERT INTO shop.log VALUES (1, 'a', 7), (2, 'b', 7)",
        "DELETE FROM shop.log WHERE id = 1",
        "INSERT INTO shop.log VALUES (1, 'c', 9), (3, 'd', 7)",
        "UPDATE shop.log SET seconds = 5 WHERE id = 2",
        "DELETE FROM shop.log WHERE id = 3",
    )
    assert {row[:4] for row in stored(engine)} == {("b", "7", "play", 5.0), ("c", "9", "play", None)}


def test_invalid_rows_are_left_out_and_no_statement_fails(engine: sa.Engine) -> None:
    do(engine, *TABLE, "ALTER TABLE shop.log ADD what text", FOLLOW.replace("'play'", "NULL, 'what'"))
    do(engine, "INSERT INTO shop.log VALUES (0, 'good', 7, 0, now() + interval '23 hours', 'play')")
    for number, row in enumerate((
        "NULL, 7, 1, NULL, 'play'", "'', 7, 1, NULL, 'play'", "'a', NULL, 1, NULL, 'play'", "'a', 7, -1, NULL, 'play'",
        "'a', 7, 'NaN', NULL, 'play'", "'a', 7, 1e300, NULL, 'play'", "'a', 7, 1, 'infinity', 'play'",
        "'a', 7, 1, now() + interval '25 hours', 'play'", "'a', 7, 1, '1899-01-01', 'play'", "'a', 7, 1, NULL, NULL",
        "'a', 7, 1, NULL, 'rating'", "'a', 7, 1, NULL, ' '", "'a', 7, 1, NULL, repeat('x', 101)",
    )):  # fmt: skip
        assert said(engine, f"INSERT INTO shop.log VALUES ({number + 1}, {row})") == []
    assert ids(engine) == ["shop.log 0"]
    (warning,) = said(engine, "ALTER TABLE shop.log RENAME what TO act", "INSERT INTO shop.log VALUES (99, 'a', 7)")
    assert "shop.log has no column what" in warning


def test_a_type_of_a_column_that_is_not_known_is_added(engine: sa.Engine) -> None:
    do(engine, *TABLE, "CREATE TYPE shop.act AS ENUM ('view', 'hum', 'rate ''it''')")
    do(engine, "ALTER TABLE shop.log ADD act shop.act", FOLLOW.replace("'play'", "type_column => 'act'"))
    do(engine, "INSERT INTO shop.log VALUES (1, 'a', 7, 1, NULL, 'hum'), (2, 'a', 7, 1, NULL, 'view')")
    do(engine, "INSERT INTO shop.log VALUES (3, 'a', 7, 1, NULL, 'rate ''it'''), (4, 'a', 7, 1, NULL, 'hum')")
    assert [row[2] for row in stored(engine)] == ["hum", "view", "rate 'it'", "hum"]
    with engine.connect() as connection:
        added = connection.execute(sa.text("SELECT * FROM embrec.event_types WHERE event_type > 7 ORDER BY 1")).all()
    assert [tuple(row) for row in added] == [
        (8, "hum", 1.0, None, "interest"), (9, "rate 'it'", 1.0, None, "interest"),
    ]  # fmt: skip


def test_two_tables_with_the_same_keys_are_kept_apart(engine: sa.Engine) -> None:
    do(engine, *TABLE, 'CREATE TABLE shop."Gekauft" (nr int PRIMARY KEY, wer text, was text)', FOLLOW)
    do(engine, """SELECT embrec.follow_table('shop."Gekauft"', 'wer', 'was', type => 'purchase')""")
    do(engine, "INSERT INTO shop.log VALUES (1, 'a', 7)", """INSERT INTO shop."Gekauft" VALUES (1, 'a', 7)""")
    assert [row[2:] for row in stored(engine)] == [
        ("play", None, None, "shop.log 1"), ("purchase", None, None, 'shop."Gekauft" 1'),
    ]  # fmt: skip
    do(engine, "DELETE FROM shop.log")
    assert ids(engine) == ['shop."Gekauft" 1']


def test_a_load_of_the_table_finds_nothing_new_and_its_rows_are_followed(engine: sa.Engine) -> None:
    do(engine, *TABLE, f"INSERT INTO shop.log VALUES (1, 'a', 7, 3, {AT})", FOLLOW)
    do(engine, f"INSERT INTO shop.log VALUES (2, 'a', 7, 3, {AT})")
    columns = {"user_id": "customer", "movie_id": "film", "value": "seconds", "occurred_at": "at", "external_id": "id"}
    source = TableSource("shop.log", columns=columns, event_type="play")
    for expected in (1, 0):
        assert load_from_table(engine, source).inserted == expected
    do(engine, "DELETE FROM shop.log WHERE id = 1")
    assert ids(engine) == ["shop.log 2"]


def test_without_a_key_rows_only_come(engine: sa.Engine) -> None:
    do(engine, *TABLE, "ALTER TABLE shop.log DROP CONSTRAINT log_pkey")
    (notice,) = said(engine, FOLLOW)
    assert notice == (
        "rows that come to shop.log are followed, and changed or deleted ones are not: it has no primary key that tells"
        " its events apart"
    )
    do(engine, "INSERT INTO shop.log VALUES (1, 'a', 7), (1, 'a', 7)", "UPDATE shop.log SET film = 8")
    do(engine, "INSERT INTO shop.log VALUES (2, 'b', 9)", "DELETE FROM shop.log WHERE id = 1", "TRUNCATE shop.log")
    assert [row[:2] for row in stored(engine)] == [("a", "7"), ("a", "7"), ("b", "9")]
    assert ids(engine) == [None, None, None]
    do(engine, "ALTER TABLE shop.log ADD PRIMARY KEY (id)", FOLLOW, "INSERT INTO shop.log VALUES (5, 'c', 7)")
    do(engine, "TRUNCATE shop.log")
    assert len(ids(engine)) == 3, "what has a key goes with its row"


def test_keys_of_a_parent_do_not_hold_for_its_children(engine: sa.Engine) -> None:
    do(engine, *TABLE, "CREATE TABLE shop.old () INHERITS (shop.log)")
    assert "are followed, and changed or deleted ones are not" in said(engine, FOLLOW)[0]
    do(engine, "INSERT INTO shop.log VALUES (1, 'a', 7)", "INSERT INTO shop.old VALUES (1, 'b', 8)")
    assert [row[:2] for row in stored(engine)] == [("a", "7"), ("b", "8")]


def test_a_key_that_is_gone_is_told(engine: sa.Engine) -> None:
    do(engine, *TABLE, FOLLOW)
    (warning,) = said(
        engine, "ALTER TABLE shop.log DROP CONSTRAINT log_pkey", "INSERT INTO shop.log VALUES (1, 'a', 7)"
    )
    assert "shop.log has no primary key any more; call follow_table again" in warning
    (told,) = [each for each in read_status(engine).warnings if each.code == "not_followed"]
    assert told.message == "Changes of the table shop.log are not all followed: it has no primary key any more."
    assert told.command == (
        "SELECT embrec.follow_table('shop.log', 'customer', 'film', NULL, 'at', 'play', NULL, 'seconds');"
    )
    do(engine, told.command, "INSERT INTO shop.log VALUES (1, 'a', 7)")
    assert len(ids(engine)) == 1
    assert [each.code for each in read_status(engine).warnings if each.code == "not_followed"] == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_a_partitioned_table_and_a_key_of_several_columns(engine: sa.Engine, zone: str) -> None:
    do(
        engine,
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.log (id text, at timestamptz, customer text, film int, PRIMARY KEY (id, at))"
        " PARTITION BY RANGE (at)",
        "CREATE TABLE shop.early PARTITION OF shop.log FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00')",
        "CREATE TABLE shop.late PARTITION OF shop.log FOR VALUES FROM ('2020-01-01 00:00+00') TO (MAXVALUE)",
        "SELECT embrec.follow_table('shop.log', 'customer', 'film', NULL, 'at', 'play')",
    )
    do(
        engine,
        f"SET LOCAL TimeZone = '{zone}'",
        f"INSERT INTO shop.log VALUES ('x', {AT}, 'a', 1), ('x', '2019-12-31 23:00+00', 'b', 2), ('y', {AT}, 'c', 3)",
    )
    assert ids(engine)[0] == 'shop.log ["x", "2020-05-01 12:00:00.000000"]'
    do(engine, "UPDATE shop.log SET at = '2019-01-01 00:00+00' WHERE id = 'y'", "UPDATE shop.early SET film = 9")
    do(engine, f"DELETE FROM shop.log WHERE at = {AT}")
    assert {row[:2] for row in stored(engine)} == {("b", "9"), ("c", "9")}
    do(engine, "ALTER TABLE shop.log DETACH PARTITION shop.early")
    assert ids(engine) == []
    do(engine, "ALTER TABLE shop.log ATTACH PARTITION shop.early FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00+00')")
    assert {row[:2] for row in stored(engine)} == {("b", "9"), ("c", "9")}
    do(engine, "TRUNCATE shop.log")
    assert ids(engine) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("'customer', 'film'", "without a rating, type => 'play' or the name of a type_column"),
        ("'customer', 'film', NULL, 'at'", "without a rating, type => 'play' or the name of a type_column"),
        ("'customer', 'film', type => 'play', type_column => 'customer'", "the type of events is given twice"),
        ("'customer', 'film', 'seconds', type => 'play'", "rows with a rating are no events; give rating_column alone"),
        ("'customer', 'film', type => 'plaything'", "the known types are event, view"),
        ("'customer', 'film', type_column => 'kind'", "shop.log has no column kind"),
        ("'customer', 'film', type_column => 'at'", "column at of shop.log is of type timestamp with"),
        ("'customer', 'film', type => 'play', value_column => 'at'", "and a value is a number"),
        ("'customer', 'film', type => 'play', time_column => 'customer'", "and a time is a timestamp, a date"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said_at_once(engine: sa.Engine, call: str, message: str) -> None:
    do(engine, *TABLE)
    with pytest.raises(sa.exc.DBAPIError, match=message):
        do(engine, f"SELECT embrec.follow_table('shop.log', {call})")


def test_changes_wait_for_a_lock_and_a_forgotten_user_stays_forgotten(engine: sa.Engine) -> None:
    do(engine, *TABLE, FOLLOW, "INSERT INTO shop.log VALUES (1, 'a', 7)")
    with engine.begin() as load:
        load.execute(sa.text("LOCK TABLE embrec.users, embrec.movies, embrec.events IN SHARE ROW EXCLUSIVE MODE"))
        do(
            engine,
            "SET LOCAL lock_timeout = '1s'",
            "INSERT INTO shop.log VALUES (2, 'b', 8)",
            "DELETE FROM shop.log WHERE id = 1",
        )
        assert ids(engine) == ["shop.log 1"]
    assert embrec.forget_user(engine, "b")
    assert ids(engine) == []
    with engine.connect() as connection:
        left = "SELECT count(*) FROM embrec.followed_changes"
        assert connection.scalar(sa.text(left)) == 0


def test_who_was_followed_with_ratings_is_followed_with_events(engine: sa.Engine) -> None:
    do(engine, *TABLE, "SELECT embrec.follow_table('shop.log', 'customer', 'film', 'seconds')")
    do(engine, "INSERT INTO shop.log VALUES (1, 'a', 7, 3)", FOLLOW, "INSERT INTO shop.log VALUES (2, 'a', 7, 4)")
    assert ids(engine) == ["shop.log 2"]
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT rating FROM embrec.ratings")) == 3
