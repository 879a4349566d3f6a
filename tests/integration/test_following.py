"""A followed table: in step with embrec's ratings, in nobody's way, and no way to the owner's rights."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run
from shop import BAD, FOLLOW, STARS, do, make_table, pairs, stored

from embrec.data import loading, ratings
from embrec.data.merge import LoadReport
from embrec.data.table_loading import load_from_table
from embrec.db.tables import metadata
from embrec.monitoring.status import StatusWarning, read_status


def test_a_followed_table_and_the_ratings_are_in_step(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW, FOLLOW)
    do(engine, "INSERT INTO shop.stars VALUES ('a', 1, 2, '2020-01-01 00:00+00'), ('b', 1, 3, NULL)")
    assert stored(engine) == [("a", "1", 2.0, 1577836800), ("b", "1", 3.0, None)]
    do(engine, "UPDATE shop.stars SET stars = 4 WHERE customer = 'a'")
    do(engine, "UPDATE shop.stars SET film = 2 WHERE customer = 'b'")
    assert pairs(engine) == [("a", "1", 4.0), ("b", "2", 3.0)]
    do(engine, "UPDATE shop.stars SET customer = CASE customer WHEN 'a' THEN 'b' ELSE 'a' END, film = 1")
    assert pairs(engine) == [("a", "1", 3.0), ("b", "1", 4.0)]
    do(engine, "UPDATE shop.stars SET stars = NULL WHERE customer = 'a'", "DELETE FROM shop.stars WHERE customer = 'b'")
    assert stored(engine) == []
    do(engine, "DELETE FROM shop.stars")
    do(engine, "INSERT INTO shop.stars SELECT 'u' || n, n % 3, n % 5 FROM generate_series(1, 100) AS n")
    do(engine, "UPDATE shop.stars SET film = film + 1")
    expected = {(f"u{n}", str(n % 3 + 1), float(n % 5)) for n in range(1, 101)}
    assert set(pairs(engine)) == expected
    # A load of the table finds nothing to change.
    assert load_from_table(engine, STARS) == LoadReport(100, 0, 0, 100, 0, 0, 0)


@pytest.mark.parametrize("kind", ["char(6)", "varchar(6)", "integer", "uuid", "text"])
def test_a_followed_table_gives_the_ids_that_a_load_gives(engine: sa.Engine, kind: str) -> None:
    make_table(engine, types=f"{kind}, smallint, real")
    do(engine, FOLLOW)
    text = "'7a1dfb1a-2ab3-4df5-a5a8-6e7e1b2f0000'" if kind == "uuid" else "'12'"
    do(engine, f"INSERT INTO shop.stars VALUES ({text}, 1, 3, NULL)")
    assert load_from_table(engine, STARS) == LoadReport(1, 0, 0, 1, 0, 0, 0)


def test_following_never_fails_a_statement(engine: sa.Engine) -> None:
    make_table(engine, types="text, bigint, double precision")
    do(engine, FOLLOW)
    for values, _, _ in BAD:
        do(engine, f"INSERT INTO shop.stars VALUES {values}")
    do(engine, "INSERT INTO shop.stars VALUES ('a', 1, 1e-300, NULL), (repeat('x', 3000), 1, 1, NULL)")
    assert pairs(engine) == [("a", "1", 0.0)]
    for change in (
        "RENAME film TO movie",
        "RENAME movie TO film",
        "ALTER stars TYPE text",
        "ALTER stars TYPE real USING 4",
    ):
        do(engine, f"ALTER TABLE shop.stars {change}", "DELETE FROM shop.stars WHERE customer = 'c'")
        do(engine, "INSERT INTO shop.stars (customer) VALUES ('c')")
    do(engine, "INSERT INTO shop.stars VALUES ('d', 1, 4, NULL)")
    assert pairs(engine) == [("a", "1", 0.0), ("d", "1", 4.0)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (FOLLOW.replace("'film'", "'movie'"), r"shop\.stars has no column movie"),
        (
            FOLLOW.replace("'stars', 'bought_at'", "'customer'"),
            "column customer of shop.stars is of type text, and a rating",
        ),
        (FOLLOW.replace("'bought_at'", "'customer'"), "and a time is a timestamp, a date"),
        (FOLLOW.replace("'film'", "NULL"), "follow_table needs a table and the names"),
        (
            "SELECT embrec.follow_table('shop.seen', 'customer', 'film', 'stars')",
            "shop.seen is not a table; follow the",
        ),
        (
            "SELECT embrec.follow_table('shop.ours', 'user_index', 'movie_index', 'rating')",
            "shop.ours is a table of embrec",
        ),
        (
            "CREATE TYPE shop.citext AS ENUM ('a'); ALTER TABLE shop.stars ALTER customer TYPE shop.citext USING 'a'; "
            + FOLLOW,
            "column customer of shop.stars is of type shop.citext, and a user is text or a whole number",
        ),
        (
            "CREATE TRIGGER t BEFORE INSERT ON shop.stars FOR EACH ROW"
            " EXECUTE FUNCTION embrec.follow_ratings('a', 'b', 'c');"
            " INSERT INTO shop.stars VALUES ('a', 1, 2, NULL)",
            "is made a trigger by embrec.follow_table",
        ),
    ],
)
def test_what_cannot_be_followed_is_said_at_once(engine: sa.Engine, call: str, message: str) -> None:
    make_table(engine)
    do(
        engine,
        "CREATE VIEW shop.seen AS SELECT * FROM shop.stars",
        "CREATE TABLE shop.ours () INHERITS (embrec.ratings)",
    )
    if "ALTER TABLE" in call:
        do(engine, "DROP VIEW shop.seen")
    with pytest.raises(sa.exc.DBAPIError, match=message):
        do(engine, call)


def test_no_table_of_embrec_can_be_followed(engine: sa.Engine) -> None:
    for table in [*metadata.sorted_tables, sa.Table("alembic_version", sa.MetaData("embrec"))]:
        with pytest.raises(sa.exc.DBAPIError, match="is a table of embrec"):
            do(engine, f"SELECT embrec.follow_table('{table.fullname}', 'user_index', 'movie_index', 'rating')")


def test_a_virtual_generated_column_is_refused(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        if int(connection.scalar(sa.text("SHOW server_version_num"))) < 180000:
            pytest.skip("PostgreSQL 18 brought virtual generated columns")
    make_table(engine)
    do(engine, "ALTER TABLE shop.stars ADD half numeric GENERATED ALWAYS AS (stars / 2) VIRTUAL")
    do(engine, "ALTER TABLE shop.stars ADD double numeric GENERATED ALWAYS AS (stars * 2) STORED")
    with pytest.raises(sa.exc.DBAPIError, match="column half of shop.stars is a virtual generated column"):
        do(engine, FOLLOW.replace("'stars',", "'half',"))
    do(engine, FOLLOW.replace("'stars',", "'double',"), "INSERT INTO shop.stars VALUES ('a', 1, 2)")
    assert pairs(engine) == [("a", "1", 4.0)]


def test_who_writes_to_a_followed_table_needs_no_right_on_embrec(engine: sa.Engine) -> None:
    make_table(engine)
    do(
        engine,
        "CREATE ROLE embrec_test_shop",
        "GRANT ALL ON SCHEMA shop TO embrec_test_shop",
        "ALTER TABLE shop.stars OWNER TO embrec_test_shop",
        "GRANT embrec_loader TO embrec_test_shop",
        "SET LOCAL ROLE embrec_test_shop",
        FOLLOW,
        "RESET ROLE",
        "REVOKE embrec_loader FROM embrec_test_shop",
    )
    try:
        do(engine, "SET LOCAL ROLE embrec_test_shop", "INSERT INTO shop.stars VALUES ('a', 1, 2, NULL)")
        assert pairs(engine) == [("a", "1", 2.0)]
    finally:
        do(engine, "DROP OWNED BY embrec_test_shop", "DROP ROLE embrec_test_shop")


def open_transaction(engine: sa.Engine, *statements: str, level: str = "READ COMMITTED") -> sa.Connection:
    """Return a connection whose transaction has run the statements."""
    connection = engine.connect().execution_options(isolation_level=level)
    for statement in statements:
        connection.exec_driver_sql(statement)
    return connection


def waiting(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM embrec.followed_changes WHERE waiting"))


def test_two_transactions_with_new_users_are_in_no_deadlock(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW, "CREATE TABLE shop.account (n integer)", "INSERT INTO shop.account VALUES (0)")
    mine = open_transaction(engine, "INSERT INTO shop.stars VALUES ('a', 1, 3)")
    theirs = open_transaction(engine, "UPDATE shop.account SET n = 1", "SET lock_timeout = '1ms'")
    # Neither waits for the other's new user.
    theirs.exec_driver_sql("INSERT INTO shop.stars VALUES ('b', 1, 3)")
    ended = threading.Thread(target=lambda: (time.sleep(0.3), theirs.commit()))
    ended.start()
    mine.exec_driver_sql("UPDATE shop.account SET n = 2")
    mine.commit()
    ended.join()
    mine.close()
    theirs.close()
    assert pairs(engine) == [("a", "1", 3.0), ("b", "1", 3.0)]


def test_a_change_that_is_older_than_the_scale_keeps_to_it(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 3)")
    other = open_transaction(
        engine,
        "INSERT INTO shop.stars VALUES ('b', 1, 500), ('b', 2, 4)",
        "UPDATE shop.stars SET stars = 500 WHERE customer = 'a'",
    )
    ratings_of_a_day = pd.DataFrame({"user_id": ["c"], "movie_id": ["1"], "rating": [1.0]})
    loading.load(engine, ratings_of_a_day, scale=(1, 5))
    other.commit()
    other.close()
    assert pairs(engine) == [("b", "2", 4.0), ("c", "1", 1.0)]


def test_an_open_transaction_keeps_nobody_from_signing_up(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW)
    other = open_transaction(engine, "INSERT INTO shop.stars VALUES ('a', 1, 3)")
    do(engine, "SET LOCAL lock_timeout = '50ms'", "SELECT embrec.add_rating('b', '2', 4)")
    other.commit()
    other.close()
    assert pairs(engine) == [("a", "1", 3.0), ("b", "2", 4.0)]


LOCK = "LOCK TABLE embrec.users, embrec.movies, embrec.ratings IN SHARE ROW EXCLUSIVE MODE"  # as a load does


@pytest.mark.parametrize("applied_by", ["commit", "refresh", "load", "file", "forget", "hand"])
def test_changes_wait_for_a_load_and_the_application_does_not(engine: sa.Engine, applied_by: str) -> None:
    make_table(engine)
    do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 3), ('c', 2, 1)")
    load = open_transaction(engine, LOCK)
    limits = ("SET LOCAL statement_timeout = '2s'", "SET LOCAL lock_timeout = '1ms'")
    do(engine, *limits, "UPDATE shop.stars SET stars = 4 WHERE customer = 'a'")
    do(engine, *limits, "INSERT INTO shop.stars VALUES ('b', 1, 5)")
    do(engine, *limits, "UPDATE shop.stars SET stars = 2 WHERE customer = 'a'", "DELETE FROM shop.stars WHERE film = 2")
    assert waiting(engine) == 4
    load.rollback()
    load.close()
    assert pairs(engine) == [("a", "1", 3.0), ("c", "2", 1.0)]
    expected = [("a", "1", 2.0), ("b", "1", 5.0)]
    match applied_by:
        case "commit":
            do(engine, "INSERT INTO shop.stars VALUES ('d', 1, 1)")
            expected.append(("d", "1", 1.0))
        case "refresh":
            two_part_run(engine)
            assert ratings.refresh(engine) >= 0
        case "load":
            assert load_from_table(engine, STARS).read == 2
        case "file":
            load_frame(engine, pd.DataFrame({"user_id": ["e"], "movie_id": ["9"], "rating": [1.0]}))
            expected.append(("e", "9", 1.0))
        case "forget":
            assert ratings.forget_user(engine, "b")
            expected.pop()
        case "hand":
            do(engine, "SELECT embrec.apply_followed()")
    assert waiting(engine) == 0
    assert pairs(engine) == expected


def test_at_repeatable_read_a_transaction_is_in_step_or_fails_as_such(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 3)")
    # Those who are known are in nobody's way; two who are new at once are.
    known = open_transaction(engine, "SELECT FROM shop.stars", level="REPEATABLE READ")
    new = open_transaction(engine, "SELECT FROM shop.stars", level="REPEATABLE READ")
    do(engine, "INSERT INTO shop.stars VALUES ('b', 2, 3)")
    known.exec_driver_sql("UPDATE shop.stars SET stars = 4 WHERE customer = 'a'")
    known.commit()
    new.exec_driver_sql("INSERT INTO shop.stars VALUES ('c', 3, 3)")
    with pytest.raises(sa.exc.DBAPIError) as caught:
        new.commit()
    assert isinstance(caught.value.orig, psycopg.errors.SerializationFailure)
    for connection in (known, new):
        connection.close()
    assert pairs(engine) == [("a", "1", 4.0), ("b", "2", 3.0)]


def test_a_table_without_times_is_followed(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW.replace(", 'bought_at'", ""), "INSERT INTO shop.stars VALUES ('a', 1, 3, now())")
    assert stored(engine) == [("a", "1", 3.0, None)]


def test_a_rollback_leaves_nothing(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW)
    one = open_transaction(engine, "INSERT INTO shop.stars VALUES ('a', 1, 3)", "SAVEPOINT s")
    for statement in ("INSERT INTO shop.stars VALUES ('b', 1, 3)", "ROLLBACK TO s", "UPDATE shop.stars SET stars = 5"):
        one.exec_driver_sql(statement)
    one.commit()
    one.exec_driver_sql("INSERT INTO shop.stars VALUES ('c', 1, 3)")
    one.rollback()
    one.close()
    assert pairs(engine) == [("a", "1", 5.0)]
    do(engine, "INSERT INTO shop.stars VALUES ('d', 1, 3)", "SET CONSTRAINTS ALL IMMEDIATE", "DELETE FROM shop.stars")
    assert pairs(engine) == []


def test_truncate_takes_the_ratings_too(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, "CREATE TABLE shop.old () INHERITS (shop.stars)", FOLLOW)
    do(engine, "INSERT INTO shop.old VALUES ('a', 1, 3)", "INSERT INTO shop.stars VALUES ('b', 1, 3), ('c', NULL, 1)")
    do(engine, "SELECT embrec.add_rating('d', '1', 3)", "TRUNCATE ONLY shop.stars")
    assert pairs(engine) == [("a", "1", 3.0), ("d", "1", 3.0)]
    do(
        engine,
        "INSERT INTO shop.stars VALUES ('b', 1, 4)",
        "TRUNCATE shop.stars",
        "INSERT INTO shop.old VALUES ('e', 1, 3)",
    )
    assert pairs(engine) == [("d", "1", 3.0), ("e", "1", 3.0)]
    do(engine, "DROP TABLE shop.stars CASCADE", "DROP SCHEMA shop", *PARTITIONED, FOLLOW)
    do(
        engine,
        "INSERT INTO shop.stars VALUES ('a', 1, 3), ('b', 11, 3)",
        "SET LOCAL session_replication_role = replica",
    )
    do(engine, "SET LOCAL session_replication_role = replica", "TRUNCATE shop.stars")
    assert pairs(engine) == [("d", "1", 3.0), ("e", "1", 3.0)]


def test_a_role_without_rights_on_embrec_truncates(engine: sa.Engine, shop_owner: str) -> None:
    as_owner = f"SET LOCAL ROLE {shop_owner}"
    do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 3)", f"REVOKE embrec_loader FROM {shop_owner}")
    (warning,) = said(engine, as_owner, "TRUNCATE shop.stars")
    assert "embrec keeps the rows of shop.stars, which was truncated: permission denied" in warning
    assert pairs(engine) == [("a", "1", 3.0)]


PARTITIONED = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.stars (customer text, film int, stars int, bought_at timestamptz, PRIMARY KEY (customer, film))"
    " PARTITION BY RANGE (film)",
    "CREATE TABLE shop.low PARTITION OF shop.stars FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE shop.high PARTITION OF shop.stars FOR VALUES FROM (10) TO (20)",
)


def test_a_partitioned_table_is_followed_whichever_way_rows_come(engine: sa.Engine) -> None:
    do(engine, *PARTITIONED, FOLLOW, FOLLOW)
    do(engine, "INSERT INTO shop.stars VALUES ('a', 1, 1), ('b', 11, 2)", "INSERT INTO shop.high VALUES ('c', 12, 3)")
    assert pairs(engine) == [("a", "1", 1.0), ("b", "11", 2.0), ("c", "12", 3.0)]
    do(engine, "UPDATE shop.stars SET film = film + 10 WHERE customer = 'a'", "DELETE FROM shop.high WHERE film = 12")
    assert pairs(engine) == [("a", "11", 1.0), ("b", "11", 2.0)]
    do(
        engine,
        "MERGE INTO shop.stars AS s USING (VALUES ('b', 5), ('e', 6)) AS n (customer, film) ON n.customer = s.customer"
        " WHEN MATCHED THEN UPDATE SET film = n.film, stars = 4"
        " WHEN NOT MATCHED THEN INSERT (customer, film, stars) VALUES (n.customer, n.film, 5)",
    )
    assert pairs(engine) == [("a", "11", 1.0), ("b", "5", 4.0), ("e", "6", 5.0)]
    do(
        engine,
        "CREATE TABLE shop.later PARTITION OF shop.stars FOR VALUES FROM (20) TO (30)",
        "CREATE TABLE shop.joined (LIKE shop.stars INCLUDING ALL)",
        "ALTER TABLE shop.stars ATTACH PARTITION shop.joined FOR VALUES FROM (30) TO (40)",
        "INSERT INTO shop.later VALUES ('f', 25, 1)",
        "INSERT INTO shop.joined VALUES ('g', 35, 1)",
        "ALTER TABLE shop.stars DETACH PARTITION shop.later",
        "INSERT INTO shop.later VALUES ('h', 26, 1)",
    )
    assert pairs(engine)[3:] == [("g", "35", 1.0)]


def autocommit(engine: sa.Engine, statement: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(statement)


def test_rows_come_and_go_with_their_partition(engine: sa.Engine) -> None:
    do(engine, *PARTITIONED, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 1), ('b', 11, 2)")
    do(
        engine,
        "CREATE TABLE shop.filled (LIKE shop.stars INCLUDING ALL)",
        "INSERT INTO shop.filled VALUES ('c', 21, 3), ('d', 22, 4), ('e', 23, NULL)",
        "ALTER TABLE shop.stars ATTACH PARTITION shop.filled FOR VALUES FROM (20) TO (30)",
    )
    all_pairs = [("a", "1", 1.0), ("b", "11", 2.0), ("c", "21", 3.0), ("d", "22", 4.0)]
    assert pairs(engine) == all_pairs
    do(engine, "ALTER TABLE shop.stars DETACH PARTITION shop.low")
    assert pairs(engine) == all_pairs[1:]
    autocommit(engine, "ALTER TABLE shop.stars DETACH PARTITION shop.filled CONCURRENTLY")
    assert pairs(engine) == all_pairs[1:2]
    # A rollback leaves them as they were.
    undone = open_transaction(engine, "ALTER TABLE shop.stars DETACH PARTITION shop.high")
    undone.rollback()
    undone.close()
    do(engine, "UPDATE shop.high SET stars = 5")
    assert pairs(engine) == [("b", "11", 5.0)]
    # One made as a partition is known from then on, and what is dropped is in nobody's way.
    do(
        engine,
        "CREATE TABLE shop.later PARTITION OF shop.stars FOR VALUES FROM (30) TO (40)",
        "INSERT INTO shop.later VALUES ('f', 31, 1)",
        "DROP TABLE shop.high",
        "ALTER TABLE shop.stars DETACH PARTITION shop.later",
    )
    assert pairs(engine) == [("b", "11", 5.0)]


def test_rows_come_and_go_with_a_partition_of_partitions(engine: sa.Engine) -> None:
    do(engine, *PARTITIONED, FOLLOW)
    do(
        engine,
        "CREATE TABLE shop.tree (LIKE shop.stars INCLUDING ALL) PARTITION BY LIST (customer)",
        "CREATE TABLE shop.leaf PARTITION OF shop.tree FOR VALUES IN ('a')",
        'CREATE TABLE shop."an other" (LIKE shop.stars INCLUDING ALL)',
        "INSERT INTO shop.leaf VALUES ('a', 21, 1)",
        """INSERT INTO shop."an other" VALUES ('b', 21, 2)""",
        "ALTER TABLE shop.stars ATTACH PARTITION shop.tree FOR VALUES FROM (20) TO (30)",
    )
    assert pairs(engine) == [("a", "21", 1.0)]
    do(engine, """ALTER TABLE shop.tree ATTACH PARTITION shop."an other" FOR VALUES IN ('b')""")
    assert pairs(engine) == [("a", "21", 1.0), ("b", "21", 2.0)]
    do(engine, "ALTER TABLE shop.tree DETACH PARTITION shop.leaf")
    assert pairs(engine) == [("b", "21", 2.0)]
    do(engine, "ALTER TABLE shop.stars DETACH PARTITION shop.tree")
    assert pairs(engine) == []


def test_a_partition_that_is_followed_for_itself_stays_when_it_is_detached(engine: sa.Engine) -> None:
    do(engine, *PARTITIONED, "CREATE TABLE shop.own (LIKE shop.stars INCLUDING ALL)")
    do(engine, FOLLOW, FOLLOW.replace("shop.stars", "shop.own"), "INSERT INTO shop.own VALUES ('a', 21, 1)")
    do(engine, "ALTER TABLE shop.stars ATTACH PARTITION shop.own FOR VALUES FROM (20) TO (30)")
    do(engine, "ALTER TABLE shop.stars DETACH PARTITION shop.own")
    assert pairs(engine) == [("a", "21", 1.0)]


@pytest.fixture
def shop_owner(engine: sa.Engine) -> Iterator[str]:
    """A role that owns a partitioned table, and may make triggers of embrec's there."""
    role = "embrec_test_shop"
    do(engine, *PARTITIONED, f"CREATE ROLE {role}", f"GRANT embrec_loader TO {role}")
    for each in ("SCHEMA shop", "TABLE shop.stars", "TABLE shop.low", "TABLE shop.high"):
        do(engine, f"ALTER {each} OWNER TO {role}")
    yield role
    do(engine, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def said(engine: sa.Engine, *statements: str) -> list[str]:
    """Run the statements, and return the notices and warnings."""
    messages: list[str] = []
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)

        def heard(diagnostic: psycopg.errors.Diagnostic) -> None:
            messages.append(diagnostic.message_primary or "")

        driver.add_notice_handler(heard)
        for statement in statements:
            connection.exec_driver_sql(statement)
        driver.remove_notice_handler(heard)
    return messages


