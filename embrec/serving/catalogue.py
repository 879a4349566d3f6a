"""Catalogue queries of the data-access module: movie details, a user's ratings, genres, and vectors for a map.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.errors import UnknownMovieError, UnknownUserError
from embrec.validation import OutsideId


@as_frame
def movie_details(bind: Bind, movie_id: OutsideId) -> Answer:
    """Return the details of a movie.

    Returns:
        One row with columns movie_id, title, genres (list of str), release_year (Int64), rating_count,
        mean_rating and event_count. The last three are as of the last load, training or refresh of the statistics.

    Raises:
        UnknownMovieError: No movie has this id.
        SchemaError: The schema is absent or behind.
    """
    movie = validation.outside_id(movie_id, "movie_id")
    with db.begin(bind) as connection:
        found = answer(connection, "SELECT * FROM embrec.movie_details(CAST(:movie AS text))", movie=movie)
    if not found:
        raise UnknownMovieError(f"There is no movie with the id {movie!r}.")
    return found.with_whole("release_year")


@as_frame
def user_ratings(bind: Bind, user_id: OutsideId, n: int = 10) -> Answer:
    """Return a user's n newest ratings.

    Returns:
        Columns rank (from 1), movie_id, title, rating and rated_at, newest first.

    Raises:
        UnknownUserError: No user has this id.
        SchemaError: The schema is absent or behind.
    """
    user, most = validation.outside_id(user_id, "user_id"), validation.count(n)
    with db.begin(bind) as connection:
        found = answer(connection, "SELECT * FROM embrec.user_ratings(CAST(:user AS text), :n)", user=user, n=most)
        known = sa.text("SELECT known FROM embrec.known_id('user', :user)")
        if not found and not connection.scalar(known, {"user": user}):
            raise UnknownUserError(f"There is no user with the id {user!r}.")
    return found


@as_frame
def map_movies(bind: Bind, n: int = 3000) -> Answer:
    """Return the n movies with the most ratings and events, with the vectors that similarity is computed on.

    Returns:
        Columns movie_id, title, genres (list of str), release_year (Int64), rating_count, embedding (list of float),
        model_run_id and event_count, those with the most of both first; no rows if no run is published.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        found = answer(connection, "SELECT * FROM embrec.map_movies(:n)", n=validation.count(n))
    return found.with_whole("release_year")


@as_frame
def known_genres(bind: Bind) -> Answer:
    """Return all genres, the most frequent first.

    Returns:
        Columns genre, movie_count, released_from and released_to (Int64), the years of its first and last movie.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        found = answer(connection, "SELECT * FROM embrec.known_genres()")
    return found.with_whole("released_from", "released_to")
