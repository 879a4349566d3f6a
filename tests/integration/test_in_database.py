"""Ratings from a table of the same database, loaded."""

from __future__ import annotations

import csv
import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from faulting import hooked
from psycopg.conninfo import make_conninfo
from shop import BAD, NAMES, STARS, do, make_table, stored

from embrec import db
from embrec.data import ratings, table_loading
from embrec.data.merge import LoadReport
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource, read_source
from embrec.errors import ArgumentError, BusyError, DatabaseError, DataError


def test_a_table_gives_what_the_same_rows_give_by_file(engine: sa.Engine, empty_engine: sa.Engine) -> None:
    frame = rating_frame()
    make_table(engine, frame)
    report = load_from_table(engine, STARS)
    assert report == LoadReport(len(frame), len(frame), 0, 0, 0, 30, 20)
    expected = frame.assign(movie_id=frame.movie_id.astype(str)).sort_values(["user_id", "movie_id"])
    assert stored(engine) == [tuple(row) for row in expected.itertuples(index=False)]
    assert load_from_table(engine, STARS) == LoadReport(len(frame), 0, 0, len(frame), 0, 0, 0)


def test_indexes_are_contiguous_and_in_the_order_of_the_ids(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(users=2, movies=3, count=3))
    make_table(engine, types="integer, text, integer")
    do(engine, "INSERT INTO shop.stars VALUES (10, 'b', 1, NULL), (9, 'a', 2, NULL), (9, 'c', 3, NULL)")
    load_from_table(engine, STARS)
    with engine.connect() as connection:
        users = connection.execute(sa.text("SELECT user_id FROM embrec.users ORDER BY user_index")).scalars().all()
        movies = connection.execute(sa.text("SELECT movie_id, movie_index FROM embrec.movies")).all()
    assert users[2:] == ["9", "10"]
    assert sorted(index for _, index in movies) == list(range(len(movies)))
    with engine.connect() as connection:
        constraints = connection.scalar(
            sa.text(
                "SELECT count(*) FROM pg_constraint"
                " WHERE conrelid = CAST('embrec.ratings' AS regclass) AND contype IN ('p', 'f')"
            )
        )
    assert constraints == 3


def test_the_newest_of_each_pair_is_kept(engine: sa.Engine) -> None:
    make_table(engine)
    do(
        engine,
        "INSERT INTO shop.stars VALUES ('a', 1, 2, '2020-01-02'), ('a', 1, 5, '2020-01-03'), ('a', 1, 1, NULL),"
        " ('b', 1, 3, '2020-01-01'), ('b', 1, 4, '2020-01-01')",
    )
    assert load_from_table(engine, STARS) == LoadReport(5, 2, 0, 3, 0, 2, 1)
    assert [row[:3] for row in stored(engine)] == [("a", "1", 5.0), ("b", "1", 4.0)]
    do(
        engine,
        "TRUNCATE shop.stars",
        "INSERT INTO shop.stars VALUES ('a', 1, 2, '2020-01-02'), ('b', 1, 2, '2021-01-01')",
    )
    assert load_from_table(engine, STARS) == LoadReport(2, 0, 1, 1, 0, 0, 0)
    assert [row[:3] for row in stored(engine)] == [("a", "1", 5.0), ("b", "1", 2.0)]


@pytest.mark.parametrize(
    ("kind", "value", "seconds"),
    [
        ("timestamptz", "'2020-01-01 02:00+02'", 1577836800),
        ("timestamp", "'2020-01-01'", 1577836800),
        ("date", "'2020-01-01'", 1577836800),
        ("bigint", "1577836800", 1577836800),
        ("double precision", "1577836800.25", 1577836800),
        ("timestamptz", "NULL", None),
    ],
)
def test_times_of_several_types(url: str, kind: str, value: str, seconds: int | None) -> None:
    engine = db.create_engine(url)
    sa.event.listen(engine, "connect", lambda connection, record: connection.execute("SET timezone = 'Asia/Tokyo'"))
    do(engine, f"CREATE TABLE t (user_id uuid, item smallint, rating real, timestamp {kind})")
    do(engine, f"INSERT INTO t VALUES ('7a1dfb1a-2ab3-4df5-a5a8-6e7e1b2f0000', 3, 1.5, {value})")
    load_from_table(engine, TableSource("t"))
    assert stored(engine) == [("7a1dfb1a-2ab3-4df5-a5a8-6e7e1b2f0000", "3", 1.5, seconds)]
    engine.dispose()


