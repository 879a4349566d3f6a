"""The data-access module's predictions: what a user would rate, and why a movie is recommended.

Every function takes an Engine, or a Connection whose transaction is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.errors import ArgumentError, UnknownUserError
from embrec.serving.query import explain_no_pair, rows


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
    users, movies = validation.several(user_ids, "user_ids"), validation.several(movie_ids, "movie_ids")
    if len(users) != len(movies):
        raise ArgumentError(f"There are {len(users)} users and {len(movies)} movies; give as many of both.")
    with db.begin(bind) as connection:
        statement = "SELECT * FROM embrec.predict_ratings(CAST(:users AS text[]), CAST(:movies AS text[]))"
        return rows(connection, statement, users=users, movies=movies)


def _of_pair(bind: Bind, function: str, user_id: str | int, movie_id: str | int) -> float | None:
    """What a function says of a user and a movie; None where it says nothing though both are known to the run."""
    user, movie = validation.outside_id(user_id, "user_id"), validation.outside_id(movie_id, "movie_id")
    with db.begin(bind) as connection:
        statement = sa.text(f"SELECT embrec.{function}(CAST(:user AS text), CAST(:movie AS text))")
        found = connection.scalar(statement, {"user": user, "movie": movie})
        if found is None:
            explain_no_pair(connection, user, movie)
    return None if found is None else float(found)
