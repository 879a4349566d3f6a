"""The data-access module's other answers: what a page shows around recommendations, and which run it asks.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import pandas as pd
import psycopg
import sqlalchemy as sa

from embrec import arguments, database
from embrec.answering import rows
from embrec.database import Bind
from embrec.errors import UnknownMovieError, UnknownRunError, UnknownUserError


@contextlib.contextmanager
def answering_from(connection: sa.Connection, model_run_id: int) -> Iterator[None]:
    """Have every answer within come from one run, published or not, for this connection's transaction alone.

    Args:
        connection: The transaction to ask in; nothing of it is left set afterwards.
        model_run_id: A trained run's number.

    Raises:
        UnknownRunError: No trained run has this number.
        SchemaError: The schema is absent or behind.
    """
    number = arguments.integer(model_run_id, "model_run_id")
    with database.translated_errors():
        exists = sa.text("SELECT EXISTS (SELECT FROM embrec.trained_runs() WHERE model_run_id = :number)")
        if not connection.scalar(exists, {"number": number}):
            raise UnknownRunError(f"There is no trained model run {number}. See those there are: embrec runs list")
        before = connection.scalar(sa.text("SELECT current_setting('embrec.model_run_id', true)"))
        _ask_run(connection, str(number))
    try:
        yield
    finally:
        if _takes_statements(connection):
            _ask_run(connection, before or "")


def _takes_statements(connection: sa.Connection) -> bool:
    """Whether the transaction has not failed; one that has, or lost its connection, takes the setting with it."""
    if connection.invalidated:
        return False
    driver = cast("psycopg.Connection[object]", connection.connection.driver_connection)
    return driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def _ask_run(connection: sa.Connection, value: str) -> None:
    connection.execute(sa.text("SELECT set_config('embrec.model_run_id', :value, true)"), {"value": value})


def trained_runs(bind: Bind) -> pd.DataFrame:
    """The runs that can answer, newest first.

    Returns:
        Columns model_run_id, architecture, published (bool), finished_at, rating_count (what it was trained on),
        lowest_rating and highest_rating (the scale of those) and metrics (dict).

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with database.begin(bind) as connection:
        return rows(connection, "SELECT * FROM embrec.trained_runs()")


def movie_details(bind: Bind, movie_id: str | int) -> pd.DataFrame:
    """What is known of a movie.

    Returns:
        One row with columns movie_id, title, genres (list of str), release_year (Int64), rating_count and mean_rating;
        both as of the last load, training or refresh of the statistics.

    Raises:
        UnknownMovieError: No movie has this id.
        SchemaError: The schema is absent or behind.
    """
    movie = arguments.outside_id(movie_id, "movie_id")
    with database.begin(bind) as connection:
        found = rows(connection, "SELECT * FROM embrec.movie_details(CAST(:movie AS text))", movie=movie)
    if found.empty:
        raise UnknownMovieError(f"There is no movie with the id {movie!r}.")
    return found.astype({"release_year": "Int64"})


def user_ratings(bind: Bind, user_id: str | int, n: int = 10) -> pd.DataFrame:
    """A user's n newest ratings.

    Returns:
        Columns rank (from 1), movie_id, title, rating and rated_at, the newest first.

    Raises:
        UnknownUserError: No user has this id.
        SchemaError: The schema is absent or behind.
    """
    user, most = arguments.outside_id(user_id, "user_id"), arguments.count(n)
    with database.begin(bind) as connection:
        found = rows(connection, "SELECT * FROM embrec.user_ratings(CAST(:user AS text), :n)", user=user, n=most)
        known = sa.text("SELECT known FROM embrec.known_id('user', :user)")
        if found.empty and not connection.scalar(known, {"user": user}):
            raise UnknownUserError(f"There is no user with the id {user!r}.")
    return found


def map_movies(bind: Bind, n: int = 3000) -> pd.DataFrame:
    """The n movies that are rated most, with the vectors by which the run compares them.

    Returns:
        Columns movie_id, title, genres (list of str), release_year (Int64), rating_count, embedding (list of float)
        and model_run_id, the most rated first; no rows where no run is published.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with database.begin(bind) as connection:
        found = rows(connection, "SELECT * FROM embrec.map_movies(:n)", n=arguments.count(n))
    return found.astype({"release_year": "Int64"})


def known_genres(bind: Bind) -> pd.DataFrame:
    """The genres that there are, the most frequent first.

    Returns:
        Columns genre, movie_count, and released_from and released_to (Int64), the years of its first and last movie.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with database.begin(bind) as connection:
        found = rows(connection, "SELECT * FROM embrec.known_genres()")
    return found.astype({"released_from": "Int64", "released_to": "Int64"})
