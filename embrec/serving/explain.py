"""Explanations of recommendations: the contribution of each rating to a score."""

from __future__ import annotations

import json

import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.db.answer import Answer, answer, as_frame
from embrec.errors import RunError, UnknownUserError
from embrec.serving.query import explain_no_pair, explain_nothing
from embrec.validation import GivenRatings, OutsideId


@as_frame
def explain_recommendation(bind: Bind, user_id: OutsideId, movie_id: OutsideId, n: int | None = 10) -> Answer:
    """Return the movies rated or watched with the largest contributions to a movie's score, positive or negative.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        movie_id: The movie's external id; the user may have rated it.
        n: Number of movies; None for all, whose contributions add up to the score.

    Returns:
        Columns rank, movie_id, title, rating (missing for a movie that was watched and not rated), contribution, score,
        model_run_id and relation, the largest contribution first. Relation is ``because`` for one that speaks for the
        movie, ``although`` for one that speaks against it, and None for a dislike that happens to add to the score. If
        the run ranks by predicted ratings, the first row has no movie: it is the part of the score that no rating of
        the user contributes to.

    Raises:
        UnknownUserError: No user has this id, or one without ratings or events.
        UnknownMovieError: No movie has this id, or it has no vector in the run.
        RunError: The run's scores are no sum over ratings.
        NoPublishedRunError: No run is published.
    """
    user, movie = validation.outside_id(user_id, "user_id"), validation.outside_id(movie_id, "movie_id")
    most = None if n is None else validation.count(n)
    with db.begin(bind) as connection:
        statement = "SELECT * FROM embrec.explain_recommendation(CAST(:user AS text), CAST(:movie AS text), :n)"
        found = answer(connection, statement, user=user, movie=movie, n=most)
        if not found and most != 0:
            explain_no_pair(connection, user, movie)
            run = sa.text("SELECT serving FROM embrec.model_runs WHERE model_run_id = embrec.serving_run(:user)")
            if connection.scalar(run, {"user": user}) == "dense_head":
                raise RunError("The published run is of the outer product, which cannot be taken apart.")
            raise UnknownUserError(f"The user {user!r} has no ratings or events that the published run knows.")
    return found


@as_frame
def explain_for(
    bind: Bind,
    ratings: GivenRatings,
    movie_id: OutsideId,
    n: int | None = 10,
) -> Answer:
    """Return a visitor's ratings, or movies watched, with the largest contributions to a movie's score.

    Args:
        bind: An engine or a connection.
        ratings: As in :func:`embrec.serving.recommend.recommend_for`.
        movie_id: The movie's external id.
        n: Number of rows; None for all, whose contributions add up to the score.

    Returns:
        Columns as of :func:`explain_recommendation`. There are no rows if the run has no vector of any of these movies,
        or if its scores are no sum over them.

    Raises:
        ArgumentError: A rating is not finite, or the ratings are of a wrong type.
        UnknownMovieError: No movie has this id, or it has no vector in the run.
        NoPublishedRunError: No run is published.
    """
    own, movie = validation.ratings(ratings), validation.outside_id(movie_id, "movie_id")
    most = None if n is None else validation.count(n)
    with db.begin(bind) as connection:
        statement = "SELECT * FROM embrec.explain_for(CAST(:ratings AS jsonb), CAST(:movie AS text), :n)"
        found = answer(connection, statement, ratings=json.dumps(own), movie=movie, n=most)
        if not found and most != 0:
            explain_nothing(connection, "movie", movie)
    return found
