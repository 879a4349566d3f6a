"""The answers to the awkward cases of events, by SQL, Python and the command line.

One small service is trained once: forty users of four tastes, each of which has six movies that are watched in a
circle, ``a0``, ``a1``, ... ``a5``, ``a0``. There are no ratings. What a test does to the service is rolled back.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import with_database
from data import load_frame

import embrec as library
from embrec.db import translated_errors
from embrec.errors import ArgumentError, DatabaseError, RunError, UnknownUserError
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
TASTES, CIRCLE = "abcd", 6
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OPTIONS = {"penalty": 5.0}


def plays() -> pd.DataFrame:
    """Make four plays of each user, a day apart, with values from 1 to a million."""
    rows = [
        {
            "user_id": f"u{user}",
            "movie_id": f"{TASTES[user % 4]}{(user // 4 + step) % CIRCLE}",
            "event_type": "play",
            "value": 10.0 ** ((user + step) % 7),
            "occurred_at": START + dt.timedelta(days=step, minutes=user),
        }
        for user in range(40)
        for step in range(4)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def service(shared_engine: sa.Engine) -> sa.Engine:
    """The trained service."""
    library.load(shared_engine, plays())
    assert train(shared_engine, options=OPTIONS).published
    return shared_engine


@pytest.fixture
def now(service: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that is rolled back."""
    with service.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def command(service: sa.Engine, server_url: str, embrec: Run) -> Run:
    """The command line, on the service's database."""
    with service.connect() as connection:
        name = str(connection.scalar(sa.text("SELECT current_database()")))
    return lambda *arguments: embrec(*arguments, "--database-url", with_database(server_url, name))


def ask(connection: sa.Connection, call: str, **values: Any) -> list[Any]:
    with translated_errors():
        return list(connection.execute(sa.text(f"SELECT * FROM embrec.{call}"), values).all())


def watch(connection: sa.Connection, user: str, *movies: str, **others: Any) -> None:
    """Add an event of each movie, a minute apart, the last now."""
    for age, movie in enumerate(reversed(movies)):
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=age)
        library.add_event(connection, user, movie, **{"event_type": "play", "occurred_at": moment, **others})


def ids(found: pd.DataFrame, basis: str = "history") -> list[str]:
    return found[found.basis == basis].movie_id.tolist()


def test_constant_ratings_are_ranked_and_ordered_and_predict_nothing(engine: sa.Engine, url: str, embrec: Run) -> None:
    frame = plays().rename(columns={"occurred_at": "rated_at"}).drop(columns=["event_type", "value"]).assign(rating=4.0)
    load_frame(engine, frame.assign(rated_at=frame.rated_at.map(dt.datetime.timestamp).astype(int)))
    result = train(engine, options=OPTIONS)
    assert result.published
    assert result.advice is not None
    assert result.advice.startswith("All ratings are 4, so the run ranks movies and predicts no ratings.")
    assert library.recommend_movies(engine, "u0", 1).movie_id[0] in {"a4", "a5"}
    assert ids(library.recommend_next(engine, "u0", 1)) == ["a4"], "u0 rated a0 to a3, in this order"
    with engine.connect() as connection:
        assert ask(connection, "predict_rating('u0', 'a4')") == [(None,)]
        assert ask(connection, "rating_uncertainty('u0', 'a4')") == [(None,)]
        assert ask(connection, "predict_ratings('{u0}', '{a4}')") == []
    with pytest.raises(RunError, match="predicts no ratings, because"):
        library.predict_rating(engine, "u0", "a4")
    code, out, err = embrec("predict", "u0", "a4", "--database-url", url)
    assert (code, out) == (1, "")
    assert "predicts no ratings, because" in err