FILLED = (
    "CREATE TABLE shop.filled (LIKE shop.stars INCLUDING ALL)",
    "INSERT INTO shop.filled VALUES ('c', 21, 3)",
    "ALTER TABLE shop.stars ATTACH PARTITION shop.filled FOR VALUES FROM (20) TO (30)",
)


def test_attach_and_detach_are_followed_once_a_superuser_followed_a_table(engine: sa.Engine, shop_owner: str) -> None:
    as_owner = f"SET LOCAL ROLE {shop_owner}"
    (notice,) = said(engine, as_owner, FOLLOW)
    assert "ATTACH or go with DETACH are not followed until a superuser calls follow_table" in notice
    assert said(engine, as_owner, *FILLED) == []
    assert pairs(engine) == []
    do(engine, "CREATE TABLE shop.other (a text, b text, c real) PARTITION BY LIST (a)")
    assert said(engine, "SELECT embrec.follow_table('shop.other', 'a', 'b', 'c')") == []
    # The table was on record, so the next change of it takes what came before.
    assert said(engine, as_owner, "ALTER TABLE shop.stars ADD review text") == []
    assert pairs(engine) == [("c", "21", 3.0)]
    do(engine, as_owner, "ALTER TABLE shop.stars DETACH PARTITION shop.filled")
    assert pairs(engine) == []


