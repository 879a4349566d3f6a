"""The data-access module: the SQL functions as typed calls that return DataFrames.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

import pandas as pd
import sqlalchemy as sa

from embrec import arguments, database
from embrec.answering import call, explain_nothing, rows
from embrec.database import Bind
from embrec.errors import UnknownMovieError


class Filters(TypedDict, total=False):
    """Which movies may be answered; what is not given, or None, lets all through.

    Attributes:
        genres: At least one of these.
        without_genres: None of these.
        released_from: First release year.
        released_to: Last release year.
        min_ratings: How often a movie is rated at least.
    """

    genres: Sequence[str] | None
    without_genres: Sequence[str] | None
    released_from: int | None
    released_to: int | None
    min_ratings: int | None


def recommend_movies(
    bind: Bind,
    user_id: str | int,
    n: int = 10,
    movie_ids: Sequence[str | int] | None = None,
    include_rated: bool = False,
    diversity: float = 0.0,
    **filters: Unpack[Filters],
) -> pd.DataFrame:
    """The n best movies for a user, from the user's ratings as they are now.

    Args:
        bind: An engine or a connection.
        user_id: The user's outside id. One who has no ratings, or is unknown, gets the most popular movies.
        n: How many; all that qualify where it is more.
        movie_ids: The movies to choose from; None for all.
        include_rated: Whether movies that the user rated may be among them.
        diversity: 0 for the best ones, up to 1 for movies as different from each other as can be.
        **filters: As in :class:`Filters`.

    Returns:
        Columns rank (from 1), movie_id, title, score (higher is better, of no unit), basis (``ratings``, or
        ``popularity`` where the user has none that the model knows) and model_run_id, best first.

    Raises:
        ArgumentError: An argument is out of range or of a wrong type.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(movie_ids, include_rated, diversity, filters)
    user = arguments.outside_id(user_id, "user_id")
    with database.begin(bind) as connection:
        return call(connection, "recommend_movies(CAST(:id AS text)", n, others, id=user)


def recommend_for(
    bind: Bind,
    ratings: Mapping[str, float] | Mapping[int, float],
    n: int = 10,
    movie_ids: Sequence[str | int] | None = None,
    include_rated: bool = False,
    diversity: float = 0.0,
    **filters: Unpack[Filters],
) -> pd.DataFrame:
    """The n best movies for a visitor without an account.

    Args:
        bind: An engine or a connection.
        ratings: The visitor's ratings by movie id; movies that are not known are passed over.
        n: As in :func:`recommend_movies`, like the rest.
        movie_ids: The same.
        include_rated: The same.
        diversity: The same.
        **filters: The same.

    Returns:
        Columns as of :func:`recommend_movies`.

    Raises:
        ArgumentError: A rating is not finite, or an argument is out of range or of a wrong type.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(movie_ids, include_rated, diversity, filters)
    own = arguments.ratings(ratings)
    with database.begin(bind) as connection:
        return call(connection, "recommend_for(CAST(:ratings AS jsonb)", n, others, ratings=json.dumps(own))


def popular_movies(bind: Bind, n: int = 10, **filters: Unpack[Filters]) -> pd.DataFrame:
    """The n most popular movies, as of the last load, training or refresh of the statistics.

    Returns:
        Columns rank, movie_id, title, popularity (a mean rating, drawn to that of all movies where a movie has few),
        mean_rating and rating_count.
    """
    others = arguments.filters(filters)
    with database.begin(bind) as connection:
        return call(connection, "popular_movies(", n, others)


def trending_movies(bind: Bind, since: dt.datetime, n: int = 10, **filters: Unpack[Filters]) -> pd.DataFrame:
    """The n movies that are rated much more since a time than their ratings before let expect.

    Returns:
        Columns rank, movie_id, title, trend (the excess, in standard deviations), recent_count and rating_count.
    """
    others = arguments.filters(filters)
    begin = arguments.moment(since, "since")
    with database.begin(bind) as connection:
        return call(connection, "trending_movies(CAST(:since AS timestamptz)", n, others, since=begin)


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
    return _nearest(bind, "movie", arguments.outside_id(movie_id, "movie_id"), arguments.count(n))


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
    return _nearest(bind, "user", arguments.outside_id(user_id, "user_id"), arguments.count(n))


def find_movies(bind: Bind, query: str, n: int = 10) -> pd.DataFrame:
    """Movies whose title has every word of the query, in any order, case and accents aside.

    Returns:
        Columns rank, movie_id, title, genres (list of str) and release_year (Int64); no rows where none fits.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    return _titled(bind, "find_movies", query, n)


def suggest_movies(bind: Bind, query: str, n: int = 3) -> pd.DataFrame:
    """Movies whose title is spelt much like a query, for who mistyped one.

    Returns:
        Columns as of :func:`find_movies`, the title most alike first; no rows where none is.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    return _titled(bind, "suggest_movies", query, n)


def _titled(bind: Bind, function: str, query: str, n: int) -> pd.DataFrame:
    values = {"query": arguments.words(query, "query"), "n": arguments.count(n)}
    with database.begin(bind) as connection:
        found = rows(connection, f"SELECT * FROM embrec.{function}(:query, :n)", **values)
    return found.astype({"release_year": "Int64"})


def resolve_movie(bind: Bind, movie: str) -> str:
    """The id of the movie a person means: by its id, else by its title, else by the only title with those words.

    Raises:
        UnknownMovieError: None fits, or several do; the message lists the nearest titles.
    """
    wanted = arguments.words(movie, "movie")
    with database.begin(bind) as connection:
        found = connection.scalar(sa.text("SELECT embrec.movie_named(:movie)"), {"movie": wanted})
        if found is not None:
            return str(found)
        candidates = find_movies(connection, wanted, 6)
        if len(candidates) == 1:
            return str(candidates["movie_id"].iloc[0])
        if len(candidates):
            several = f"Several movies fit {movie!r}: {_titles(candidates)}."
            raise UnknownMovieError(f"{several} Name one by its whole title or its id.")
        alike = _titles(suggest_movies(connection, wanted))
    advice = f"Did you mean: {alike}?" if alike else "Look for it with: embrec find WORDS"
    raise UnknownMovieError(f"No movie has the id or title {movie!r}. {advice}")


def _titles(found: pd.DataFrame) -> str:
    return "; ".join(f"{row.title} [{row.movie_id}]" for row in found.itertuples())


def _nearest(bind: Bind, side: str, outside_id: str, n: int) -> pd.DataFrame:
    with database.begin(bind) as connection:
        found = rows(connection, f"SELECT * FROM embrec.similar_{side}s(CAST(:id AS text), :n)", id=outside_id, n=n)
        if found.empty and n:
            explain_nothing(connection, side, outside_id)
    return found


def _ranking(movie_ids: object, include_rated: object, diversity: object, filters: Filters) -> dict[str, object]:
    """What the functions that rank take beside the ratings and n."""
    candidates = {} if movie_ids is None else {"movie_ids": arguments.several(movie_ids, "movie_ids")}
    own = {"include_rated": bool(include_rated), "diversity": arguments.diversity(diversity)}
    return {**arguments.filters(filters), **candidates, **own}
