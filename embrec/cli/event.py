"""embrec event."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from embrec.cli.common import database_option, engine, note
from embrec.data import events
from embrec.db import begin
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movie")
@click.option(
    "--type",
    "event_type",
    default=events.DEFAULT_TYPE,
    show_default=True,
    metavar="NAME",
    help="Type of the event: view, click, play, finish, purchase, dislike, or one of your own.",
)
@click.option("--value", type=float, help="A count, minutes or an amount, from 0 to a billion.")
@click.option("--at", "occurred_at", type=click.DateTime(), help="Time of the event (UTC); now if left out.")
@click.option("--id", "external_id", metavar="ID", help="Your id of the event; an event with the same id is not added.")
@click.option("--new-movie", is_flag=True, help="Add MOVIE as a new id instead of looking it up.")
@database_option
def event(
    user: str,
    movie: str,
    event_type: str,
    value: float | None,
    occurred_at: datetime | None,
    external_id: str | None,
    new_movie: bool,
    database_url: str | None,
) -> None:
    """Record that USER watched MOVIE (an id or title).

    The next answer takes it into account. A new user is added. A pair may have many events.

    \b
    embrec event 196 "Star Wars (1977)"
    embrec event 196 50 --type play --value 121 --at "1998-05-01 20:15:00"
    """
    moment = None if occurred_at is None else occurred_at.replace(tzinfo=UTC)
    with begin(engine(database_url)) as connection:
        found = movie if new_movie else resolve_movie(connection, movie)
        added = events.add_event(connection, user, found, event_type, value, moment, external_id)
    if added:
        note(f"User {user} has a new event of movie {found}: {event_type}.")
    else:
        note(f"The event {external_id} is there already; nothing was changed.")
