"""The data-access module's predictions: what a user would rate, and why a movie is recommended.

Every function takes an Engine, or a Connection whose transaction is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd
import sqlalchemy as sa

from embrec import arguments, database
from embrec.answering import explain_no_pair, explain_nothing, rows
from embrec.database import Bind
from embrec.errors import ArgumentError, RunError, UnknownUserError


def predict_rating(bind: Bind, user_id: str | int, movie_id: str | int) -> float:
    """The rating that a user would give a movie, from the user's ratings as they are now.

    Raises:
        UnknownUserError: No user has this id.
        UnknownMovieError: No movie has this id, or it has no vector in the run that serves the user.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    predicted = _of_pair(bind, "predict_rating", user_id, movie_id)
    if predicted is None:
        raise UnknownUserError(f"The published run has no vector of the user {str(user_id)!r}. Run: embrec train")
    return predicted


def rating_uncertainty(bind: Bind, user_id: str | int, movie_id: str | int) -> float | None:
    """The standard deviation of the rating around what :func:`predict_rating` says, in the ratings' unit.

    Returns:
        None for a run that does not know how sure it is.

    Raises:
        UnknownUserError: No user has this id.
        UnknownMovieError: No movie has this id, or it has no vector in the run that serves the user.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _of_pair(bind, "rating_uncertainty", user_id, movie_id)


def predict_ratings(bind: Bind, user_ids: Sequence[str | int], movie_ids: Sequence[str | int]) -> pd.DataFrame:
    """The ratings that users would give movies, pair by pair, from the published run's stored vectors.

    Args:
        bind: An engine or a connection.
        user_ids: The users' outside ids.
        movie_ids: The movies' outside ids, as many.

    Returns:
        Columns user_id, movie_id, predicted_rating, uncertainty (the standard deviation of the rating around that;
        missing for a run that does not know it) and model_run_id, in no order; pairs with an unknown id, or a movie
        without a vector, are not in it.

    Raises:
        ArgumentError: There are not as many movies as users.
        SchemaError: The schema is absent or behind.
    """
    users, movies = arguments.several(user_ids, "user_ids"), arguments.several(movie_ids, "movie_ids")
    if len(users) != len(movies):
        raise ArgumentError(f"There are {len(users)} users and {len(movies)} movies; give as many of both.")
    with database.begin(bind) as connection:
        statement = "SELECT * FROM embrec.predict_ratings(CAST(:users AS text[]), CAST(:movies AS text[]))"
        return rows(connection, statement, users=users, movies=movies)


def explain_recommendation(bind: Bind, user_id: str | int, movie_id: str | int, n: int | None = 10) -> pd.DataFrame:
    """The user's ratings that add most to a movie's score, or take most away.

    Args:
        bind: An engine or a connection.
        user_id: The user's outside id.
        movie_id: The movie's outside id; one that the user rated is fine.
        n: How many; None for all, whose contributions add up to the score.

    Returns:
        Columns rank, movie_id, title, rating, contribution, score and model_run_id, the largest first. Where the run
        ranks by predicted ratings the first row, without a movie, has what no rating of the user's has a share in.

    Raises:
        UnknownUserError: No user has this id, or one without ratings.
        UnknownMovieError: No movie has this id, or it has no vector in the run.
        RunError: The run is of a kind that cannot be taken apart.
        NoPublishedRunError: No run is published.
    """
    user, movie = arguments.outside_id(user_id, "user_id"), arguments.outside_id(movie_id, "movie_id")
    most = None if n is None else arguments.count(n)
    with database.begin(bind) as connection:
        statement = "SELECT * FROM embrec.explain_recommendation(CAST(:user AS text), CAST(:movie AS text), :n)"
        found = rows(connection, statement, user=user, movie=movie, n=most)
        if found.empty and most != 0:
            explain_no_pair(connection, user, movie)
            run = sa.text("SELECT mean FROM embrec.model_runs WHERE model_run_id = embrec.serving_run(:user)")
            if connection.scalar(run, {"user": user}) is None:
                raise RunError("The published run is of the outer product, which cannot be taken apart.")
            raise UnknownUserError(f"The user {user!r} has no ratings that the published run knows.")
    return found


def explain_for(
    bind: Bind,
    ratings: Mapping[str, float] | Mapping[int, float],
    movie_id: str | int,
    n: int | None = 10,
) -> pd.DataFrame:
    """A visitor's ratings that add most to a movie's score, or take most away.

    Args:
        bind: An engine or a connection.
        ratings: The visitor's ratings by movie id; movies that are not known are passed over.
        movie_id: The movie's outside id.
        n: How many; None for all, whose contributions add up to the score.

    Returns:
        Columns as of :func:`explain_recommendation`; no rows where the run knows none of the ratings, or is of a kind
        that cannot be taken apart.

    Raises:
        ArgumentError: A rating is not finite, or the ratings are no mapping.
        UnknownMovieError: No movie has this id, or it has no vector in the run.
        NoPublishedRunError: No run is published.
    """
    own, movie = arguments.ratings(ratings), arguments.outside_id(movie_id, "movie_id")
    most = None if n is None else arguments.count(n)
    with database.begin(bind) as connection:
        statement = "SELECT * FROM embrec.explain_for(CAST(:ratings AS jsonb), CAST(:movie AS text), :n)"
        found = rows(connection, statement, ratings=json.dumps(own), movie=movie, n=most)
        if found.empty and most != 0:
            explain_nothing(connection, "movie", movie)
    return found


def _of_pair(bind: Bind, function: str, user_id: str | int, movie_id: str | int) -> float | None:
    """What a function says of a user and a movie; None where it says nothing though both are known to the run."""
    user, movie = arguments.outside_id(user_id, "user_id"), arguments.outside_id(movie_id, "movie_id")
    with database.begin(bind) as connection:
        statement = sa.text(f"SELECT embrec.{function}(CAST(:user AS text), CAST(:movie AS text))")
        found = connection.scalar(statement, {"user": user, "movie": movie})
        if found is None:
            explain_no_pair(connection, user, movie)
    return None if found is None else float(found)
