"""The counts behind popular movies: kept by what loads, applications and SQL change, and equal to counting all anew."""

from __future__ import annotations

import contextlib

import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, named_movies, rating_frame

from embrec import db
from embrec.data import ratings
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.db import resources
from embrec.errors import DatabaseError

# The counts by a query that is obviously right. The likes are the ratings in the highest quarter of the scale.
EXPECTED = """
WITH scale AS (SELECT min(rating)::double precision AS low, max(rating)::double precision AS high FROM embrec.ratings),
overall AS (
    SELECT avg(rating) AS mean, count(*)::double precision / count(DISTINCT movie_index) AS weight FROM embrec.ratings
),
each AS (
    SELECT
        movie_index,
        count(*) AS number,
        sum(rating::double precision) AS total,
        avg(rating::double precision) AS mean,
        count(*) FILTER (WHERE rating >= low + (0.75 - 1e-6) * (high - low)) AS likes
    FROM embrec.ratings, scale
    GROUP BY movie_index
)
SELECT m.movie_id, coalesce(e.number, 0) AS rating_count, e.mean AS mean_rating,
    (coalesce(e.total, 0) + o.weight * o.mean) / (coalesce(e.number, 0) + o.weight) AS popularity,
    e.likes AS like_count,
    CASE WHEN e.number > 0 THEN row_number() OVER (
        ORDER BY e.likes DESC NULLS LAST, e.number DESC, e.mean DESC, m.movie_id COLLATE "C"
    ) END AS popularity_rank
FROM embrec.movies AS m CROSS JOIN overall AS o LEFT JOIN each AS e USING (movie_index)
ORDER BY m.movie_id
"""
STORED = """
SELECT m.movie_id, s.rating_count, s.mean_rating, s.popularity, l.like_count, l.popularity_rank
FROM embrec.movie_statistics AS s
JOIN embrec.movies AS m USING (movie_index)
LEFT JOIN embrec.movie_likes AS l USING (movie_index)
ORDER BY m.movie_id
"""


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for each in statements:
            connection.execute(resources.statement(each))


def read(engine: sa.Engine, query: str) -> pd.DataFrame:
    with engine.connect() as connection:
        return pd.read_sql(sa.text(query.replace("::", r"\:\:")), connection)


def check(engine: sa.Engine) -> None:
    """Compare what is stored with what all ratings say."""
    pd.testing.assert_frame_equal(read(engine, STORED), read(engine, EXPECTED))


def waiting(engine: sa.Engine) -> int:
    return int(read(engine, "SELECT count(*) AS n FROM embrec.uncounted_ratings").n[0])


def test_a_load_counts_what_came_by_whatever_way_since(engine: sa.Engine) -> None:
    frame = rating_frame()
    load_frame(engine, frame[:200], named_movies(25))
    check(engine)
    ratings.add_rating(engine, "new", "brand new", 5)
    ratings.add_rating(engine, "u1", "101", 1)
    ratings.add_rating(engine, "u1", "101", 4)
    ratings.remove_rating(engine, "u2", frame[frame.user_id == "u2"].movie_id.iloc[0])
    ratings.forget_user(engine, "u3")
    run(
        engine,
        "UPDATE embrec.ratings SET rating = 6 - rating WHERE movie_index < 5",
        "INSERT INTO embrec.ratings SELECT user_index, 24, 3 FROM embrec.users ON CONFLICT DO NOTHING",
        "DELETE FROM embrec.ratings WHERE movie_index = 7",
        "UPDATE embrec.ratings SET rated_at = now()",
    )
    assert waiting(engine) > 0
    load_frame(engine, frame[150:].assign(rating=2.0, rated_at=1_900_000_000))
    check(engine)
    assert waiting(engine) == 0


