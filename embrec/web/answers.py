"""The answer of each endpoint, as plain values for JSON, under the names of the SQL functions' columns."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from embrec import validation
from embrec.db.answer import Answer, answer, plain
from embrec.errors import ArgumentError, NoPublishedRunError
from embrec.serving import catalogue, preview, projection, recommend, search
from embrec.serving.query import explain_unknown
from embrec.serving.similar import similar_movies
from embrec.web.asking import Asking
from embrec.web.histories import REASONS, with_run
from embrec.web.maps import Drawing

Row = dict[str, Any]


def health(asking: Asking) -> Row:
    """Return the state of the database, and the command to run next if no run is published."""
    with asking.connection() as connection:
        run = _answering_run(connection)
        has_movies = bool(plain(recommend.popular_movies)(connection, 1))
    if run is not None:
        return {"state": "ready", "next_step": None, "model_run_id": run}
    if has_movies:
        return {"state": "unpublished", "next_step": "embrec train", "model_run_id": None}
    return {"state": "empty", "next_step": "embrec load ml-100k", "model_run_id": None}


def runs(asking: Asking) -> Row:
    """List the runs that can answer."""
    with asking.connection() as connection:
        return {"runs": plain(preview.trained_runs)(connection).records()}


def genres(asking: Asking) -> Row:
    """List all genres."""
    with asking.connection() as connection:
        return {"genres": plain(catalogue.known_genres)(connection).records()}


def find(asking: Asking, query: str, n: int) -> Row:
    """Find movies by words of their titles."""
    with asking.connection() as connection:
        return {"movies": plain(search.find_movies)(connection, query, n).records()}


def movie(asking: Asking, movie_id: str) -> Row:
    """Return the details of a movie."""
    with asking.connection() as connection:
        return plain(catalogue.movie_details)(connection, movie_id).records()[0]


def details(asking: Asking, movie_ids: Sequence[str]) -> Row:
    """Return the details of several movies, without unknown ones."""
    statement = (
        "SELECT known.* FROM unnest(CAST(:movies AS text[])) AS asked (movie_id)"
        " CROSS JOIN LATERAL embrec.movie_details(asked.movie_id) AS known"
    )
    with asking.connection() as connection:
        found = answer(connection, statement, movies=validation.several(movie_ids, "movie_ids"))
    return {"movies": found.records()}


def similar(asking: Asking, movie_id: str, n: int) -> Row:
    """List the movies most similar to one."""
    with asking.connection() as connection:
        return with_run(plain(similar_movies)(connection, movie_id, n).records())


def popular(asking: Asking, n: int, **filters: Any) -> Row:
    """List the most popular movies."""
    with asking.connection() as connection:
        return {"movies": plain(recommend.popular_movies)(connection, n, **filters).records()}


def recommendations(asking: Asking, ratings: Mapping[str, float], n: int, **others: Any) -> Row:
    """Recommend movies to a visitor, with explanations."""
    with asking.connection() as connection:
        found = plain(recommend.recommend_for)(connection, ratings, n, **others)
        call = "explain_for(CAST(:who AS jsonb), asked.movie_id"
        return _with_reasons(connection, found, call, json.dumps(ratings))


def user(asking: Asking, user_id: str, n: int, **others: Any) -> Row:
    """Return recommendations for a user, with explanations and predicted ratings."""
    with asking.connection() as connection:
        explain_unknown(connection, "user", user_id)
        found = plain(recommend.recommend_movies)(connection, user_id, n, **others)
        asked = "explain_recommendation(CAST(:who AS text), asked.movie_id"
        recommended = _with_reasons(connection, found, asked, user_id)
        predicted = _predicted(connection, user_id, found["movie_id"])
    for row in recommended["movies"]:
        row["predicted_rating"] = predicted[row["movie_id"]]
    return {"user_id": user_id, **recommended}


def compare(
    asking: Asking,
    first: int,
    second: int,
    n: int,
    movie_id: str | None = None,
    user_id: str | None = None,
    ratings: Mapping[str, float] | None = None,
) -> Row:
    """Ask two runs the same question."""
    if [movie_id, user_id, ratings].count(None) != 2:
        raise ArgumentError("Give one of movie_id, user_id and ratings: what to compare the two runs by.")

    def list_of(run: int) -> Row:
        with dataclasses.replace(asking, run=run).connection() as connection:
            if movie_id is not None:
                found = plain(similar_movies)(connection, movie_id, n)
            elif user_id is not None:
                found = plain(recommend.recommend_movies)(connection, user_id, n)
            else:
                found = plain(recommend.recommend_for)(connection, ratings or {}, n)
        score = "similarity" if movie_id is not None else "score"
        movies = [
            {**{name: row[name] for name in ("rank", "movie_id", "title")}, "score": row[score]}
            for row in found.records()
        ]
        return {"model_run_id": run, "movies": movies}

    lists = [list_of(first), list_of(second)]
    own, other = ({row["movie_id"] for row in each["movies"]} for each in lists)
    return {"runs": lists, "shared": len(own & other)}


def movie_map(asking: Asking) -> Drawing:
    """Return the drawing of a map of the most rated or watched movies, similar ones near each other, for Maps."""
    with asking.connection() as connection:
        run = _answering_run(connection)
    if run is None:
        raise NoPublishedRunError()
    # Fix the run now, or a run published meanwhile would be drawn under this one's number.
    return Drawing(run, functools.partial(_drawn_map, dataclasses.replace(asking, run=run)))


def _drawn_map(asking: Asking) -> Row:
    with asking.connection() as connection:
        found = plain(catalogue.map_movies)(connection, projection.MAP_MOVIES)
    # The connection is back in the pool here, because the projection takes seconds.
    movies = found.records()
    places = projection.project(np.array([row.pop("embedding") for row in movies], dtype=np.float32)).round(3)
    for row, (x, y) in zip(movies, places.tolist(), strict=True):
        row |= {"x": x, "y": y}
    return with_run(movies)


def _answering_run(connection: sa.Connection) -> int | None:
    found = connection.scalar(sa.text("SELECT published FROM embrec.known_id('movie', '')"))
    return None if found is None else int(found)


def _with_reasons(connection: sa.Connection, found: Answer, call: str, who: str) -> Row:
    """Return recommendations with the ratings and events that contribute most to each; popular movies have none.

    The one that speaks most against a movie is named if it takes away a tenth of the score or more.
    """
    statement = (
        "SELECT asked.movie_id AS recommended, e.relation, e.movie_id, e.title, e.rating, e.contribution"
        " FROM unnest(CAST(:movies AS text[])) AS asked (movie_id) CROSS JOIN LATERAL ("
        " SELECT part.*, row_number() OVER (PARTITION BY part.relation ORDER BY abs(part.contribution) DESC, part.rank)"
        # Ask for all contributions (NULL): the first few may all be of one relation.
        f" AS place FROM embrec.{call}, NULL) AS part"
        f") AS e WHERE e.relation = 'because' AND e.place <= {REASONS}"
        " OR e.relation = 'although' AND e.place = 1 AND -e.contribution >= e.score / 10"
        " ORDER BY asked.movie_id, e.place"
    )
    movies = found.records()
    bases = [row.pop("basis") for row in movies]
    explained = [row["movie_id"] for row, basis in zip(movies, bases, strict=True) if basis != "popularity"]
    reasons: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in answer(connection, statement, movies=explained, who=who).records():
        reasons[row.pop("recommended"), row.pop("relation")].append(row)
    for row in movies:
        row["reasons"] = reasons[row["movie_id"], "because"]
        row["although"] = reasons[row["movie_id"], "although"]
    return {"basis": bases[0] if bases else None, **with_run(movies)}


def _predicted(connection: sa.Connection, user_id: str, movie_ids: list[str]) -> dict[str, float | None]:
    """Predict the user's ratings of movies, from the same run and ratings as the recommendations."""
    statement = (
        "SELECT asked.movie_id, embrec.predict_rating(CAST(:user AS text), asked.movie_id) AS rating"
        " FROM unnest(CAST(:movies AS text[])) AS asked (movie_id)"
    )
    found = connection.execute(sa.text(statement), {"user": user_id, "movies": movie_ids})
    return {row.movie_id: row.rating for row in found}