def test_a_query_with_everything_in_it(engine: sa.Engine) -> None:
    make_table(engine, rating_frame())
    do(
        engine,
        'CREATE TABLE shop."Film %s" (id bigint, "a ""name"" :x" text, kinds text[], year integer)',
        """INSERT INTO shop."Film %s" VALUES (100, 'A%', '{Comedy,NULL}', 1999), (7, 'Of nobody (2001)', '{}', NULL)""",
    )
    query = (
        "SELECT customer AS user_id, film AS movie_id, stars AS rating, ':no %s' AS remark FROM shop.stars"
        " WHERE customer LIKE 'u1%' AND stars::text <> '%' -- and so on"
    )
    movies = (
        'SELECT id AS movie_id, "a ""name"" :x" AS title, kinds AS genres, year::numeric FROM shop."Film %s"; -- all'
    )
    report = load_from_table(engine, TableSource(query=query, movies_query=movies))
    assert {row[0][:2] for row in stored(engine)} == {"u1"}
    assert report.inserted == len(stored(engine)) > 50
    with engine.connect() as connection:
        described = connection.execute(
            sa.text(
                "SELECT movie_id, title, genres, release_year FROM embrec.movies WHERE title IS NOT NULL ORDER BY 1"
            )
        ).all()
    assert [tuple(row) for row in described] == [
        ("100", "A%", ["Comedy"], 1999),
        ("7", "Of nobody (2001)", [], None),
    ]


@pytest.mark.parametrize(
    ("year", "stored_year", "left_out"),
    [
        *((year, 1999, 0) for year in ("1999::float8", "1999.0::numeric(6,1)", "1999::smallint", "'1999.0'::text")),
        *((year, 1999, 0) for year in ("date '1999-05-01'", "timestamptz '1999-05-01 00:00+00'", "'May 1, 1999'")),
        *((year, None, 1) for year in ("-4", "1500", "1999.5", "'soon'", "'infinity'::float8")),
        *((year, None, 0) for year in ("NULL::int", "'NaN'::float8", "''")),
    ],
)
def test_a_year_of_any_type(engine: sa.Engine, year: str, stored_year: int | None, left_out: int) -> None:
    ratings = "SELECT 1 AS user_id, 1 AS movie, 1 AS rating"
    genres = """'[{"id": 28, "name": "Action"}]'::jsonb"""
    movies = f"SELECT ' 1 ' AS movie_id, 'Anno (1602)' AS title, {genres} AS genres, {year} AS release_year"
    report = load_from_table(engine, TableSource(query=ratings, movies_query=movies))
    assert report.years_left_out == left_out
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT movie_id, title, genres, release_year FROM embrec.movies")).all()
    assert found == [("1", "Anno (1602)", ["Action"], stored_year)]


@pytest.mark.parametrize("order", ["ORDER BY random()", ""])
def test_a_query_that_is_not_the_same_twice_is_read_once(engine: sa.Engine, order: str) -> None:
    query = (
        "SELECT u AS user_id, m AS movie_id, 1 + floor(random() * 5)::int AS rating"
        f" FROM generate_series(1, 300) AS u, generate_series(1, 20) AS m {order} LIMIT 500"
    )
    assert load_from_table(engine, TableSource(query=query)).inserted == 500
    do(engine, "CREATE VIEW sampled AS SELECT * FROM (" + query.replace("rating", "score") + ") AS s")
    do(engine, "TRUNCATE embrec.ratings")
    source = TableSource("sampled", columns={"rating": "score"})
    assert load_from_table(engine, source).inserted == len(stored(engine)) == 500
    with engine.connect() as connection:
        users = connection.scalar(sa.text("SELECT count(DISTINCT user_index) FROM embrec.ratings"))
        movies = connection.scalar(sa.text("SELECT count(*) FROM embrec.movies"))
    assert users <= 300
    assert movies <= 20


def test_white_space_around_ids_is_trimmed_as_in_files(engine: sa.Engine, tmp_path: Path) -> None:
    blanks = "".join(chr(code) for code in range(1, 0x3001) if not chr(code).strip())
    make_table(engine, types="text, varchar, integer")
    do(engine, "INSERT INTO shop.stars VALUES ('a', 'x', 1), (E'\\u3000 a\\t', E'\\n\u00a0x', 2), ('b ', 'x', 3)")
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO shop.stars VALUES (:user, 'x', 4)"), {"user": f"{blanks}c{blanks}"})
        connection.execute(sa.text("INSERT INTO shop.stars VALUES ('d', :movie, 5)"), {"movie": blanks})
    with pytest.raises(DataError, match="movie_id is empty"):
        load_from_table(engine, STARS)
    assert load_from_table(engine, STARS, tmp_path / "bad.csv").rejected == 1
    assert [row[:3] for row in stored(engine)] == [("a", "x", 2.0), ("b", "x", 3.0), ("c", "x", 4.0)]


