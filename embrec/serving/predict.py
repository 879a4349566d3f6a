"""Predicted ratings and their uncertainty (standard deviation).

Every function takes an Engine, or a Connection whose transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.errors import ArgumentError, RunError, UnknownUserError
from embrec.serving.query import explain_no_pair
from embrec.validation import OutsideId


def predict_rating(bind: Bind, user_id: OutsideId, movie_id: OutsideId) -> float:
    """Return the rating that a user would give a movie, from the user's ratings as they are now.

    Raises:
        UnknownUserError: No user has this id.
        UnknownMovieError: No movie has this id, or it has no vector in the run that serves the user.
        RunError: The run was trained without two different ratings, so that it only ranks.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        predicted = _of_pair(connection, "predict_rating", user_id, movie_id)
        if predicted is not None:
            return predicted
        user = validation.outside_id(user_id, "user_id")
        part = sa.text("SELECT serving, mean FROM embrec.model_runs WHERE model_run_id = embrec.serving_run(:user)")
        run = connection.execute(part, {"user": user}).one()
    if run.serving == "two_part" and run.mean is None:
        raise RunError(
            "The published run predicts no ratings, because it was trained on events, or on ratings that are all the "
            "same. It ranks movies: recommend_movies"
        )
    raise UnknownUserError(f"The published run has no vector of the user {user!r}. Run: embrec train")


def rating_uncertainty(bind: Bind, user_id: OutsideId, movie_id: OutsideId) -> float | None:
    """Return the uncertainty of :func:`predict_rating`: the standard deviation of the rating, in the ratings' unit.

    Returns:
        The standard deviation; None for a run that does not estimate it.

    Raises:
        UnknownUserError: No user has this id.
        UnknownMovieError: No movie has this id, or it has no vector in the run that serves the user.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _of_pair(bind, "rating_uncertainty", user_id, movie_id)


@as_frame
def predict_ratings(bind: Bind, user_ids: Sequence[OutsideId], movie_ids: Sequence[OutsideId]) -> Answer:
    """Return the ratings that users would give movies, pair by pair, from the published run's stored vectors.

    Args:
        bind: An engine or a connection.
        user_ids: The users' external ids.
        movie_ids: The movies' external ids, one for each user.

    Returns:
        Columns user_id, movie_id, predicted_rating, uncertainty (the standard deviation of the rating; missing for a
        run that does not estimate it) and model_run_id, in no order. Pairs with an unknown id, or a movie without a
        vector, are left out; all are if the run was trained without two different ratings.

    Raises:
        ArgumentError: There are not as many movies as users.
        SchemaError: The schema is absent or behind.
    """
    users, movies = validation.several(user_ids, "user_ids"), validation.several(movie_ids, "movie_ids")
    if len(users) != len(movies):
        raise ArgumentError(f"There are {len(users)} users and {len(movies)} movies; give as many of both.")
    with db.begin(bind) as connection:
        statement = "SELECT * FROM embrec.predict_ratings(CAST(:users AS text[]), CAST(:movies AS text[]))"
        return answer(connection, statement, users=users, movies=movies)


def _of_pair(bind: Bind, function: str, user_id: OutsideId, movie_id: OutsideId) -> float | None:
    """Call a function of a user and a movie; returns None if it has no value though the run has vectors of both."""
    user, movie = validation.outside_id(user_id, "user_id"), validation.outside_id(movie_id, "movie_id")
    with db.begin(bind) as connection:
        statement = sa.text(f"SELECT embrec.{function}(CAST(:user AS text), CAST(:movie AS text))")
        found = connection.scalar(statement, {"user": user, "movie": movie})
        if found is None:
            explain_no_pair(connection, user, movie)
    return None if found is None else float(found)
