"""embrec unrate."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, note
from embrec.data import ratings
from embrec.db import begin
from embrec.errors import NotFoundError
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movie")
@database_option
def unrate(user: str, movie: str, database_url: str | None) -> None:
    """Delete the rating of USER for MOVIE (an id or title).

    \b
    embrec unrate 196 "Star Wars (1977)"
    """
    with begin(engine(database_url)) as connection:
        found = resolve_movie(connection, movie)
        if not ratings.remove_rating(connection, user, found):
            raise NotFoundError(f"User {user!r} has no rating of movie {found!r}.")
    note(f"User {user}'s rating of movie {found} is gone.")