def test_without_ratings_all_but_ratings_are_answered(now: sa.Connection, command: Run) -> None:
    assert set(library.recommend_movies(now, "u0", 2).movie_id) == {"a4", "a5"}
    assert set(library.recommend_movies(now, "u0").basis) == {"history"}
    assert ids(library.recommend_next(now, "u0", 1)) == ["a4"]
    assert library.similar_movies(now, "a0", 1).movie_id[0][0] == "a"
    assert library.popular_movies(now).rating_count.sum() == 0
    assert library.popular_movies(now).mean_rating.isna().all()
    assert library.best_rated_movies(now).empty
    assert ask(now, "predict_rating('u0', 'a4')") == [(None,)]
    with pytest.raises(RunError, match=r"predicts no ratings, because .* It ranks movies: recommend_movies"):
        library.predict_rating(now, "u0", "a4")
    code, _, err = command("predict", "u0", "a4")
    assert code == 1
    assert "It ranks movies" in err


def test_min_ratings_counts_ratings_and_events(now: sa.Connection, command: Run) -> None:
    counts = library.popular_movies(now, 100).set_index("movie_id").event_count
    least = int(counts.max())
    enough = set(counts[counts >= least].index)
    assert 0 < len(enough) < len(counts)
    assert set(library.popular_movies(now, 100, min_ratings=least).movie_id) == enough
    assert set(library.recommend_movies(now, "nobody", 100, min_ratings=least).movie_id) == enough
    assert set(library.recommend_movies(now, "u0", 100, include_rated=True, min_ratings=least).movie_id) == enough
    assert set(library.recommend_next(now, "u0", 100, "allowed", min_ratings=least).movie_id) == enough
    assert set(library.trending_movies(now, START, 100, min_ratings=least).movie_id) == enough
    code, out, _ = command("popular", "-n", "100", "--min-ratings", str(least), "--json")
    assert (code, {row["movie_id"] for row in json.loads(out)}) == (0, enough)
    movie = min(enough)
    library.add_rating(now, "u1", movie, 5)
    library.add_event(now, "u1", movie, "dislike")
    ask(now, "count_changes()")
    assert library.popular_movies(now, 100, min_ratings=least + 1).movie_id.tolist() == [movie], "a rating counts"
    assert library.popular_movies(now, 100, min_ratings=least + 2).empty, "and a dislike does not"
    assert library.best_rated_movies(now, 100, min_ratings=1).movie_id.tolist() == [movie]
    assert library.best_rated_movies(now, 100, min_ratings=2).empty, "events are no part of a mean"


def test_repeats_are_kept_and_count(now: sa.Connection) -> None:
    watch(now, "new", "a0", "b0", "b0", "b0")
    assert ask(now, "continue_watching('new')")[0][1:5] == ("b0", None, "started", 3)
    explained = library.explain_recommendation(now, "new", "b1", None).set_index("movie_id").contribution
    more = library.explain_recommendation(now, "new", "a1", None).set_index("movie_id").contribution
    # log2(1 + 3) against log2(1 + 1); the tastes are alike in everything else.
    assert explained["b0"] / more["a0"] == pytest.approx(2, rel=0.35)
    assert ids(library.recommend_next(now, "new", 1)) == ["b1"]
    assert "b0" not in set(library.recommend_next(now, "new", 100).movie_id)
    assert set(library.recommend_next(now, "new", 100, "only").movie_id) == {"a0", "b0"}


def test_counts_to_a_million_weigh_by_their_logarithm(now: sa.Connection) -> None:
    for movie, value in (("a0", 1_000_000), ("b0", 1), ("c0", 0), ("d0", None)):
        watch(now, "new", movie, value=value)
    movies = dict(now.execute(sa.text("SELECT movie_index, movie_id FROM embrec.movies")).all())
    user = now.scalar(sa.text("SELECT user_index FROM embrec.users WHERE user_id = 'new'"))
    found = {movies[movie]: interest for movie, interest in ask(now, "event_pairs(:user, NULL, now())", user=user)}
    logs = np.log2(1 + np.array([1e6, 1, 0, 1]))
    expected = logs / np.sqrt(np.mean(logs**2))
    assert [found[movie] for movie in ("a0", "b0", "c0", "d0")] == pytest.approx(expected, rel=1e-6)
    best = library.recommend_movies(now, "new", 5)
    assert np.isfinite(best.score).all()
    assert best.movie_id[0][0] == "a"
    for value in (1_000_000_001, -1, float("nan")):
        with pytest.raises(DatabaseError, match="give a number from 0 to a billion"), now.begin_nested():
            watch(now, "new", "a0", value=value)


