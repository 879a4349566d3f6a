"""The answer of each endpoint, as plain values for JSON, under the names of the SQL functions' columns."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from embrec import validation
from embrec.errors import ArgumentError, NoPublishedRunError
from embrec.serving import catalogue, preview, projection, query, recommend, search
from embrec.serving.plain import records
from embrec.serving.similar import similar_movies
from embrec.web.asking import Asking
from embrec.web.maps import Drawing

Row = dict[str, Any]
# Each recommended movie is explained by at most three ratings for it, and by one against it.
REASONS = 3


def health(asking: Asking) -> Row:
    """Return the state of the database, and the command to run next if no run is published."""
    with asking.connection() as connection:
        run = _answering_run(connection)
        has_movies = not recommend.popular_movies(connection, 1).empty
    if run is not None:
        return {"state": "ready", "next_step": None, "model_run_id": run}
    if has_movies:
        return {"state": "unpublished", "next_step": "embrec train", "model_run_id": None}
    return {"state": "empty", "next_step": "embrec load ml-100k", "model_run_id": None}


def runs(asking: Asking) -> Row:
    """List the runs that can answer."""
    with asking.connection() as connection:
        return {"runs": records(preview.trained_runs(connection))}


def genres(asking: Asking) -> Row:
    """List all genres."""
    with asking.connection() as connection:
        return {"genres": records(catalogue.known_genres(connection))}


def find(asking: Asking, query: str, n: int) -> Row:
    """Find movies by words of their titles."""
    with asking.connection() as connection:
        return {"movies": records(search.find_movies(connection, query, n))}


def movie(asking: Asking, movie_id: str) -> Row:
    """Return the details of a movie."""
    with asking.connection() as connection:
        return records(catalogue.movie_details(connection, movie_id))[0]


def details(asking: Asking, movie_ids: Sequence[str]) -> Row:
    """Return the details of several movies, without unknown ones."""
    statement = (
        "SELECT known.* FROM unnest(CAST(:movies AS text[])) AS asked (movie_id)"
        " CROSS JOIN LATERAL embrec.movie_details(asked.movie_id) AS known"
    )
    with asking.connection() as connection:
        found = query.rows(connection, statement, movies=validation.several(movie_ids, "movie_ids"))
    return {"movies": records(found.astype({"release_year": "Int64"}))}


def similar(asking: Asking, movie_id: str, n: int) -> Row:
    """List the movies most similar to one."""
    with asking.connection() as connection:
        return _with_run(similar_movies(connection, movie_id, n))


def popular(asking: Asking, n: int, **filters: Any) -> Row:
    """List the most popular movies."""
    with asking.connection() as connection:
        return {"movies": records(recommend.popular_movies(connection, n, **filters))}


def recommendations(asking: Asking, ratings: Mapping[str, float], n: int, **others: Any) -> Row:
    """Recommend movies to a visitor, with explanations."""
    with asking.connection() as connection:
        found = recommend.recommend_for(connection, ratings, n, **others)
        call = "explain_for(CAST(:who AS jsonb), asked.movie_id"
        return _with_reasons(connection, found, call, json.dumps(ratings))


def user(asking: Asking, user_id: str, n: int, **others: Any) -> Row:
    """Return a user's newest ratings, and recommendations with explanations and predicted ratings."""
    with asking.connection() as connection:
        rated = catalogue.user_ratings(connection, user_id, n)
        found = recommend.recommend_movies(connection, user_id, n, **others)
        answer = _with_reasons(connection, found, "explain_recommendation(CAST(:who AS text), asked.movie_id", user_id)
        predicted = _predicted(connection, user_id, found["movie_id"].tolist())
    for row in answer["movies"]:
        row["predicted_rating"] = predicted[row["movie_id"]]
    return {"user_id": user_id, "ratings": records(rated), **answer}


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
                found = similar_movies(connection, movie_id, n)
            elif user_id is not None:
                found = recommend.recommend_movies(connection, user_id, n)
            else:
                found = recommend.recommend_for(connection, ratings or {}, n)
        scores = found["similarity"] if movie_id is not None else found["score"]
        return {"model_run_id": run, "movies": records(found[["rank", "movie_id", "title"]].assign(score=scores))}

    lists = [list_of(first), list_of(second)]
    own, other = ({row["movie_id"] for row in each["movies"]} for each in lists)
    return {"runs": lists, "shared": len(own & other)}


def movie_map(asking: Asking) -> Drawing:
    """Return the drawing of a map of the most rated movies, with similar movies near each other, for Maps."""
    with asking.connection() as connection:
        run = _answering_run(connection)
    if run is None:
        raise NoPublishedRunError()
    # Fix the run now, or a run published meanwhile would be drawn under this one's number.
    return Drawing(run, functools.partial(_drawn_map, dataclasses.replace(asking, run=run)))


def _drawn_map(asking: Asking) -> Row:
    with asking.connection() as connection:
        found = catalogue.map_movies(connection, projection.MAP_MOVIES)
    # The connection is back in the pool here, because the projection takes seconds.
    places = projection.project(np.array(found.pop("embedding").tolist(), dtype=np.float32))
    return _with_run(found.assign(x=places[:, 0].round(3), y=places[:, 1].round(3)))


def _answering_run(connection: sa.Connection) -> int | None:
    found = connection.scalar(sa.text("SELECT published FROM embrec.known_id('movie', '')"))
    return None if found is None else int(found)


def _with_reasons(connection: sa.Connection, found: pd.DataFrame, call: str, who: str) -> Row:
    """Return recommendations with the ratings that contribute most to each; popular movies have none.

    The rating that speaks most against a movie is named if it takes away a tenth of the score or more.
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
    basis = found.pop("basis")
    explained = found["movie_id"][basis == "ratings"].tolist()
    reasons: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in records(query.rows(connection, statement, movies=explained, who=who)):
        reasons[row.pop("recommended"), row.pop("relation")].append(row)
    answer = _with_run(found)
    for row in answer["movies"]:
        row["reasons"] = reasons[row["movie_id"], "because"]
        row["although"] = reasons[row["movie_id"], "although"]
    return {"basis": basis.iloc[0] if len(basis) else None, **answer}


def _predicted(connection: sa.Connection, user_id: str, movie_ids: list[str]) -> dict[str, float | None]:
    """Predict the user's ratings of movies, from the same run and ratings as the recommendations."""
    statement = (
        "SELECT asked.movie_id, embrec.predict_rating(CAST(:user AS text), asked.movie_id) AS rating"
        " FROM unnest(CAST(:movies AS text[])) AS asked (movie_id)"
    )
    found = connection.execute(sa.text(statement), {"user": user_id, "movies": movie_ids})
    return {row.movie_id: row.rating for row in found}


def _with_run(found: pd.DataFrame) -> Row:
    """Return the rows, with their common run once instead of in each."""
    run = found.pop("model_run_id")
    return {"model_run_id": run.iloc[0] if len(run) and pd.notna(run.iloc[0]) else None, "movies": records(found)}