def test_bad_rows_stop_the_load_or_are_set_aside(engine: sa.Engine, tmp_path: Path) -> None:
    for values, column, reason in BAD:
        make_table(engine, types="text, bigint, double precision")
        do(engine, f"INSERT INTO shop.stars VALUES ('good', 1, 3, NULL), {values}")
        with pytest.raises(DataError, match=f"shop.stars has an invalid row: {column} is {reason} .*Nothing was"):
            load_from_table(engine, STARS)
    with pytest.raises(DataError, match=r"2099 \(user 'a', movie '1'\)\. Nothing was stored; fix the row"):
        load_from_table(engine, STARS)
    assert stored(engine) == []
    make_table(engine, types="text, bigint, double precision")
    do(engine, "INSERT INTO shop.stars VALUES ('good', 1, 3, NULL), " + ", ".join(values for values, _, _ in BAD))
    report = load_from_table(engine, STARS, tmp_path / "bad.csv")
    assert report == LoadReport(1, 1, 0, 0, len(BAD), 1, 1)
    assert stored(engine) == [("good", "1", 3.0, None)]
    with open(tmp_path / "bad.csv", encoding="utf-8") as file:
        rows = [(row["file"], row["column"], row["reason"]) for row in csv.DictReader(file)]
    assert sorted(rows) == sorted(("shop.stars", column, reason) for _, column, reason in BAD)


def test_more_bad_rows_than_the_limit_stop_the_load(engine: sa.Engine, tmp_path: Path) -> None:
    make_table(engine, types="text, bigint, double precision")
    do(engine, "INSERT INTO shop.stars SELECT 'a', 1, NULL, NULL FROM generate_series(1, 100001)")
    named = r"shop\.stars has more than 100,000 bad rows, the first of them column rating: empty\. Nothing was stored"
    with pytest.raises(DataError, match=named):
        load_from_table(engine, STARS, tmp_path / "bad.csv")
    assert not (tmp_path / "bad.csv").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TableSource("shop.starz"), r"There is no table shop\.starz in this database"),
        (TableSource("shop.stars"), r"shop\.stars has no column user_id; its header is: customer.*--user-column NAME"),
        (
            TableSource("shop.stars", columns={**NAMES, "rating": "customer"}),
            "Column customer of shop.stars is of type",
        ),
        (TableSource("shop.stars", columns={**NAMES, "rating": "points"}), "has no column points"),
        (TableSource("shop.stars", columns=NAMES, watermark="film"), "a watermark is a time that changes"),
        (TableSource("shop.stars", columns=NAMES, watermark="changed"), "has no column changed for a watermark"),
        (TableSource(query="SELECT 1 AS user_id, 2 AS user_id"), "The query names user_id twice"),
        (
            TableSource("shop.stars", columns=NAMES, movies_query="SELECT 1 AS movie_id"),
            "of movies has no column title",
        ),
        (TableSource(""), "There is no table"),
        (STARS, "shop.stars has no ratings. Nothing was stored"),
    ],
)
def test_what_cannot_be_read_is_named(engine: sa.Engine, source: TableSource, message: str) -> None:
    make_table(engine)
    with pytest.raises(DataError, match=message):
        load_from_table(engine, source)
    assert stored(engine) == []


def test_what_is_no_select_or_may_not_be_read_is_refused(engine: sa.Engine, url: str) -> None:
    make_table(engine, rating_frame())
    for query in ("DELETE FROM shop.stars", "SELECT 1) AS s; DROP TABLE shop.stars; --", "nonsense"):
        with pytest.raises(DatabaseError, match="The database refused"):
            load_from_table(engine, TableSource(query=query))
    with pytest.raises(ArgumentError, match="one of the two"):
        TableSource("a", "b")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE embrec_test_nightly LOGIN PASSWORD 'x' IN ROLE embrec_loader")
    nightly = db.create_engine(make_conninfo(url, user="embrec_test_nightly", password="x"))
    try:
        with pytest.raises(DatabaseError, match="permission denied for schema shop"):
            load_from_table(nightly, STARS)
        do(
            engine,
            "GRANT USAGE ON SCHEMA shop TO embrec_test_nightly",
            "GRANT SELECT ON shop.stars TO embrec_test_nightly",
        )
        source = TableSource("shop.stars", columns=NAMES, watermark="updated_at")
        assert load_from_table(nightly, source).inserted == len(stored(engine)) > 0
        assert load_from_table(nightly, source).inserted == 0
    finally:
        nightly.dispose()
        do(engine, "DROP OWNED BY embrec_test_nightly", "DROP ROLE embrec_test_nightly")