def test_a_role_without_rights_on_embrec_alters_its_tables(engine: sa.Engine, shop_owner: str) -> None:
    as_owner = f"SET LOCAL ROLE {shop_owner}"
    do(engine, FOLLOW, as_owner, *FILLED, "RESET ROLE", f"REVOKE embrec_loader FROM {shop_owner}")
    assert pairs(engine) == [("c", "21", 3.0)]
    (warning,) = said(engine, as_owner, "ALTER TABLE shop.stars DETACH PARTITION shop.filled")
    assert "shop.stars or left it: permission denied" in warning
    assert pairs(engine) == [("c", "21", 3.0)]
    other = (
        "CREATE TABLE shop.other (a text) PARTITION BY LIST (a)",
        "CREATE TABLE shop.part PARTITION OF shop.other DEFAULT",
        "ALTER TABLE shop.other DETACH PARTITION shop.part",
        "ALTER TABLE shop.part RENAME a TO b",
    )
    assert said(engine, as_owner, *other) == []
    # The next change by a role with the rights takes them.
    assert said(engine, "ALTER TABLE shop.stars ADD review text") == []
    assert pairs(engine) == []
    # Rows that cannot be read are in nobody's way either.
    renamed = "ALTER TABLE shop.stars RENAME stars TO points"
    (warning,) = said(engine, renamed, "ALTER TABLE shop.stars DETACH PARTITION shop.low")
    assert "has no column stars" in warning


