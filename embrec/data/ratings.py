"""Ratings one at a time, as an application gives them, and the statistics of all; whole files are loaded elsewhere.

Every function takes an Engine, or a Connection whose transaction is the caller's.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa

from embrec import db, validation
from embrec.db import Bind
from embrec.errors import ArgumentError, BusyError, NoPublishedRunError
from embrec.validation import OutsideId


def add_rating(
    bind: Bind, user_id: OutsideId, movie_id: OutsideId, rating: float, rated_at: dt.datetime | None = None
) -> None:
    """Record a user's rating of a movie, in place of an earlier one; new ids are taken in.

    The next recommendation and prediction for the user know it, without training.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        movie_id: The movie's external id.
        rating: A number on the scale that is on record (``embrec.get_rating_scale``).
        rated_at: When it was given; None for now.

    Raises:
        ArgumentError: An id is empty, between blanks or no id, the rating is not finite, or the time not one of 1900 to
            2099.
        DatabaseError: The rating is not on the scale.
        SchemaError: The schema is absent or behind.
    """
    user, movie = validation.new_id(user_id, "user_id"), validation.new_id(movie_id, "movie_id")
    if rated_at is not None and not 1900 <= validation.moment(rated_at, "rated_at").year < 2100:  # as in a file
        raise ArgumentError(f"rated_at is in the year {rated_at.year}; give one between 1900 and 2099.")
    values = {"user": user, "movie": movie, "rating": validation.rating(rating), "rated_at": rated_at}
    with db.begin(bind) as connection:
        connection.execute(
            sa.text(
                "SELECT embrec.add_rating(CAST(:user AS text), CAST(:movie AS text), CAST(:rating AS double precision),"
                " coalesce(:rated_at, now()))"
            ).bindparams(sa.bindparam("rated_at", type_=sa.DateTime(timezone=True))),
            values,
        )


def remove_rating(bind: Bind, user_id: OutsideId, movie_id: OutsideId) -> bool:
    """Take a user's rating of a movie back; returns whether there was one.

    Raises:
        ArgumentError: An id is no id.
        SchemaError: The schema is absent or behind.
    """
    values = {"user": validation.outside_id(user_id, "user_id"), "movie": validation.outside_id(movie_id, "movie_id")}
    with db.begin(bind) as connection:
        statement = sa.text("SELECT embrec.remove_rating(CAST(:user AS text), CAST(:movie AS text))")
        return bool(connection.scalar(statement, values))


def forget_user(bind: Bind, user_id: OutsideId) -> bool:
    """Take away all that is known of a user: ratings, labels, vectors in every run, what experiments recorded.

    Movies' vectors, which were learned from many users' ratings, stay as they are until the next training.

    Returns:
        Whether there was such a user.

    Raises:
        ArgumentError: The id is no id.
        SchemaError: The schema is absent or behind.
    """
    user = validation.outside_id(user_id, "user_id")
    with db.begin(bind) as connection:
        statement = sa.text("SELECT embrec.forget_user(CAST(:user AS text))")
        return bool(connection.scalar(statement, {"user": user}))


def refresh(bind: Bind, on_warning: Callable[[str], None] = lambda message: None) -> int:
    """Give the published run vectors of the movies that came after its training, without training.

    Args:
        bind: The database.
        on_warning: Called with a line for each movie that no vectors can be computed for.

    Returns:
        How many movies those are.

    Raises:
        NoPublishedRunError: No run is published.
        DatabaseError: This role does not own the schema.
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        if connection.scalar(sa.text("SELECT model_run_id FROM embrec.published_run")) is None:
            raise NoPublishedRunError()
        driver: Any = connection.connection.driver_connection

        def tell(notice: psycopg.errors.Diagnostic) -> None:
            if notice.severity_nonlocalized == "WARNING":
                on_warning(f"{notice.message_primary}. {notice.message_hint or ''}".strip())

        driver.add_notice_handler(tell)
        try:
            return int(connection.execute(sa.text("SELECT embrec.refresh()")).scalar_one())
        finally:
            driver.remove_notice_handler(tell)


def refresh_statistics(bind: Bind) -> bool:
    """Count the ratings anew for popular movies and the filter ``min_ratings``; readers are not held up.

    Returns:
        Whether this role may; where not, the statistics stay as they are.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        allowed = connection.scalar(sa.text("SELECT has_function_privilege('embrec.refresh_statistics()', 'EXECUTE')"))
        if allowed:
            connection.execute(sa.text("SELECT embrec.refresh_statistics()"))
        return bool(allowed)


def count_changes(bind: Bind) -> None:
    """Add the ratings that came, changed or went since the last count to those counted, if this role may.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with db.begin(bind) as connection:
        if connection.scalar(sa.text("SELECT has_function_privilege('embrec.count_changes()', 'EXECUTE')")):
            connection.execute(sa.text("SELECT embrec.count_changes()"))


def apply_followed(bind: Bind) -> None:
    """Apply the changes of followed tables that met a lock, such as that of a load, if this role may.

    If the lock is still there for longer than ``lock_timeout``, they go on waiting.

    Raises:
        SchemaError: The schema is absent or behind.
    """
    with contextlib.suppress(BusyError), db.begin(bind) as connection, connection.begin_nested():
        if connection.scalar(sa.text("SELECT has_function_privilege('embrec.apply_followed()', 'EXECUTE')")):
            connection.execute(sa.text("SELECT embrec.apply_followed()"))