@pytest.mark.parametrize("half_life", ["1 second", "1 microsecond", "1 day"])
def test_a_short_half_life_leaves_old_events_their_proportions(now: sa.Connection, half_life: str) -> None:
    """A user who was away for very many half-lives is answered by what they did, not by popularity."""
    now.execute(sa.text("UPDATE embrec.event_types SET half_life = CAST(:length AS interval)"), {"length": half_life})
    old = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    for movie in ("b0", "b0", "b0", "a0"):
        library.add_event(now, "new", movie, "play", occurred_at=old)
    library.add_event(now, "new", "d0", "dislike", occurred_at=old)
    best = library.recommend_movies(now, "new", 3)
    assert set(best.basis) == {"history"}
    assert best.movie_id[0][0] == "b"
    parts = library.explain_recommendation(now, "new", best.movie_id[0], None)
    assert parts.contribution.sum() == pytest.approx(best.score[0], rel=1e-5)
    library.add_event(now, "new", "c0", "play")
    assert library.recommend_movies(now, "new", 1).movie_id[0][0] == "c", "beside a new one they are nothing"


def test_unknown_and_equal_times_go_by_arrival(now: sa.Connection) -> None:
    for movie, at in (("b0", "2026-05-01"), ("c0", None), ("d0", None), ("a0", "2026-05-01")):
        ask(now, f"add_event('new', '{movie}', 'view', occurred_at => CAST(:at AS timestamptz))", at=at)
    steps = ask(now, "explain_next('new', 'a1', NULL)")
    assert (steps[0].movie_id, steps[0].age) == ("a0", 0)
    assert ids(library.recommend_next(now, "new", 1)) == ["a1"]
    order = now.execute(
        sa.text(
            "SELECT m.movie_id FROM embrec.users AS u CROSS JOIN embrec.user_steps(u.user_index, NULL, NULL) AS s"
            " JOIN embrec.movies AS m ON m.movie_index = s.movie_index WHERE u.user_id = 'new' ORDER BY s.age"
        )
    )
    assert order.scalars().all() == ["a0", "b0", "d0", "c0"]


def test_an_event_of_an_unknown_user_or_movie_is_kept(now: sa.Connection, command: Run) -> None:
    watch(now, "new", "a0")
    assert ids(library.recommend_next(now, "new", 1)) == ["a1"], "a user who came after the training"
    before = library.recommend_movies(now, "new", 3)
    watch(now, "new", "brand new")
    assert ids(library.recommend_next(now, "new", 1)) == ["a1"], "nothing is known to follow it"
    assert library.recommend_movies(now, "new", 3).movie_id.tolist() == before.movie_id.tolist()
    assert "brand new" not in set(library.recommend_next(now, "new", 100).movie_id), "it is seen"
    assert set(library.recommend_next(now, "new", 100, "only").movie_id) == {"a0", "brand new"}
    watch(now, "other", "brand new")
    for found in (library.recommend_movies(now, "other", 3), library.recommend_next(now, "other", 3)):
        assert set(found.basis) == {"popularity"}, "the run knows nothing of what they watched"
        assert found.movie_id.tolist() == library.popular_movies(now, 3).movie_id.tolist()
    code, _, err = command("event", "u0", "no such movie")
    assert (code, "Look for it with: embrec find" in err) == (1, True)


def test_a_clock_in_the_future_is_refused_and_a_day_of_it_is_the_newest(now: sa.Connection, command: Run) -> None:
    late = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    ahead = "more than a day ahead of the server's clock; give the time when"
    with pytest.raises(DatabaseError, match=ahead), now.begin_nested():
        watch(now, "new", "a0", occurred_at=late)
    code, _, err = command("event", "u0", "a0", "--at", "2098-01-01")
    assert (code, "more than a day ahead" in err) == (1, True)
    watch(now, "new", "a0", occurred_at=late - dt.timedelta(hours=2))
    watch(now, "new", "b0")
    assert ids(library.recommend_next(now, "new", 1)) == ["a1"]
    best = library.recommend_movies(now, "new", 1).score[0]
    now.execute(sa.text("UPDATE embrec.event_types SET half_life = '1 minute' WHERE name = 'play'"))
    assert library.recommend_movies(now, "new", 1).score[0] == pytest.approx(best, rel=0.01), "nothing has aged"


