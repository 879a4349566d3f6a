"""embrec unevent."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, note
from embrec.data import events
from embrec.db import begin
from embrec.errors import NotFoundError
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user", required=False)
@click.argument("movie", required=False)
@click.option("--type", "event_type", metavar="NAME", help="Delete the events of this type; all if left out.")
@click.option("--id", "external_id", metavar="ID", help="Delete the event with your id, without USER and MOVIE.")
@database_option
def unevent(
    user: str | None, movie: str | None, event_type: str | None, external_id: str | None, database_url: str | None
) -> None:
    """Delete the events of USER for MOVIE (an id or title), or one event by its id.

    \b
    embrec unevent 196 "Star Wars (1977)"
    embrec unevent --id order-4711
    """
    if (external_id is None) == (movie is None) or (external_id is not None and event_type is not None):
        raise click.UsageError("Give USER and MOVIE, or --id alone.")
    with begin(engine(database_url)) as connection:
        found = None if movie is None else resolve_movie(connection, movie)
        removed = events.remove_event(connection, user, found, event_type, external_id)
        if removed == 0:
            whose = f"the id {external_id!r}" if external_id else f"user {user!r} and movie {found!r}"
            raise NotFoundError(f"There is no such event of {whose}.")
    note(f"Events deleted: {removed:,}.")
