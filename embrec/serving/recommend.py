"""Recommendations, popular and trending movies, as DataFrames.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import TypedDict, Unpack

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, as_frame
from embrec.serving.query import call
from embrec.validation import GivenRatings, OutsideId


class Filters(TypedDict, total=False):
    """The filters on movies; one that is absent or None filters nothing.

    Attributes:
        genres: Genres of which a movie has at least one.
        without_genres: Genres of which a movie has none.
        released_from: Earliest release year.
        released_to: Latest release year.
        min_ratings: Minimum number of ratings and events of a movie, without dislikes, as of the last count;
            :func:`best_rated_movies` counts ratings alone.
    """

    genres: Sequence[str] | None
    without_genres: Sequence[str] | None
    released_from: int | None
    released_to: int | None
    min_ratings: int | None


@as_frame
def recommend_movies(
    bind: Bind,
    user_id: OutsideId,
    n: int = 10,
    movie_ids: Sequence[OutsideId] | None = None,
    include_rated: bool = False,
    diversity: float = 0.0,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the top n movies for a user, from the user's ratings and events as they are now.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id. A user who is unknown, or has neither ratings nor events, or only dislikes,
            gets the most popular movies, of which those like the disliked ones come last.
        n: Number of movies; all that qualify if there are fewer.
        movie_ids: Movies to choose from; None for all.
        include_rated: True to include movies that the user rated.
        diversity: Weight of diversity: 0 for the best movies, up to 1 for movies as unlike each other as possible.
        **filters: Filters on movies, as in :class:`Filters`.

    Returns:
        Columns rank (from 1), movie_id, title, score (higher is better, without a unit), basis (``ratings``;
        ``history`` if events count too; or ``popularity`` if neither speaks for a movie that the model has) and
        model_run_id, best first.

    Raises:
        ArgumentError: An argument is out of range or of a wrong type.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(movie_ids, include_rated, diversity, filters)
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        return call(connection, "recommend_movies(CAST(:id AS text)", n, others, id=user)


@as_frame
def recommend_for(
    bind: Bind,
    ratings: GivenRatings,
    n: int = 10,
    movie_ids: Sequence[OutsideId] | None = None,
    include_rated: bool = False,
    diversity: float = 0.0,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the top n movies for a visitor without an account, from the ratings or the movies watched given here.

    Args:
        bind: An engine or a connection.
        ratings: The visitor's ratings by movie id, or a list of the ids of movies watched, of which one that is in it
            twice counts more. Unknown movies are ignored.
        n: Number of movies, as in :func:`recommend_movies`.
        movie_ids: Movies to choose from; None for all.
        include_rated: True to include movies in ``ratings``.
        diversity: Weight of diversity, as in :func:`recommend_movies`.
        **filters: Filters on movies, as in :class:`Filters`.

    Returns:
        Columns as of :func:`recommend_movies`.

    Raises:
        ArgumentError: A rating is not finite, or the ratings or another argument are of a wrong type or out of range.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(movie_ids, include_rated, diversity, filters)
    own = validation.ratings(ratings)
    with db.begin(bind) as connection:
        return call(connection, "recommend_for(CAST(:ratings AS jsonb)", n, others, ratings=json.dumps(own))


@as_frame
def popular_movies(
    bind: Bind, n: int = 10, half_life: dt.timedelta | None = None, **filters: Unpack[Filters]
) -> Answer:
    """Return the n most popular movies, as of the last load, training or refresh of the statistics.

    It is what a user without ratings and events is recommended. Popularity is the number of likes and of events, these
    weighted by their types, without dislikes. A like is a rating in the highest quarter of the scale, such as 4 and 5
    of 1 to 5.

    Args:
        bind: An engine or a connection.
        n: Number of movies.
        half_life: Time after which a like or an event counts half, by those with a time, as they are now; None to
            count all alike.
        **filters: Filters on movies, as in :class:`Filters`.

    Returns:
        Columns rank, movie_id, title, popularity, mean_rating (None without ratings), rating_count and event_count.

    Raises:
        ArgumentError: An argument is out of range or of a wrong type.
        SchemaError: The schema is absent or behind.
    """
    others: dict[str, object] = {**validation.filters(filters)}
    if half_life is not None:
        others["half_life"] = validation.duration(half_life, "half_life")
    with db.begin(bind) as connection:
        return call(connection, "popular_movies(", n, others)


@as_frame
def best_rated_movies(bind: Bind, n: int = 10, **filters: Unpack[Filters]) -> Answer:
    """Return the n best rated movies, as of the last load, training or refresh of the statistics.

    Returns:
        Columns rank, movie_id, title, adjusted_rating (the mean rating, shrunk to the mean of all movies if a movie has
        few ratings), mean_rating and rating_count.
    """
    others = validation.filters(filters)
    with db.begin(bind) as connection:
        return call(connection, "best_rated_movies(", n, others)


@as_frame
def trending_movies(bind: Bind, since: dt.datetime, n: int = 10, **filters: Unpack[Filters]) -> Answer:
    """Return the n movies with many more ratings and events since a time than their earlier ones let expect.

    Returns:
        Columns rank, movie_id, title, trend (the excess, in standard deviations), recent_count (ratings and events),
        rating_count and event_count (both of all times).
    """
    others = validation.filters(filters)
    begin = validation.moment(since, "since")
    with db.begin(bind) as connection:
        return call(connection, "trending_movies(CAST(:since AS timestamptz)", n, others, since=begin)


def _ranking(movie_ids: object, include_rated: object, diversity: object, filters: Filters) -> dict[str, object]:
    """Return the arguments of the ranking functions other than the ratings and n."""
    candidates = {} if movie_ids is None else {"movie_ids": validation.several(movie_ids, "movie_ids")}
    own = {"include_rated": bool(include_rated), "diversity": validation.diversity(diversity)}
    return {**validation.filters(filters), **candidates, **own}
