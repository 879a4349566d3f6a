"""Events one at a time, as an application records them, and the deletion of old ones; files are loaded elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa

from embrec import db, validation
from embrec.data.ratings import count_changes
from embrec.db import Bind
from embrec.errors import ArgumentError
from embrec.validation import OutsideId

DEFAULT_TYPE = "event"
# Events are deleted by ranges of this many event_ids, a transaction each, which takes a second at most.
BLOCK = 200_000


def add_event(
    bind: Bind,
    user_id: OutsideId,
    movie_id: OutsideId,
    event_type: str = DEFAULT_TYPE,
    value: float | None = None,
    occurred_at: dt.datetime | None = None,
    external_id: OutsideId | None = None,
) -> bool:
    """Record an event: a user watched, played or bought a movie; new users and movies are added.

    A pair of user and movie may have many events. The next answer knows it, without training.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        movie_id: The movie's external id.
        event_type: A name of the table ``embrec.event_types``.
        value: A count, minutes or an amount, from 0 to a billion; None for an event without one.
        occurred_at: The time of the event, at most a day ahead of the server's clock; None for now.
        external_id: The application's id of the event. A second event with this id is not stored.

    Returns:
        True if the event was stored, False if one with this external id was there.

    Raises:
        ArgumentError: An id is empty, between blanks or no id, the value is no number, or the time not one of 1900 to
            2099.
        DatabaseError: The type is not known, the value is out of range, or the time is in the future.
        SchemaError: The schema is absent or behind.
    """
    if occurred_at is not None and not 1900 <= validation.moment(occurred_at, "occurred_at").year < 2100:
        raise ArgumentError(f"occurred_at is in the year {occurred_at.year}; give one between 1900 and 2099.")
    values = {
        "user": validation.new_id(user_id, "user_id"),
        "movie": validation.new_id(movie_id, "movie_id"),
        "type": validation.text(event_type, "event_type"),
        "value": None if value is None else validation.number(value, "value"),
        "occurred_at": occurred_at,
        "external_id": None if external_id is None else validation.new_id(external_id, "external_id"),
    }
    statement = sa.text(
        "SELECT embrec.add_event(CAST(:user AS text), CAST(:movie AS text), CAST(:type AS text),"
        " CAST(:value AS double precision), coalesce(:occurred_at, now()), CAST(:external_id AS text))"
    ).bindparams(sa.bindparam("occurred_at", type_=sa.DateTime(timezone=True)))
    with db.begin(bind) as connection:
        return bool(connection.scalar(statement, values))


def remove_event(
    bind: Bind,
    user_id: OutsideId | None = None,
    movie_id: OutsideId | None = None,
    event_type: str | None = None,
    external_id: OutsideId | None = None,
) -> int:
    """Delete a user's events of a movie, of one type or of all; or the event with an external id.

    Args:
        bind: An engine or a connection.
        user_id: The user's external id.
        movie_id: The movie's external id.
        event_type: A name of the table ``embrec.event_types``; None for all.
        external_id: The application's id of one event, in place of the three before.

    Returns:
        The number of events deleted.

    Raises:
        ArgumentError: An id is no id, or an external id is given with others.
        DatabaseError: The type is not known.
        SchemaError: The schema is absent or behind.
    """
    db.require_bind(bind)
    if external_id is not None:
        if (user_id, movie_id, event_type) != (None, None, None):
            raise ArgumentError("An external id says which event; give it alone, or a user and a movie.")
        values: dict[str, str | None] = {"external_id": validation.outside_id(external_id, "external_id")}
        statement = "SELECT embrec.remove_event(CAST(:external_id AS text))"
    else:
        values = {
            "user": validation.outside_id(user_id, "user_id"),
            "movie": validation.outside_id(movie_id, "movie_id"),
            "type": None if event_type is None else validation.text(event_type, "event_type"),
        }
        statement = "SELECT embrec.remove_event(CAST(:user AS text), CAST(:movie AS text), CAST(:type AS text))"
    with db.begin(bind) as connection:
        return int(connection.execute(sa.text(statement), values).scalar_one())


def delete_events(
    engine: sa.Engine,
    older_than: dt.timedelta,
    undated: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> int:
    """Delete old events, block by block, so that no lock is held for long; then count what is left.

    Args:
        engine: The database; the role must own the schema.
        older_than: Age, by the time of the event, from which on events are deleted.
        undated: True to delete the events without a time as well.
        dry_run: Only count the events that would be deleted.
        progress: Called with the numbers of event ids looked at, and of all.

    Returns:
        The number of events deleted, or that would be.

    Raises:
        ArgumentError: The age is no timedelta longer than 0.
        DatabaseError: This role does not own the schema.
        SchemaError: The schema is absent or behind.
    """
    db.require_engine(engine)
    values: dict[str, object] = {"age": validation.duration(older_than, "older_than"), "undated": bool(undated)}
    if dry_run:
        old = "occurred_at < now() - :age OR :undated AND occurred_at IS NULL"
        with db.begin(engine) as connection:
            return int(
                connection.execute(sa.text(f"SELECT count(*) FROM embrec.events WHERE {old}"), values).scalar_one()
            )
    with db.begin(engine) as connection:
        first, last = connection.execute(
            sa.text("SELECT coalesce(min(event_id), 0), coalesce(max(event_id), -1) FROM embrec.events")
        ).one()
    deleted = 0
    for begin in range(first, last + 1, BLOCK):
        progress(begin - first, last + 1 - first)
        with db.begin(engine) as connection:
            block = values | {"first": begin, "last": min(begin + BLOCK - 1, last)}
            call = "SELECT embrec.delete_events(:age, :undated, :first, :last)"
            deleted += int(connection.execute(sa.text(call), block).scalar_one())
    if deleted:
        count_changes(engine)
    return deleted
