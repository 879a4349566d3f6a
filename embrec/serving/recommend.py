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

from embrec import db, validation
from embrec.db import Bind
from embrec.serving.query import call


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
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
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
    own = validation.ratings(ratings)
    with db.begin(bind) as connection:
        return call(connection, "recommend_for(CAST(:ratings AS jsonb)", n, others, ratings=json.dumps(own))


def popular_movies(bind: Bind, n: int = 10, **filters: Unpack[Filters]) -> pd.DataFrame:
    """The n most popular movies, as of the last load, training or refresh of the statistics.

    Returns:
        Columns rank, movie_id, title, popularity (a mean rating, drawn to that of all movies where a movie has few),
        mean_rating and rating_count.
    """
    others = validation.filters(filters)
    with db.begin(bind) as connection:
        return call(connection, "popular_movies(", n, others)


def trending_movies(bind: Bind, since: dt.datetime, n: int = 10, **filters: Unpack[Filters]) -> pd.DataFrame:
    """The n movies that are rated much more since a time than their ratings before let expect.

    Returns:
        Columns rank, movie_id, title, trend (the excess, in standard deviations), recent_count and rating_count.
    """
    others = validation.filters(filters)
    begin = validation.moment(since, "since")
    with db.begin(bind) as connection:
        return call(connection, "trending_movies(CAST(:since AS timestamptz)", n, others, since=begin)


def _ranking(movie_ids: object, include_rated: object, diversity: object, filters: Filters) -> dict[str, object]:
    """What the functions that rank take beside the ratings and n."""
    candidates = {} if movie_ids is None else {"movie_ids": validation.several(movie_ids, "movie_ids")}
    own = {"include_rated": bool(include_rated), "diversity": validation.diversity(diversity)}
    return {**validation.filters(filters), **candidates, **own}
