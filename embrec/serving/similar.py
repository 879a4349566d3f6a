"""Similar movies and similar users, by cosine similarity of a run's vectors."""

from __future__ import annotations

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.serving.query import explain_nothing
from embrec.validation import OutsideId


@as_frame
def similar_movies(bind: Bind, movie_id: OutsideId, n: int = 10) -> Answer:
    """Return the n movies nearest to a movie by cosine similarity, in the published run.

    Args:
        bind: An engine or a connection.
        movie_id: The movie's external id.
        n: Number of movies; all that there are if there are fewer.

    Returns:
        Columns rank (from 1), movie_id, title, similarity (1 is near, -1 far) and model_run_id, nearest first.

    Raises:
        UnknownMovieError: No movie has this id, or it has no vector in the published run.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _nearest(bind, "movie", validation.outside_id(movie_id, "movie_id"), validation.count(n))


@as_frame
def similar_users(bind: Bind, user_id: OutsideId, n: int = 10) -> Answer:
    """Return the n users nearest to a user by cosine similarity, in the published run.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        n: Number of users; all that there are if there are fewer.

    Returns:
        Columns rank (from 1), user_id, similarity (1 is near, -1 far) and model_run_id, nearest first.

    Raises:
        UnknownUserError: No user has this id, or the user has no vector in the published run.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _nearest(bind, "user", validation.outside_id(user_id, "user_id"), validation.count(n))


def _nearest(bind: Bind, side: str, outside_id: str, n: int) -> Answer:
    with db.begin(bind) as connection:
        found = answer(connection, f"SELECT * FROM embrec.similar_{side}s(CAST(:id AS text), :n)", id=outside_id, n=n)
        if not found and n:
            explain_nothing(connection, side, outside_id)
    return found
