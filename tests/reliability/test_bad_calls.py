"""Invalid calls: each is refused with a message that says what to give, and changes nothing."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, two_part_run
from unchanged import unchanged

from embrec.data import events, ratings
from embrec.data.files.movies import Movie
from embrec.errors import ArgumentError, EmbrecError, NotFoundError
from embrec.runs import experiments, publishing, records
from embrec.serving import batch, catalogue, explain, predict, recommend, search, similar
from embrec.serving import next as next_movies

NOW = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
Call = Callable[[sa.Engine], Any]
IDS: list[tuple[str, Any, str]] = [
    ("None", None, "is None; give text, an integer or a UUID"),
    ("a float", 1.5, r"is 1\.5; give text, an integer or a UUID"),
    ("NaN", float("nan"), "is nan; give text, an integer or a UUID"),
    ("a truth value", True, "is True; give text, an integer or a UUID"),
    ("a list", ["u1"], "is of type list; give text, an integer or a UUID"),
    ("bytes", b"u1", "is of type bytes; give text, an integer or a UUID"),
    ("a NUL", "u\0", "has a NUL character or half a surrogate pair; give text without"),
    ("half a surrogate pair", "u\udcff", "has a NUL character or half a surrogate pair; give text without"),
    ("501 bytes", "u" * 501, "is longer than 500 bytes; give a shorter id"),
]
BY_USER: dict[str, Callable[[sa.Engine, Any], Any]] = {
    "recommend_movies": lambda engine, user: recommend.recommend_movies(engine, user),
    "recommend_next": lambda engine, user: next_movies.recommend_next(engine, user),
    "continue_watching": next_movies.continue_watching,
    "explain_next": lambda engine, user: next_movies.explain_next(engine, user, 100),
    "similar_users": lambda engine, user: similar.similar_users(engine, user),
    "predict_rating": lambda engine, user: predict.predict_rating(engine, user, 100),
    "rating_uncertainty": lambda engine, user: predict.rating_uncertainty(engine, user, 100),
    "predict_ratings": lambda engine, user: predict.predict_ratings(engine, [user], [100]),
    "explain_recommendation": lambda engine, user: explain.explain_recommendation(engine, user, 100),
    "user_ratings": catalogue.user_ratings,
    "add_rating": lambda engine, user: ratings.add_rating(engine, user, 100, 5),
    "remove_rating": lambda engine, user: ratings.remove_rating(engine, user, 100),
    "add_event": lambda engine, user: events.add_event(engine, user, 100),
    "remove_event": lambda engine, user: events.remove_event(engine, user, 100),
    "assign_variant": experiments.assign_variant,
    "record_exposure": experiments.record_exposure,
    "record_outcome": lambda engine, user: experiments.record_outcome(engine, user, 1.0),
}
BY_MOVIE: dict[str, Callable[[sa.Engine, Any], Any]] = {
    "next_after": next_movies.next_after,
    "also_watched": next_movies.also_watched,
    "explain_next": lambda engine, movie: next_movies.explain_next(engine, "u1", movie),
    "recommend_next_for": lambda engine, movie: next_movies.recommend_next_for(engine, [movie]),
    "similar_movies": lambda engine, movie: similar.similar_movies(engine, movie),
    "movie_details": catalogue.movie_details,
    "explain_for": lambda engine, movie: explain.explain_for(engine, {100: 5}, movie),
    "recommend_for": lambda engine, movie: recommend.recommend_for(engine, [movie]),
    "candidates": lambda engine, movie: recommend.recommend_movies(engine, "u1", movie_ids=[movie]),
    "predict_rating": lambda engine, movie: predict.predict_rating(engine, "u1", movie),
    "explain_recommendation": lambda engine, movie: explain.explain_recommendation(engine, "u1", movie),
    "add_rating": lambda engine, movie: ratings.add_rating(engine, "u1", movie, 5),
    "remove_rating": lambda engine, movie: ratings.remove_rating(engine, "u1", movie),
    "add_event": lambda engine, movie: events.add_event(engine, "u1", movie),
    "remove_event": lambda engine, movie: events.remove_event(engine, "u1", movie),
}
BY_N: dict[str, Callable[[sa.Engine, Any], Any]] = {
    "recommend_next": lambda engine, n: next_movies.recommend_next(engine, "u1", n),
    "recommend_next_for": lambda engine, n: next_movies.recommend_next_for(engine, [100], n),
    "next_after": lambda engine, n: next_movies.next_after(engine, 100, n),
    "also_watched": lambda engine, n: next_movies.also_watched(engine, 100, n),
    "continue_watching": lambda engine, n: next_movies.continue_watching(engine, "u1", n),
    "explain_next": lambda engine, n: next_movies.explain_next(engine, "u1", 100, n),
    "recommend_movies": lambda engine, n: recommend.recommend_movies(engine, "u1", n),
    "recommend_for": lambda engine, n: recommend.recommend_for(engine, {100: 5}, n),
    "similar_movies": lambda engine, n: similar.similar_movies(engine, 100, n),
    "similar_users": lambda engine, n: similar.similar_users(engine, "u1", n),
    "popular_movies": lambda engine, n: recommend.popular_movies(engine, n),
    "trending_movies": lambda engine, n: recommend.trending_movies(engine, NOW, n),
    "find_movies": lambda engine, n: search.find_movies(engine, "one", n),
    "user_ratings": lambda engine, n: catalogue.user_ratings(engine, "u1", n),
    "map_movies": catalogue.map_movies,
    "explain_for": lambda engine, n: explain.explain_for(engine, {100: 5}, 100, n),
    "explain_recommendation": lambda engine, n: explain.explain_recommendation(engine, "u1", 100, n),
}
OTHERS: list[tuple[str, Call, str]] = [
    *((f"diversity {value!r}", lambda engine, value=value: recommend.recommend_movies(engine, "u1", diversity=value),
       message) for value, message in ((1.1, r"is 1\.1; give 0 for the best"), (-0.1, "give 0 for the best"),
                                       (float("nan"), "is nan; give 0"), ("0.5", "is '0.5'; give a number"),
                                       (None, "is None; give a number"))),
    *((f"{name}={value!r}", lambda engine, name=name, value=value: recommend.popular_movies(engine, **{name: value}),
       message) for name, value, message in (
        ("genres", "Comedy", "genres is 'Comedy'; give a list"), ("genres", [None], "genres is None; give text"),
        ("genres", 5, "genres is 5; give a list"), ("without_genres", ["a\0"], "without_genres has a NUL"),
        ("released_from", "1990", "released_from is '1990'; give a whole number"),
        ("released_to", 1990.5, "released_to is 1990.5; give a whole number"),
        ("min_ratings", True, "min_ratings is True; give a whole number"),
        ("genre", ["Comedy"], "There is no filter genre; the filters are genres, without_genres"))),
    *((f"candidates {value!r}", lambda engine, value=value: recommend.recommend_movies(engine, "u1", movie_ids=value),
       "movie_ids is .*; give a list") for value in ("100", 100, {"100": 5})),
    *((f"since {value!r}", lambda engine, value=value: recommend.trending_movies(engine, value), "give a datetime")
      for value in (None, "1998-01-01", pd.NaT, 893_000_000)),
    *((f"a visitor's {value!r}", lambda engine, value=value: recommend.recommend_for(engine, value), message)
      for value, message in ((None, "The ratings are None; give them by movie id"), ("{}", "ratings are '{}'; give"),
                             ({100}, "are of type set; give"), ([[100, 5]], "movie_id is of type list; give text"),
                             ({100: None}, "rating is None; give a number"), ({100: "5"}, "is '5'; give a num"),
                             ({100: float("nan")}, "is nan; give a finite number"),
                             ({100: 1e39}, "give a finite number"), ({100: [5]}, "rating is of type list"),
                             ({1.5: 3}, "movie_id is 1.5; give text, an integer or a UUID"))),
    *((f"a session of {value!r}", lambda engine, value=value: next_movies.recommend_next_for(engine, value), message)
      for value, message in ((None, "The history is None; give movie ids"), ("50", "The history is '50'; give movie"),
                             ({"50": 5}, "The history is of type dict"), ([None], "movie_id is None; give text"),
                             ([{"id": 5}], "A step has the keys id; give movie_id"),
                             ([{"movie_id": 5, "at": "now"}], "at is 'now'; give a datetime"),
                             ([{"movie_id": 5, "type": 1}], "type is 1; give text"),
                             ([{"movie_id": 5, "type": "watch"}], "'watch', which there is not; give one of rating"))),
    *((f"repeats {value!r}", lambda engine, value=value: next_movies.recommend_next(engine, "u1", repeats=value),
       "give never, allowed or only") for value in (None, "often", 1)),
    ("next since text", lambda engine: next_movies.recommend_next(engine, "u1", since="now"), "give a datetime"),
    *((f"rating {value!r}", lambda engine, value=value: ratings.add_rating(engine, "u1", 100, value), message)
      for value, message in ((None, "give a number"), ("5", "give a number"), (float("inf"), "give a finite number"),
                             (10**400, "give a finite number"), (Decimal("NaN"), "give a finite number"))),
    *((f"rated at {value!r}", lambda engine, value=value: ratings.add_rating(engine, "u1", 100, 5, value), message)
      for value, message in (("2020", "give a datetime"), (pd.NaT, "give a datetime"), (893_000_000, "give a datetime"),
                             (dt.datetime(9999, 1, 1, tzinfo=dt.UTC), "in the year 9999; give one between"))),
    ("an empty user", lambda engine: ratings.add_rating(engine, "", 100, 5), "is empty; give an id"),
    ("an empty movie", lambda engine: ratings.add_rating(engine, "u1", "", 5), "is empty; give an id"),
    ("no query", lambda engine: search.find_movies(engine, None), "query is None; give text"),
    ("no movie meant", lambda engine: search.resolve_movie(engine, None), "movie is None; give text"),
    ("two users, a movie", lambda engine: predict.predict_ratings(engine, [1, 2], [1]), "give as many of both"),
    ("pairs as text", lambda engine: predict.predict_ratings(engine, "ab", "cd"), "user_ids is 'ab'; give a list"),
    ("a batch of none", lambda engine: batch.recommend_all(engine, "x.csv", 0), "n is 0; give 1 or more"),
    ("an experiment without a name", lambda engine: experiments.start(engine, None, 1, 1), "name is None; give text"),
    ("a share of NaN", lambda engine: experiments.start(engine, "x", 1, 1, float("nan")), "is nan; give a number betw"),
    ("a share as text", lambda engine: experiments.start(engine, "x", 1, 1, "0.5"), "is '0.5'; give a number"),
    ("an outcome of nothing", lambda engine: experiments.record_outcome(engine, "u1", None), "give a number"),
    ("an endless outcome", lambda engine: experiments.record_outcome(engine, "u1", np.inf), "give a finite number"),
    ("a second experiment", lambda engine: experiments.start(engine, "x", 1, 99), "End it first: embrec exp"),
    ("a run past 32 bits", lambda engine: publishing.publish(engine, 2**40), "database refused: integer out of range"),
]  # fmt: skip
UNKNOWN: list[tuple[str, Call, str]] = [
    ("a movie", lambda engine: similar.similar_movies(engine, "no such"), "There is no movie with the id 'no such'"),
    ("SQL as a movie", lambda engine: similar.similar_movies(engine, "'; DROP TABLE x;--"), "no movie with the id"),
    ("an empty movie", lambda engine: similar.similar_movies(engine, ""), "no movie with the id ''"),
    ("a user", lambda engine: similar.similar_users(engine, 2**80), "There is no user with the id"),
    ("a pair's user", lambda engine: predict.predict_rating(engine, "x", 100), "There is no user with the id 'x'"),
    ("a pair's movie", lambda engine: predict.predict_rating(engine, "u1", "x"), "There is no movie with the id 'x'"),
    ("after", lambda engine: next_movies.next_after(engine, "x"), "There is no movie with the id 'x'"),
    ("also", lambda engine: next_movies.also_watched(engine, "x"), "There is no movie with the id 'x'"),
    ("who goes on", lambda engine: next_movies.continue_watching(engine, "x"), "There is no user with the id 'x'"),
    ("why next", lambda engine: next_movies.explain_next(engine, "u1", "x"), "There is no movie with the id 'x'"),
    ("why next for x", lambda engine: next_movies.explain_next(engine, "x", 100), "There is no user with the id 'x'"),
    ("why", lambda engine: explain.explain_recommendation(engine, "u1", "x"), "There is no movie with the id 'x'"),
    ("a title", lambda engine: search.resolve_movie(engine, "\udcff\0"), "Look for it with: embrec find"),
    *((f"run {run}", lambda engine, run=run: publishing.publish(engine, run), "no model run .* with: embrec runs list")
      for run in (99, 0, -1, None)),
    ("a run to delete", lambda engine: publishing.delete(engine, 99), "no model run 99. The newest are: 1. See"),
    ("a run to look at", lambda engine: records.get_run(engine, 99), "no model run 99. The newest are: 1. See"),
]  # fmt: skip
# Calls through SQL, and the error's code.
SQL: list[tuple[str, str]] = [
    ("recommend_for('5')", "22023"),
    ("recommend_for('\"text\"')", "22023"),
    ('recommend_for(\'{"100": "5"}\')', "22023"),
    ("recommend_for('{\"100\": [5]}')", "22023"),
    ("recommend_for('{\"100\": true}')", "22023"),
    ("recommend_for('{\"100\": 1e39}')", "22023"),
    ("recommend_for('{\"100\": null}')", "22023"),
    ("recommend_for('{\"100\": NaN}')", "22P02"),
    ("recommend_for('{\"100\": 5')", "22P02"),
    ("recommend_movies('u1', diversity => 2)", "22023"),
    ("recommend_movies('u1', diversity => 'NaN')", "22023"),
    ("recommend_movies('u1', diversity => NULL)", "22023"),
    ("recommend_movies('u1', -1)", "2201W"),
    ("similar_movies('100', -1)", "2201W"),
    ("popular_movies(-1)", "2201W"),
    ("popular_movies(3000000000)", "42883"),
    ("popular_movies(genres => 'Comedy')", "22P02"),
    ("trending_movies('soon')", "22007"),
    ("add_rating(NULL, '100', 5)", "22023"),
    ("add_rating('u1', '', 5)", "22023"),
    ("add_rating('u1', '100', 'NaN')", "22023"),
    ("add_rating('u1', '100', '-Infinity')", "22023"),
    ("add_rating('u1', '100', 1e39)", "22023"),
    ("add_rating('u1', '100', '1e39')", "22023"),
    ("add_rating('u1', '100', 5, 'infinity')", "22023"),
    (f"add_rating('u1', '{np.random.default_rng(0).bytes(3000).hex()}', 5)", "22023"),
    ("add_event(NULL, '100')", "22023"),
    ("add_event('u1', '100', 'play', 1, 'infinity')", "22023"),
    ("remove_event('u1', '100', 'no type')", "22023"),
    ("record_outcome(NULL, 1)", "22023"),
    ("record_outcome('u1', 'NaN')", "22023"),
]
CORPUS = len(IDS) * (len(BY_USER) + len(BY_MOVIE) - 1) + len(OTHERS) + len(UNKNOWN) + len(SQL)


@pytest.fixture(scope="module")
def serving(shared_engine: sa.Engine) -> sa.Engine:
    """A database with a published run that has been rated, and an experiment."""
    titles = [Movie(str(100 + number), f"Film {number} (199{number})", ["X"], 1990 + number) for number in range(8)]
    load_frame(shared_engine, rating_frame(users=9, movies=8, count=40), titles)
    two_part_run(shared_engine)
    experiments.start(shared_engine, "now", 1, 1)
    return shared_engine


def refused(engine: sa.Engine, call: Call, message: str, kind: type[EmbrecError] = EmbrecError) -> None:
    with unchanged(engine), pytest.raises(kind, match=message) as caught:
        call(engine)
    assert str(caught.value).count("\n") == 0
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("function", BY_USER)
def test_what_is_no_users_id_is_refused(serving: sa.Engine, function: str) -> None:
    for _, value, message in IDS:
        refused(serving, lambda engine, value=value: BY_USER[function](engine, value), "user_ids? " + message)


@pytest.mark.parametrize("function", BY_MOVIE)
def test_what_is_no_movies_id_is_refused(serving: sa.Engine, function: str) -> None:
    for _, value, message in IDS:
        refused(serving, lambda engine, value=value: BY_MOVIE[function](engine, value), "movie_ids? " + message)


def answer(call: Callable[[sa.Engine, Any], Any], engine: sa.Engine, outside_id: object) -> str:
    try:
        return repr(call(engine, outside_id))
    except EmbrecError as error:
        return str(error)


def test_a_uuid_is_an_id_like_its_text(engine: sa.Engine) -> None:
    user, movie = uuid.UUID(int=1), uuid.UUID(int=2)
    frame = pd.DataFrame({"user_id": [user, "u1", user], "movie_id": [movie, movie, "100"], "rating": [1, 2, 3]})
    load_frame(engine, pd.concat([rating_frame(users=9, movies=8, count=40), frame]))
    two_part_run(engine)
    experiments.start(engine, "now", 1, 1)
    for side, given in ((BY_USER, user), (BY_MOVIE, movie)):
        for function, call in side.items():
            if function in ("remove_rating", "remove_event"):
                continue
            found = answer(call, engine, given)
            assert found == answer(call, engine, str(given)), function
            assert "There is no" not in found, function
    for call in (recommend.recommend_for, lambda engine, own: explain.explain_for(engine, own, 100)):
        assert answer(call, engine, {movie: 5}) == answer(call, engine, {str(movie): 5})
    assert ratings.remove_rating(engine, user, "100")
    assert ratings.remove_rating(engine, "u1", movie)
    assert ratings.forget_user(engine, user)


@pytest.mark.parametrize("function", BY_N)
@pytest.mark.parametrize("n", [-1, -(10**30), 1.5, "3", True, [3], float("nan")])
def test_what_is_no_number_of_rows_is_refused(serving: sa.Engine, function: str, n: Any) -> None:
    refused(
        serving, lambda engine: BY_N[function](engine, n), "^n is .*; give (0 or more|a whole number)", ArgumentError
    )


@pytest.mark.parametrize("function", BY_N)
def test_any_whole_number_of_rows_is_answered(serving: sa.Engine, function: str) -> None:
    with unchanged(serving):
        everything = BY_N[function](serving, 10**30)
        pd.testing.assert_frame_equal(BY_N[function](serving, np.int64(2)), everything.head(2))
        assert len(BY_N[function](serving, 0)) == 0


@pytest.mark.parametrize(("name", "call", "message"), OTHERS, ids=[case[0] for case in OTHERS])
def test_an_argument_that_cannot_be_used_is_refused(serving: sa.Engine, name: str, call: Call, message: str) -> None:
    refused(serving, call, message)


@pytest.mark.parametrize(("name", "call", "message"), UNKNOWN, ids=[case[0] for case in UNKNOWN])
def test_what_is_not_there_is_said(serving: sa.Engine, name: str, call: Call, message: str) -> None:
    refused(serving, call, message, NotFoundError)


@pytest.mark.parametrize(("call", "state"), SQL, ids=[call[:60] for call, _ in SQL])
def test_sql_refuses_with_a_code_and_stores_nothing(serving: sa.Engine, call: str, state: str) -> None:
    with unchanged(serving), serving.connect() as connection:
        with pytest.raises(sa.exc.DBAPIError) as caught:
            connection.exec_driver_sql(f"SELECT * FROM embrec.{call}")
        assert caught.value.orig.sqlstate == state
        assert connection.rollback() is None


def test_what_is_no_filter_at_all_lets_nothing_or_all_through(serving: sa.Engine) -> None:
    everything = recommend.popular_movies(serving, 100)
    for filters in ({"released_from": -(10**20)}, {"min_ratings": -5}, {"released_to": 10**20}, {"genres": None}):
        assert len(recommend.popular_movies(serving, 100, **filters)) == len(everything)
    for filters in ({"genres": ["no such"]}, {"genres": []}, {"released_from": 10**20}, {"genres": ["'; DROP--"]}):
        assert recommend.popular_movies(serving, 100, **filters).empty
    assert recommend.recommend_movies(serving, "u1", movie_ids=[]).empty
    assert not recommend.recommend_movies(serving, "u1", movie_ids=np.array([100, 101]), include_rated=True).empty


def test_the_corpus_is_big_enough() -> None:
    assert CORPUS >= 60
