"""Popularity by events: counts that triggers keep, weights of types, half-lives, and a database without ratings."""

from __future__ import annotations

import datetime as dt
import threading

import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run

import embrec
from embrec.data import ratings
from embrec.data.table_loading import load_from_table
from embrec.data.table_source import TableSource
from embrec.db import resources
from embrec.errors import ArgumentError, DatabaseError
from embrec.monitoring.status import read_status

# The counts by a query that is obviously right.
EXPECTED = """
SELECT m.movie_id, count(e.event_id) AS event_count,
    coalesce(sum(CAST(t.weight AS numeric)), 0)::double precision AS event_weight
FROM embrec.movies AS m
LEFT JOIN (embrec.events AS e JOIN embrec.event_types AS t ON t.event_type = e.event_type AND t.kind <> 'dislike')
    ON e.movie_index = m.movie_index
GROUP BY m.movie_id ORDER BY m.movie_id
"""
STORED = """
SELECT m.movie_id, c.event_count, c.event_weight
FROM embrec.movie_counts AS c JOIN embrec.movies AS m USING (movie_index) ORDER BY m.movie_id
"""
COUNT = "SELECT embrec.count_changes()"


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for each in statements:
            connection.execute(resources.statement(each))


def read(engine: sa.Engine, query: str) -> pd.DataFrame:
    with engine.connect() as connection:
        return pd.read_sql(sa.text(query.replace("::", r"\:\:")), connection)


def check(engine: sa.Engine) -> None:
    pd.testing.assert_frame_equal(read(engine, STORED), read(engine, EXPECTED))


def popular(engine: sa.Engine, **arguments: object) -> list[tuple[str, float]]:
    found = embrec.popular_movies(engine, 100, **arguments)
    return list(zip(found.movie_id, found.popularity, strict=True))


def test_popularity_is_likes_and_weighted_events(engine: sa.Engine) -> None:
    """By hand: a view counts .2, a purchase 3, a dislike nothing; likes are ratings of 4 and 5."""
    for user, movie, rating in (("a", "liked", 5), ("b", "liked", 4), ("a", "low", 1), ("c", "both", 5)):
        ratings.add_rating(engine, user, movie, rating)
    for movie, kind, times in (
        ("viewed", "view", 5), ("bought", "purchase", 1), ("both", "view", 7), ("disliked", "dislike", 9),
        ("low", "dislike", 2), ("once", "event", 1),
    ):  # fmt: skip
        for _ in range(times):
            embrec.add_event(engine, "someone", movie, kind)
    assert popular(engine) == [], "as of the last count"
    run(engine, COUNT)
    # Of equally popular movies the one with more events comes first.
    expected = [("bought", 3.0), ("both", 2.4), ("liked", 2.0), ("viewed", 1.0), ("once", 1.0), ("low", 0.0)]
    assert popular(engine) == expected
    found = embrec.popular_movies(engine, 100).set_index("movie_id")
    assert found.event_count.to_dict() == {"bought": 1, "both": 7, "liked": 0, "viewed": 5, "once": 1, "low": 0}
    assert found.mean_rating.fillna(0).to_dict() == {
        "bought": 0, "both": 5, "liked": 4.5, "viewed": 0, "once": 0, "low": 1,
    }  # fmt: skip
    newcomer = embrec.recommend_movies(engine, "new here", 100)
    assert list(zip(newcomer.movie_id, newcomer.score, strict=True)) == expected
    assert set(newcomer.basis) == {"popularity"}
    assert embrec.best_rated_movies(engine).movie_id.tolist()[:1] == ["both"]
    assert set(embrec.best_rated_movies(engine).movie_id) == {"both", "liked", "low"}
    run(
        engine, "UPDATE embrec.event_types SET weight = 0.5, kind = 'interest' WHERE name IN ('view', 'dislike')", COUNT
    )
    assert popular(engine)[:3] == [("disliked", 4.5), ("both", 4.5), ("bought", 3.0)]
    check(engine)