def test_only_what_is_new_is_read_from_the_watermark_on(engine: sa.Engine) -> None:
    source = TableSource("shop.stars", columns=NAMES, watermark="updated_at")
    make_table(engine, types="text, bigint, integer")
    do(
        engine,
        "INSERT INTO shop.stars VALUES ('old', 1, 3, '2020-01-01', '2020-01-01'),"
        " ('new', 1, 3, '2020-01-01', '2020-03-01'), ('always', 1, 3, '2020-01-01', NULL),"
        " ('later', 1, 3, '2020-01-01', '2999-01-01')",
    )
    assert load_from_table(engine, source) == LoadReport(4, 4, 0, 0, 0, 4, 1)
    # A time in the future does not hide rows before it.
    do(
        engine,
        "DELETE FROM shop.stars WHERE customer = 'later'",
        "UPDATE embrec.load_watermarks SET watermark = '2020-03-01'",
    )
    do(
        engine,
        "UPDATE shop.stars SET stars = 5 WHERE customer = 'old'",  # the load does not see it without updated_at
        "UPDATE shop.stars SET stars = 4, updated_at = '2020-02-29 23:30+00' WHERE customer = 'new'",
        "INSERT INTO shop.stars VALUES ('newer', 2, 1, '2020-01-01', '2020-03-02')",
    )
    assert load_from_table(engine, source) == LoadReport(3, 1, 1, 1, 0, 1, 1)
    assert [row[:3] for row in stored(engine) if row[0] in ("old", "new", "newer")] == [
        ("new", "1", 4.0),
        ("newer", "2", 1.0),
        ("old", "1", 3.0),
    ]
    do(engine, "DELETE FROM shop.stars")
    assert load_from_table(engine, source) == LoadReport(0, 0, 0, 0, 0, 0, 0)
    # Without ratings the stored watermark is ignored.
    do(engine, "TRUNCATE embrec.ratings", "INSERT INTO shop.stars VALUES ('old', 1, 3, '2020-01-01', '2019-01-01')")
    assert load_from_table(engine, source).inserted == 1
    with engine.connect() as connection:
        kept = connection.execute(
            sa.text("SELECT source, watermark_column, watermark < now() FROM embrec.load_watermarks")
        )
        assert [tuple(row) for row in kept] == [("shop.stars", "updated_at", True)]


def test_an_index_on_the_watermark_is_used(engine: sa.Engine) -> None:
    make_table(engine)
    do(
        engine,
        "INSERT INTO shop.stars SELECT n, n, 3, NULL, timestamptz '2020-01-01' + n * interval '1 minute'"
        " FROM generate_series(1, 20000) AS n",
        "CREATE INDEX ON shop.stars (updated_at)",
    )
    source = TableSource("shop.stars", columns=NAMES, watermark="updated_at")
    load_from_table(engine, source)
    do(engine, "ANALYZE shop.stars")
    assert 60 <= load_from_table(engine, source).unchanged <= 62
    with engine.connect() as connection:
        reading = read_source(connection, source)
        condition = reading.since(dt.datetime(2020, 1, 10, tzinfo=dt.UTC))
        plan = connection.execute(sa.text(f"EXPLAIN SELECT FROM {reading.rows} WHERE {condition}")).scalars().all()
    assert "Bitmap Index Scan" in "\n".join(plan)


def test_others_write_before_a_load_or_after_it(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_loading, "LOCK_SECONDS", 1)
    make_table(engine, rating_frame())
    ratings.add_rating(engine, "first", 1, 5)
    ratings.remove_rating(engine, "first", 1)  # ids exist but no ratings, so that the load drops the keys
    waited = threading.Event()

    def rate() -> None:
        ratings.add_rating(engine, "first", 1, 4)
        waited.set()

    def rates_meanwhile(*_: object, **__: object) -> None:
        threading.Thread(target=rate).start()
        assert not waited.wait(0.3)

    with hooked(("embrec.data.table_loading.describe_movies", 1, "after"), rates_meanwhile):
        load_from_table(engine, STARS)
    assert waited.wait(10)
    assert ("first", "1", 4.0) in [row[:3] for row in stored(engine)]
    with engine.begin() as connection:
        ratings.add_rating(connection, "first", 1, 3)
        with pytest.raises(BusyError, match="lock_timeout"):
            load_from_table(engine, STARS)
    assert load_from_table(engine, STARS).updated == 0


def test_the_command(engine: sa.Engine, url: str, embrec: Any, tmp_path: Path) -> None:
    make_table(engine, rating_frame())
    names = ["--user-column", "customer", "--movie-column", "film", "--rating-column", "stars"]
    code, out, err = embrec("load", "--from-table", "shop.stars", *names, "--database-url", url)
    assert (code, err) == (0, "")
    assert "new, 0 updated, 0 unchanged, 0 rejected; 30 new users, 20 new movies." in out
    code, out, _ = embrec(
        "load", "--from-table", "shop.stars", *names, "--watermark", "updated_at", "--json", "--database-url", url
    )
    assert code == 0
    assert '"inserted": 0' in out