def test_many_rows_of_a_partitioned_table_by_one_statement(engine: sa.Engine) -> None:
    do(engine, *PARTITIONED, FOLLOW)
    do(engine, "INSERT INTO shop.stars SELECT n / 20, n % 20, n % 5 FROM generate_series(0, 1999) AS n")
    do(engine, "DELETE FROM shop.stars WHERE film >= 10", "UPDATE shop.stars SET film = film + 10, stars = stars + 1")
    with engine.connect() as connection:
        expected = connection.exec_driver_sql("SELECT customer, film::text, stars::real FROM shop.stars").all()
    assert pairs(engine) == sorted(tuple(row) for row in expected)


def test_parents_and_children_are_followed(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, "CREATE TABLE shop.old () INHERITS (shop.stars)", FOLLOW)
    do(engine, "INSERT INTO shop.stars VALUES ('a', 1, 3)", "INSERT INTO shop.old VALUES ('b', 1, 3)")
    do(engine, "UPDATE shop.stars SET stars = 4")
    assert pairs(engine) == [("a", "1", 4.0), ("b", "1", 4.0)]
    do(engine, "DELETE FROM shop.old")
    assert pairs(engine) == [("a", "1", 4.0)]


@pytest.mark.parametrize("partitioned", [False, True])
def test_what_a_replica_applies_is_followed(engine: sa.Engine, partitioned: bool) -> None:
    if partitioned:
        do(engine, *PARTITIONED)
    else:
        make_table(engine)
    do(engine, FOLLOW)
    replica = "SET LOCAL session_replication_role = replica"
    do(engine, replica, "INSERT INTO shop.stars VALUES ('a', 1, 3), ('b', 1, 3)")
    do(engine, replica, "UPDATE shop.stars SET stars = 4", "DELETE FROM shop.stars WHERE customer = 'a'")
    assert pairs(engine) == [("b", "1", 4.0)]


