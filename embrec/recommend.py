"""The data-access module: the SQL functions as typed calls that return DataFrames.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import sqlalchemy as sa

from embrec import database
from embrec.database import Bind
from embrec.errors import NoPublishedRunError, UnknownMovieError, UnknownUserError


def similar_movies(bind: Bind, movie_id: str | int, n: int = 10) -> pd.DataFrame:
    """The n movies nearest to one movie by cosine similarity, in the published run.

    Args:
        bind: An engine or a connection.
        movie_id: The movie's outside id.
        n: How many; all that there are where it is more.

    Returns:
        Columns rank (from 1), movie_id, title, similarity (1 is near, -1 far) and model_run_id, nearest first.

    Raises:
        UnknownMovieError: No movie has this id, or it has no vector in the published run.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _nearest(bind, "movie", str(movie_id), n)


def similar_users(bind: Bind, user_id: str | int, n: int = 10) -> pd.DataFrame:
    """The n users nearest to one user by cosine similarity, in the published run.

    Args:
        bind: An engine or a connection.
        user_id: The user's outside id.
        n: How many; all that there are where it is more.

    Returns:
        Columns rank (from 1), user_id, similarity (1 is near, -1 far) and model_run_id, nearest first.

    Raises:
        UnknownUserError: No user has this id, or the user has no vector in the published run.
        NoPublishedRunError: No run is published.
        SchemaError: The schema is absent or behind.
    """
    return _nearest(bind, "user", str(user_id), n)


def find_movies(bind: Bind, query: str, n: int = 10) -> pd.DataFrame:
    """Movies whose title has every word of the query, in any order, case and accents aside.

    Returns:
        Columns rank, movie_id, title, genres (list of str) and release_year (Int64); no rows where none fits.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with database.begin(bind) as connection:
        found = _frame(connection, "SELECT * FROM embrec.find_movies(:query, :n)", query=query, n=_count(n))
    return found.astype({"release_year": "Int64"})


def resolve_movie(bind: Bind, movie: str) -> str:
    """The id of the movie a person means: by its id, else by its title, else by the only title with those words.

    Raises:
        UnknownMovieError: None fits, or several do; the message lists the nearest titles.
    """
    with database.begin(bind) as connection:
        found = connection.scalar(
            sa.text(
                "SELECT movie_id FROM embrec.movies WHERE movie_id = :movie OR lower(title) = lower(:movie)"
                " ORDER BY movie_id = :movie DESC, movie_index LIMIT 1"
            ),
            {"movie": movie},
        )
        if found is not None:
            return str(found)
        candidates = find_movies(connection, movie, 6)
    if len(candidates) == 1:
        return str(candidates["movie_id"].iloc[0])
    if len(candidates):
        titles = "; ".join(f"{row.title} [{row.movie_id}]" for row in candidates.itertuples())
        raise UnknownMovieError(f"Several movies fit {movie!r}: {titles}. Name one by its whole title or its id.")
    raise UnknownMovieError(f"No movie has the id or title {movie!r}. Look for it with: embrec find WORDS")


def _nearest(bind: Bind, side: str, outside_id: str, n: int) -> pd.DataFrame:
    with database.begin(bind) as connection:
        frame = _frame(
            connection, f"SELECT * FROM embrec.similar_{side}s(CAST(:id AS text), :n)", id=outside_id, n=_count(n)
        )
        if frame.empty and n:
            _explain_nothing(connection, side, outside_id)
    return frame


def _count(n: int) -> int:
    """``n`` as the SQL functions take it, an integer."""
    if n < 0:
        raise ValueError(f"n is {n}; give 0 or more")
    return min(n, 2**31 - 1)


def _explain_nothing(connection: sa.Connection, side: str, outside_id: str) -> None:
    """Say why there is no answer; return where there is just nobody else."""
    error = UnknownMovieError if side == "movie" else UnknownUserError
    known, published, has_vector = connection.execute(
        sa.text(
            f"SELECT EXISTS (SELECT FROM embrec.{side}s WHERE {side}_id = :id),"
            " (SELECT model_run_id FROM embrec.published_run),"
            f" EXISTS (SELECT FROM embrec.published_{side}_embeddings WHERE {side}_id = :id)"
        ),
        {"id": outside_id},
    ).one()
    if not known:
        raise error(f"There is no {side} with the id {outside_id!r}.")
    if published is None:
        raise NoPublishedRunError("No model run is published yet. Run: embrec train")
    if not has_vector:
        raise error(
            f"The {side} {outside_id!r} has no vector in model run {published}, which was trained without ratings "
            "of it. Run: embrec train"
        )


def _frame(connection: sa.Connection, statement: str, /, **values: Any) -> pd.DataFrame:
    result = connection.execute(sa.text(statement), values)
    return pd.DataFrame(result.fetchall(), columns=list(result.keys()))
