"""Histories of users, and the movies that a user or visitor wants next, as DataFrames.

Every function takes an Engine, or a Connection whose transaction is the caller's. The columns are those of the SQL
function of the same name.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Unpack

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.serving.query import call, explain_unknown
from embrec.serving.recommend import Filters
from embrec.validation import OutsideId, Repeats, Step


@as_frame
def recommend_next(
    bind: Bind,
    user_id: OutsideId,
    n: int = 10,
    repeats: Repeats = "never",
    since: dt.datetime | None = None,
    movie_ids: Sequence[OutsideId] | None = None,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the top n movies that a user will most likely want next, from ratings and events as they are now.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id. A user who is unknown, or has no history, gets the most popular movies.
        n: Number of movies; all that qualify if there are fewer.
        repeats: ``never`` for movies that the user has not seen, ``allowed`` for all, ``only`` for those that they
            have. Disliked movies are left out in any case.
        since: Only steps from this time on count; None for all. Movies seen earlier are still seen.
        movie_ids: Movies to choose from; None for all.
        **filters: Filters on movies, as in :class:`embrec.serving.recommend.Filters`.

    Returns:
        Columns rank (from 1), movie_id, title, score (higher is better, without a unit), basis (``history``, or
        ``popularity`` for a movie that no step speaks for or against) and model_run_id, best first. A run that knows
        no order answers as :func:`embrec.serving.recommend.recommend_movies`.

    Raises:
        ArgumentError: An argument is out of range or of a wrong type.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(repeats, movie_ids, filters)
    moment = {} if since is None else {"since": validation.moment(since, "since")}
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        return call(connection, "recommend_next(CAST(:id AS text)", n, {**others, **moment}, id=user)


@as_frame
def recommend_next_for(
    bind: Bind,
    history: Sequence[Step],
    n: int = 10,
    repeats: Repeats = "never",
    movie_ids: Sequence[OutsideId] | None = None,
    **filters: Unpack[Filters],
) -> Answer:
    """Return the top n movies that a visitor without an account will most likely want next, given their session.

    Args:
        bind: An engine or a connection.
        history: The session: movie ids, newest last, or mappings with the keys ``movie_id`` and, if they are known,
            ``type`` (the name of an event type) and ``at`` (a datetime). Steps with a time are in its order, and newer
            than those without. Unknown movies are ignored. An empty session gets the most popular movies.
        n: Number of movies, as in :func:`recommend_next`.
        repeats: As in :func:`recommend_next`.
        movie_ids: Movies to choose from; None for all.
        **filters: Filters on movies, as in :class:`embrec.serving.recommend.Filters`.

    Returns:
        Columns as of :func:`recommend_next`.

    Raises:
        ArgumentError: A step or another argument is out of range or of a wrong type.
        DatabaseError: There is no such event type.
        SchemaError: The schema is absent or behind.
    """
    others = _ranking(repeats, movie_ids, filters)
    own = json.dumps(validation.history(history))
    with db.begin(bind) as connection:
        return call(connection, "recommend_next_for(CAST(:history AS jsonb)", n, others, history=own)


@as_frame
def next_after(bind: Bind, movie_id: OutsideId, n: int = 10) -> Answer:
    """Return the top n movies that most likely follow a movie: the answer to a history of it alone.

    Returns:
        Columns rank, movie_id, title, score and model_run_id, best first. There are none if nothing is known to follow
        the movie, or the run knows no order.

    Raises:
        UnknownMovieError: No movie has this id.
        NoPublishedRunError: No run is published.
    """
    return _about(bind, "next_after", movie_id, n)


@as_frame
def also_watched(bind: Bind, movie_id: OutsideId, n: int = 10) -> Answer:
    """Return the n movies that the users of a movie also watched or rated, more than chance has it.

    Returns:
        Columns rank, movie_id, title, score (the number of users of both above chance, in standard deviations) and
        model_run_id, best first. There are none if too few users are known.

    Raises:
        UnknownMovieError: No movie has this id.
        NoPublishedRunError: No run is published.
    """
    return _about(bind, "also_watched", movie_id, n)


@as_frame
def continue_watching(bind: Bind, user_id: OutsideId, n: int = 10) -> Answer:
    """Return up to n movies that a user may go on with: started and not finished, then those watched more than once.

    Returns:
        Columns rank, movie_id, title, basis (``started`` or ``repeated``), steps (the number of times, without a
        rating) and last_at (the newest event or rating).

    Raises:
        UnknownUserError: No user has this id.
    """
    return _of_user(bind, "continue_watching", user_id, n)


@as_frame
def explain_next(bind: Bind, user_id: OutsideId, movie_id: OutsideId, n: int | None = 10) -> Answer:
    """Return the steps of a user's history with the largest contributions to a movie's score as the next one.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        movie_id: The movie's external id; the user may have seen it.
        n: Number of steps; None for all, whose contributions add up to the score.

    Returns:
        Columns rank, movie_id, title, event_type, occurred_at, age (0 for the newest step), contribution, score and
        model_run_id, the largest contribution first. There are none if no step speaks for or against the movie, or
        the run knows no order.

    Raises:
        UnknownUserError: No user has this id.
        UnknownMovieError: No movie has this id.
        NoPublishedRunError: No run is published.
    """
    user, movie = validation.outside_id(user_id, "user_id"), validation.outside_id(movie_id, "movie_id")
    most = None if n is None else validation.count(n)
    with db.begin(bind) as connection:
        statement = "SELECT * FROM embrec.explain_next(CAST(:user AS text), CAST(:movie AS text), :n)"
        found = answer(connection, statement, user=user, movie=movie, n=most)
        if not found:
            explain_unknown(connection, "user", user)
            explain_unknown(connection, "movie", movie, run=True)
    return found


@as_frame
def user_history(bind: Bind, user_id: OutsideId, n: int = 10) -> Answer:
    """Return a user's n newest ratings and events, in the order that :func:`recommend_next` reads.

    Returns:
        Columns rank (from 1), movie_id, title, event_type (``rating`` for a rating), value (the rating, or that of the
        event; None if it has none) and occurred_at (None if unknown), newest first.

    Raises:
        UnknownUserError: No user has this id.
        SchemaError: The schema is absent or behind.
    """
    return _of_user(bind, "user_history", user_id, n)


def _ranking(repeats: object, movie_ids: object, filters: Filters) -> dict[str, object]:
    """Return the arguments of both functions that rank, other than the history and n."""
    candidates = {} if movie_ids is None else {"movie_ids": validation.several(movie_ids, "movie_ids")}
    return {**validation.filters(filters), **candidates, "repeats": validation.repeats(repeats)}


def _of_user(bind: Bind, function: str, user_id: OutsideId, n: int) -> Answer:
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        found = call(connection, f"{function}(CAST(:id AS text)", n, {}, id=user)
        if not found:
            explain_unknown(connection, "user", user)
    return found


def _about(bind: Bind, function: str, movie_id: OutsideId, n: int) -> Answer:
    movie = validation.outside_id(movie_id, "movie_id")
    with db.begin(bind) as connection:
        found = call(connection, f"{function}(CAST(:id AS text)", n, {}, id=movie)
        if not found:
            explain_unknown(connection, "movie", movie, run=True)
    return found