def test_counts_follow_a_followed_table(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    run(
        engine,
        "CREATE TABLE public.stars (user_id text, movie_id text, rating real, PRIMARY KEY (user_id, movie_id))",
        "SELECT embrec.follow_table('public.stars', 'user_id', 'movie_id', 'rating')",
        "INSERT INTO public.stars VALUES ('u1', '101', 5), ('u2', '101', 1), ('someone', '101', 5)",
        "DELETE FROM public.stars WHERE user_id = 'u2'",
    )
    run(engine, "SELECT embrec.count_changes()")
    check(engine)


@pytest.mark.parametrize("count", ["SELECT embrec.count_changes()", "SELECT embrec.refresh_statistics()"])
def test_likes_are_counted_anew_where_the_scale_has_become_wider(engine: sa.Engine, count: str) -> None:
    load_frame(engine, rating_frame(), named_movies())
    run(engine, "SELECT embrec.set_rating_scale(0, 10)", "SELECT embrec.add_rating('u1', '101', 10)", count)
    check(engine)


def test_counts_that_cannot_be_are_counted_anew(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    run(
        engine,
        "ALTER TABLE embrec.ratings DISABLE TRIGGER note_inserted",
        "INSERT INTO embrec.movies (movie_index, movie_id) VALUES (20, 'unnoticed')",
        "INSERT INTO embrec.ratings VALUES (0, 20, 5), (1, 20, 3)",
        "ALTER TABLE embrec.ratings ENABLE TRIGGER note_inserted",
        "DELETE FROM embrec.ratings WHERE movie_index = 20 AND user_index = 0",
        "SELECT embrec.count_changes()",
    )
    check(engine)


def test_the_last_rating_goes(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), named_movies())
    run(engine, "DELETE FROM embrec.ratings", "SELECT embrec.count_changes()")
    counted = read(engine, STORED)
    assert set(counted.rating_count) == {0}
    assert counted[["mean_rating", "popularity", "like_count"]].isna().all(axis=None)
    load_frame(engine, rating_frame(seed=1))
    check(engine)


def test_a_count_of_all_takes_no_change_twice_and_loses_none(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), named_movies())
    with engine.connect() as adding, adding.begin():
        ratings.add_rating(adding, "u1", "101", 5)
        ratings.remove_rating(adding, "u2", "101")
        assert ratings.refresh_statistics(engine), "it does not wait for a rating in progress"
        check(engine)
    assert waiting(engine) > 0
    run(engine, "SELECT embrec.count_changes()")
    check(engine)
    ratings.add_rating(engine, "u4", "101", 1)
    ratings.refresh_statistics(engine)
    assert waiting(engine) == 0
    run(engine, "SELECT embrec.count_changes()")
    check(engine)


def test_one_session_at_a_time_counts_and_nobody_else_waits(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), named_movies())
    with engine.connect() as counting, counting.begin():
        ratings.add_rating(counting, "u1", "101", 5)
        ratings.count_changes(counting)
        run(
            engine,
            "SET LOCAL lock_timeout = '200ms'",
            "SELECT * FROM embrec.popular_movies()",
            "SELECT embrec.add_rating('u5', '101', 5)",
        )
        for count in ("count_changes", "refresh_statistics"):
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                run(engine, "SET LOCAL lock_timeout = '200ms'", f"SELECT embrec.{count}()")
    run(engine, "SELECT embrec.count_changes()")
    check(engine)


def test_counts_that_are_right_stay_untouched(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(), named_movies())
    versions = "SELECT movie_index, ctid::text AS place, xmin::text AS made FROM embrec.movie_counts ORDER BY 1"
    before = read(engine, versions)
    ratings.refresh_statistics(engine)
    pd.testing.assert_frame_equal(read(engine, versions), before)
    movie = int(read(engine, STORED).query("popularity_rank == 1").movie_id.iloc[0])
    ratings.add_rating(engine, "one more like of the most popular", movie, 5)
    run(engine, "SELECT embrec.count_changes()")
    changed = read(engine, versions)[lambda now: now.made != before.made]
    assert len(changed) == 1


@pytest.mark.parametrize("from_table", [False, True], ids=["file", "table"])
def test_a_first_load_notes_what_it_stores_and_no_row_of_it(engine: sa.Engine, url: str, from_table: bool) -> None:
    frame = rating_frame()
    if from_table:
        frame.to_sql("stars", engine, schema="public")
    with engine.connect() as connection, connection.begin():
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('embrec.movie_counts'))"))
        impatient = db.create_engine(f"{url} options='-c lock_timeout=200ms'")
        with contextlib.suppress(DatabaseError):  # the ratings are stored, and counting them failed
            if from_table:
                load_from_table(impatient, TableSource("public.stars"))
            else:
                load_frame(impatient, frame)
        impatient.dispose()
    noted = read(engine, "SELECT sum(number) AS ratings, max(number) AS most FROM embrec.uncounted_ratings")
    assert noted.ratings[0] == len(frame)
    assert noted.most[0] > 1, "a row is all equal ratings of a movie"
    load_frame(engine, frame[:1].assign(rating=3.0, rated_at=1_900_000_000))
    check(engine)