def test_counts_follow_every_change_by_whatever_way(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    for number in range(40):
        embrec.add_event(engine, f"u{number % 7}", 100 + number % 9, ("view", "play", "dislike")[number % 3])
    embrec.remove_event(engine, "u1", 101)
    embrec.forget_user(engine, "u2")
    run(
        engine,
        "INSERT INTO embrec.events (user_index, movie_index, event_type)"
        " SELECT 3, g % 4, 1 FROM generate_series(1, 99) AS g",
        "UPDATE embrec.events SET event_type = 6 WHERE movie_index = 2",
        "UPDATE embrec.events SET value = 3",
        "DELETE FROM embrec.events WHERE movie_index = 3",
        COUNT,
    )
    check(engine)
    assert read(engine, "SELECT count(*) AS n FROM embrec.uncounted_events").n[0] == 0
    before = read(engine, "SELECT ctid::text AS place, * FROM embrec.movie_counts ORDER BY movie_index")
    ratings.refresh_statistics(engine)
    after = read(engine, "SELECT ctid::text AS place, * FROM embrec.movie_counts ORDER BY movie_index")
    pd.testing.assert_frame_equal(before, after)


def test_loads_count_what_they_store(engine: sa.Engine) -> None:
    """By file and by table, into the empty table and into one with events, after ratings and before."""
    frame = pd.DataFrame({"user_id": ["a", "a", "b", "b"], "movie_id": ["m", "m", "m", "n"]})
    run(
        engine,
        "CREATE TABLE public.log AS SELECT 'u' || n AS user_id, n % 3 AS movie_id FROM generate_series(1, 20) AS n",
    )
    for first, second in (
        (frame.assign(event_type=["view", "view", "play", "view"]), None), (None, frame), (frame, frame[:1]),
    ):  # fmt: skip
        run(engine, "DELETE FROM embrec.events", "DELETE FROM embrec.ratings")
        for given in (first, second, rating_frame(seed=1)):
            if given is None:
                load_from_table(engine, TableSource("public.log"))
            else:
                embrec.load(engine, given)
            assert read(engine, "SELECT count(*) AS n FROM embrec.uncounted_events").n[0] == 0
            check(engine)


def test_a_statement_notes_one_row_for_each_movie_and_type(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    many = "SELECT g % 30, g % 5, 1 + g % 2 FROM generate_series(0, 9999) AS g"
    run(engine, f"INSERT INTO embrec.events (user_index, movie_index, event_type) {many}")
    noted = read(engine, "SELECT count(*) AS n, sum(number) AS events FROM embrec.uncounted_events")
    assert noted.values.tolist() == [[10, 10_000]]


def test_counts_that_cannot_be_are_counted_anew(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    run(
        engine,
        "ALTER TABLE embrec.events DISABLE TRIGGER note_inserted",
        "INSERT INTO embrec.events (user_index, movie_index, event_type) VALUES (0, 1, 1), (0, 1, 1)",
        "ALTER TABLE embrec.events ENABLE TRIGGER note_inserted",
        "DELETE FROM embrec.events WHERE event_id = 1",
        COUNT,
    )
    check(engine)


def test_two_writers_of_a_movie_and_a_count_in_between_lose_nothing(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with engine.begin() as open_one:
        embrec.add_event(open_one, "u1", 100)
        embrec.add_event(engine, "u2", 100)
        counting = threading.Thread(target=ratings.refresh_statistics, args=(engine,))
        counting.start()
        counting.join(10)
        assert not counting.is_alive(), "counting waits for no writer"
        assert popular(engine, min_ratings=1)[0][0] != ""
    run(engine, COUNT)
    check(engine)


def test_a_half_life_counts_the_newest_most(engine: sa.Engine) -> None:
    """By hand, at a half-life of 7 days: 0.5 to the power of the age in weeks, of the future as of now."""
    now = dt.datetime.now(dt.UTC)

    def days(ago: float) -> dt.datetime:
        return now - dt.timedelta(days=ago)

    for movie, kind, ago in (
        ("old", "play", 14), ("old", "play", 21), ("old", "play", 28), ("new", "play", 0), ("new", "dislike", 0),
        ("ahead", "view", -0.9), ("ancient", "play", 20_000),
    ):  # fmt: skip
        embrec.add_event(engine, "u", movie, kind, occurred_at=days(ago))
    run(engine, "SELECT embrec.add_event('u', 'undated', occurred_at => NULL)")
    for movie, rating, ago in (("rated", 5, 7), ("low", 1, 0)):
        ratings.add_rating(engine, "u", movie, rating, days(ago))
    run(engine, COUNT)
    assert popular(engine)[0] == ("old", 3.0)
    found = dict(popular(engine, half_life=dt.timedelta(days=7)))
    assert list(found) == ["new", "rated", "old", "ahead", "ancient"]
    assert found["ancient"] < 1e-100
    assert [found[each] for each in ("new", "rated", "old", "ahead")] == pytest.approx([1, 0.5, 0.4375, 0.2], rel=1e-4)
    assert dict(popular(engine, half_life=dt.timedelta(days=14)))["old"] == pytest.approx(
        0.5 + 0.5**1.5 + 0.25, rel=1e-4
    )
    assert list(dict(popular(engine, half_life=dt.timedelta(days=7), min_ratings=2))) == ["old"]


def test_a_half_life_that_is_none_is_refused(engine: sa.Engine) -> None:
    for given in (dt.timedelta(0), dt.timedelta(days=-1), 7, "7 days", pd.NaT):
        with pytest.raises(ArgumentError, match="half_life is"):
            embrec.popular_movies(engine, half_life=given)
    embrec.add_event(engine, "u", "m")
    for text in ("0", "-1 day"):
        with pytest.raises(DatabaseError, match="half_life is .*such as '7 days'"), embrec.db.translated_errors():
            run(engine, f"SELECT * FROM embrec.popular_movies(half_life => '{text}')")


def test_trends_count_ratings_and_events(engine: sa.Engine) -> None:
    """By hand: 12 of 32 came since; of a movie with 8 of all, 3 are expected."""
    since = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    before, after = since - dt.timedelta(days=1), since + dt.timedelta(days=1)
    for movie, kind, moment, times in (
        ("rising", "play", before, 1), ("rising", "view", after, 6), ("steady", "play", before, 10),
        ("steady", "play", after, 2), ("fading", "play", before, 8), ("bad", "dislike", after, 50),
    ):  # fmt: skip
        for number in range(times):
            embrec.add_event(engine, f"u{number}", movie, kind, occurred_at=moment)
    for number, movie in enumerate(["rising"] + 4 * ["other"]):
        ratings.add_rating(engine, f"u{number}", movie, 3, after if number % 5 != 4 else before)
    run(engine, COUNT)
    found = embrec.trending_movies(engine, since).set_index("movie_id")
    assert found.recent_count.to_dict() == {"rising": 7, "other": 3, "steady": 2}
    assert found.event_count.to_dict() == {"rising": 7, "other": 0, "steady": 12}
    assert found.rating_count.to_dict() == {"rising": 1, "other": 4, "steady": 0}
    assert found.trend["rising"] == pytest.approx((7 - 8 * 12 / 32) / (8 * 12 / 32 + 1) ** 0.5)


def test_a_database_with_events_alone_answers(embrec_call, engine: sa.Engine) -> None:
    for number in range(6):
        embrec.add_event(engine, f"u{number}", "most" if number < 4 else "least", value=1_000_000)
    run(engine, COUNT)
    assert popular(engine) == [("most", 4.0), ("least", 2.0)]
    assert embrec.popular_movies(engine).mean_rating.isna().all()
    assert embrec.best_rated_movies(engine).empty
    (details,) = embrec.movie_details(engine, "most").itertuples(index=False)
    assert (details.rating_count, details.event_count) == (0, 4)
    assert pd.isna(details.mean_rating)
    assert embrec.recommend_movies(engine, "new here").movie_id.tolist() == ["most", "least"]
    assert embrec.recommend_movies(engine, "u0").movie_id.tolist() == ["least"], "without what the user watched"
    assert embrec.trending_movies(engine, dt.datetime(2020, 1, 1, tzinfo=dt.UTC)).recent_count.tolist() == [4, 2]
    assert [each.code for each in read_status(engine).warnings] == ["no_run"]
    code, out, err = embrec_call("popular", "--half-life", "7")
    assert (code, err) == (0, "")
    assert "most" in out


def test_the_status_tells_of_events(embrec_call, engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    assert "events " not in embrec_call("status")[1]
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    for number in range(20):
        embrec.add_event(engine, f"u{number}", 100, "dislike", occurred_at=moment - dt.timedelta(hours=number))
    status = read_status(engine)
    assert {each.code for each in status.warnings} == {"many_new_events", "statistics_stale"}
    assert status.warnings[0].message == "100% of events came after the training of the published run."
    assert status.warnings[1].message == "Popular movies are of 0 events, and there are 20."
    state = status.state
    assert (state["events"], state["events_since_training"], state["newest_event_at"]) == (20, 20, moment)
    assert 0 < state["event_row_bytes"] < state["event_bytes"]
    run(engine, COUNT)
    assert read_status(engine).state["events_in_statistics"] == 20
    each, row = (round(state[name] / 20) for name in ("event_bytes", "event_row_bytes"))
    out = embrec_call("status")[1]
    assert f"bytes each ({row:,} in the table, {each - row:,} in indexes), the newest 3 days ago" in out
    assert ", 20 events, 0 users" in out
    assert "embrec_events 20\n" in embrec_call("status", "--prometheus")[1]


@pytest.fixture
def embrec_call(embrec, url: str):
    return lambda *arguments: embrec(*arguments, "--database-url", url)


def test_a_published_run_answers_newcomers_by_both(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    for number in range(30):
        embrec.add_event(engine, f"u{number}", "119", "purchase")
    run(engine, COUNT)
    best = embrec.recommend_movies(engine, "new here", 1)
    assert best.movie_id[0] == "119"
    assert best.score[0] >= 90