@pytest.mark.parametrize("session", ["[]", None])
def test_an_empty_session_gets_popular_movies(now: sa.Connection, command: Run, session: str | None) -> None:
    popular = library.popular_movies(now, 5).movie_id.tolist()
    for call in ("recommend_next_for", "recommend_for"):
        found = ask(now, f"{call}(CAST(:session AS jsonb), 5)", session=session)
        assert [row.movie_id for row in found] == popular
        assert {row.basis for row in found} == {"popularity"}
    assert ask(now, "recommend_next_for(CAST(:session AS jsonb), repeats => 'only')", session=session) == []
    assert ask(now, "explain_for(CAST(:session AS jsonb), 'a0')", session=session) == []
    for found in (
        library.recommend_next_for(now, [], 5),
        library.recommend_for(now, {}, 5),
        library.recommend_for(now, [], 5),
    ):
        assert found.movie_id.tolist() == popular
    for arguments in (("next", "--session"), ("recommend", "--for", "[]")):
        code, out, _ = command(*arguments, "-n", "5", "--json")
        assert (code, [row["movie_id"] for row in json.loads(out)]) == (0, popular)


def test_a_user_with_one_event_is_answered_by_it(now: sa.Connection, command: Run) -> None:
    watch(now, "new", "a0")
    lists, following = library.recommend_movies(now, "new", 5), library.recommend_next(now, "new", 1)
    assert set(lists.movie_id) == {"a1", "a2", "a3", "a4", "a5"}
    assert set(lists.basis) == {"history"}
    assert ids(following) == ["a1"]
    assert library.recommend_for(now, ["a0"], 5).score.tolist() == pytest.approx(lists.score.tolist(), rel=1e-6)
    assert library.recommend_next_for(now, ["a0"], 1).score[0] == pytest.approx(following.score[0], rel=1e-6)
    (step,) = library.explain_next(now, "new", "a1").itertuples(index=False)
    assert (step.movie_id, step.contribution) == ("a0", pytest.approx(following.score[0], rel=1e-6))
    with pytest.raises(UnknownUserError, match="has no vector in model run"):
        library.similar_users(now, "new")


def test_ids_of_a_session_that_do_not_exist_are_ignored(now: sa.Connection, command: Run) -> None:
    known, among = library.recommend_next_for(now, ["a0"]), library.recommend_next_for(now, ["x", "a0", "y"])
    pd.testing.assert_frame_equal(known, among)
    pd.testing.assert_frame_equal(library.recommend_for(now, ["a0"]), library.recommend_for(now, ["x", "a0"]))
    empty = library.recommend_next_for(now, [])
    pd.testing.assert_frame_equal(library.recommend_next_for(now, ["x", "y"]), empty)
    assert set(empty.basis) == {"popularity"}
    assert set(library.recommend_for(now, {"x": 5}).basis) == {"popularity"}
    assert library.explain_for(now, ["x"], "a0").empty
    code, _, err = command("next", "--session", "a0", "x")
    assert (code, "Look for it with: embrec find" in err) == (1, True), "a person at a terminal made a mistake"


@pytest.mark.parametrize(
    "given", ['[["a0", 5]]', '[{"a0": 5}]', "[null]", "[true]", '{"a0": [5]}', '{"a0": {}}', '"a0"']
)
def test_other_forms_of_a_visitor_are_refused(now: sa.Connection, given: str) -> None:
    for call in ("recommend_for(CAST(:given AS jsonb))", "explain_for(CAST(:given AS jsonb), 'a1')"):
        with pytest.raises(DatabaseError, match="; give (an|a number)"), now.begin_nested():
            ask(now, call, given=given)
    with pytest.raises(DatabaseError, match="; give (an|a movie id)"), now.begin_nested():
        ask(now, "recommend_next_for(CAST(:given AS jsonb))", given=given)
    for function in (library.recommend_for, lambda bind, own: library.explain_for(bind, own, "a1")):
        with pytest.raises(ArgumentError, match="; give "):
            function(now, json.loads(given))
