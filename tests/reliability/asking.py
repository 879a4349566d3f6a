"""A small catalogue with a published run, and all answers that embrec gives about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame, transitions, two_part_run

import embrec
from embrec.data.extraction import extract
from embrec.data.files.movies import Movie
from embrec.runs import embeddings, experiments, records

MOVIES = [
    Movie(str(number), f"Film {number} «Ænima» 日本", ["Comedy", "Drama", "War"][: number % 4] or ["Horror"], 1990)
    for number in range(100, 120)
]
SOME_TIME = dt.datetime(1999, 6, 1, tzinfo=dt.UTC)
Bind = sa.Engine | sa.Connection
READS: dict[str, Callable[[Bind], pd.DataFrame | float | str | None]] = {
    "recommend_movies": lambda bind: embrec.recommend_movies(bind, "u1", 20, min_ratings=1),
    "recommend_movies, diverse": lambda bind: embrec.recommend_movies(bind, "u2", 7, diversity=0.5, genres=["Drama"]),
    "recommend_movies, unknown user": lambda bind: embrec.recommend_movies(bind, "nobody", 20),
    "recommend_for": lambda bind: embrec.recommend_for(bind, {"101": 5.0, "107": 1.0}, 20),
    "recommend_for, watched": lambda bind: embrec.recommend_for(bind, ["101", "107", "101"], 20),
    "recommend_next": lambda bind: embrec.recommend_next(bind, "u1", 20, "allowed", min_ratings=1),
    "recommend_next, since": lambda bind: embrec.recommend_next(bind, "u2", 20, since=SOME_TIME),
    "recommend_next_for": lambda bind: embrec.recommend_next_for(
        bind, ["102", {"movie_id": "103", "type": "play", "at": SOME_TIME}, "104"], 20
    ),
    "next_after": lambda bind: embrec.next_after(bind, "101", 20),
    "also_watched": lambda bind: embrec.also_watched(bind, "101", 20),
    "continue_watching": lambda bind: embrec.continue_watching(bind, "u1"),
    "explain_next": lambda bind: embrec.explain_next(bind, "u1", "103", None),
    "explain_recommendation": lambda bind: embrec.explain_recommendation(bind, "u1", "103", None),
    "predict_rating": lambda bind: embrec.predict_rating(bind, "u3", "104"),
    "rating_uncertainty": lambda bind: embrec.rating_uncertainty(bind, "u3", "104"),
    "predict_ratings": lambda bind: embrec.predict_ratings(bind, ["u1", "u2", "nobody"], ["100", "105", "106"]),
    "similar_movies": lambda bind: embrec.similar_movies(bind, "100", 20),
    "similar_users": lambda bind: embrec.similar_users(bind, "u0", 30),
    "popular_movies": lambda bind: embrec.popular_movies(bind, 20),
    "best_rated_movies": lambda bind: embrec.best_rated_movies(bind, 20),
    "trending_movies": lambda bind: embrec.trending_movies(bind, SOME_TIME, 20),
    "find_movies": lambda bind: embrec.find_movies(bind, "film 日本", 20),
    "assign_variant": lambda bind: experiments.assign_variant(bind, "u5"),
}


def catalogue(engine: sa.Engine, seed: int = 1) -> int:
    """Load 30 users and 20 movies with events, and publish a two-part run that knows the order; returns its number."""
    load_frame(engine, rating_frame(), MOVIES)
    for user, movie, kind in (("u1", 101, "play"), ("u1", 104, "view"), ("u1", 104, "view"), ("u2", 108, "dislike")):
        embrec.add_event(engine, user, movie, kind, 3, SOME_TIME + dt.timedelta(days=movie))
    embrec.refresh_statistics(engine)
    return another_run(engine, seed)


def another_run(engine: sa.Engine, seed: int) -> int:
    """Publish another two-part run, with other vectors."""
    two_part_run(engine, seed, following=transitions(extract(engine, with_times=True).sequences()))
    return records.list_runs(engine)[0].model_run_id


def indexed(engine: sa.Engine, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the indexes that a run of very many movies and users has."""
    with monkeypatch.context() as few:
        few.setattr(embeddings, "INDEXED_FROM", 1)
        assert embeddings.index(engine, run, "movie", "similarity")
        assert embeddings.index(engine, run, "user", "similarity")


def analyze(engine: sa.Engine) -> None:
    """Analyze the tables, because the last digit of a sum depends on the planner's order of rows."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def answers(bind: Bind) -> dict[str, str]:
    """Return the answers of all reading functions, to the last digit."""
    return {name: text(read(bind)) for name, read in READS.items()}


def text(answer: pd.DataFrame | float | str | None) -> str:
    """Return an answer as text that differs if any bit does."""
    if isinstance(answer, pd.DataFrame):
        if "rank" not in answer:  # in no order
            answer = answer.sort_values(list(answer.columns))
        return repr((list(answer.columns), [row.tolist() for row in answer.astype(object).to_numpy()]))
    return repr(answer)