def test_ids_of_every_type_are_those_that_a_load_gives(engine: sa.Engine) -> None:
    do(
        engine,
        "CREATE EXTENSION IF NOT EXISTS citext",
        "CREATE DOMAIN code AS varchar(9)",
        "CREATE DOMAIN code_of_codes AS code CHECK (value <> 'x')",
        "CREATE DOMAIN mark AS numeric(3, 1)",
    )
    for kind in ("citext", "code_of_codes"):
        make_table(engine, types=f"{kind}, bigint, mark")
        do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('Ann', 1, 3), ('ann', 1, 4), (E'\u3000 Ann\t', 1, 3)")
        assert pairs(engine) == [("Ann", "1", 3.0), ("ann", "1", 4.0)]
        assert load_from_table(engine, STARS).inserted == 0
        do(engine, "DELETE FROM shop.stars")
        assert pairs(engine) == []


def test_a_change_of_other_columns_is_none_of_ours(engine: sa.Engine) -> None:
    make_table(engine, rating_frame())
    do(engine, FOLLOW, "UPDATE shop.stars SET updated_at = now()")
    assert stored(engine) == []


def warned(engine: sa.Engine, code: str) -> list[StatusWarning]:
    return [warning for warning in read_status(engine).warnings if warning.code == code]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("CREATE TABLE shop.old () INHERITS (shop.stars)", "became a partition, a parent or a child later"),
        (
            "CREATE TABLE shop.parts (LIKE shop.stars) PARTITION BY LIST (customer);"
            " ALTER TABLE shop.parts ATTACH PARTITION shop.stars DEFAULT",
            "became a partition",
        ),
        ("ALTER TABLE shop.stars DISABLE TRIGGER ALL", "a trigger is disabled"),
    ],
)
def test_a_table_that_is_no_longer_followed_is_named_with_what_mends_it(
    engine: sa.Engine, fault: str, message: str
) -> None:
    make_table(engine)
    do(engine, FOLLOW)
    with engine.connect() as connection:
        followed = connection.exec_driver_sql(
            "SELECT table_name, column_names, fault FROM embrec.followed_tables"
        ).all()
    assert [tuple(row) for row in followed] == [("shop.stars", ["customer", "film", "stars", "bought_at"], None)]
    do(engine, fault)
    found = warned(engine, "not_followed")
    assert message in " ".join(each.message for each in found)
    do(engine, *(each.command for each in found))
    assert warned(engine, "not_followed") == []
    do(engine, "INSERT INTO shop.stars VALUES ('a', 1, 4)")
    assert pairs(engine) == [("a", "1", 4.0)]


