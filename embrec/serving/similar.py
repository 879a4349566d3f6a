"""Similar movies and similar users, by the similarity of a run's vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, as_frame
from embrec.serving.query import call, explain_nothing
from embrec.serving.recommend import Filters
from embrec.validation import OutsideId


@as_frame
def similar_movies(
    bind: Bind,
    movie_id: OutsideId,
    n: int = 10,
    movie_ids: Sequence[OutsideId] | None = None,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the n movies nearest to a movie, in the published run.

    Args:
        bind: An engine or a connection.
        movie_id: The movie's external id.
        n: Number of movies; all that qualify if there are fewer.
        movie_ids: Movies to choose from; None for all.
        **filters: Filters on movies, as in :class:`embrec.serving.recommend.Filters`.

    Returns:
        Columns rank (from 1), movie_id, title, similarity (the cosine times the length of the movie's vector, which is
        at most 1 and shorter for movies that few users know) and model_run_id, nearest first.

    Raises:
        ArgumentError: A filter is of a wrong type or out of range.
        UnknownMovieError: No movie has this id, or it has no vector in the published run.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    among = {} if movie_ids is None else {"movie_ids": validation.several(movie_ids, "movie_ids")}
    others = {**validation.filters(filters), **among}
    return _nearest(bind, "movie", validation.outside_id(movie_id, "movie_id"), n, others)


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
    return _nearest(bind, "user", validation.outside_id(user_id, "user_id"), n, {})


def _nearest(bind: Bind, side: str, outside_id: str, n: int, others: Mapping[str, object]) -> Answer:
    with db.begin(bind) as connection:
        found = call(connection, f"similar_{side}s(CAST(:id AS text)", n, others, id=outside_id)
        if not found and n:
            explain_nothing(connection, side, outside_id)
    return found