def test_a_column_that_was_renamed_and_changes_that_wait_are_named(engine: sa.Engine) -> None:
    make_table(engine)
    do(engine, FOLLOW, "INSERT INTO shop.stars VALUES ('a', 1, 4)", 'ALTER TABLE shop.stars RENAME film TO "fílm, n°"')
    assert ["a column has another name now" in each.message for each in warned(engine, "not_followed")] == [True]
    do(engine, FOLLOW.replace("film", "fílm, n°"))
    assert warned(engine, "not_followed") == warned(engine, "changes_waiting") == []
    load = open_transaction(engine, LOCK)
    do(engine, "INSERT INTO shop.stars VALUES ('b', 1, 4)")
    load.rollback()
    load.close()
    do(engine, *(each.command for each in warned(engine, "changes_waiting")))
    assert warned(engine, "changes_waiting") == []
    assert len(pairs(engine)) == 2


@pytest.mark.parametrize(
    "what", ["ALL TABLES", "TABLES IN SCHEMA embrec", "TABLE embrec.ratings, embrec.user_embeddings"]
)
def test_a_publication_of_vectors_is_named(engine: sa.Engine, what: str) -> None:
    do(engine, "CREATE PUBLICATION mine FOR TABLE embrec.ratings")
    assert warned(engine, "logical_replication") == []
    do(engine, f"CREATE PUBLICATION everything FOR {what}")
    (warning,) = warned(engine, "logical_replication")
    assert "everything" in warning.message
    do(engine, warning.command)
    assert warned(engine, "logical_replication") == []
