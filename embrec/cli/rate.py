"""embrec rate."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, note
from embrec.data import ratings
from embrec.db import begin
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movie")
@click.argument("rating", type=float)
@click.option("--new-movie", is_flag=True, help="Add MOVIE as a new id instead of looking it up.")
@database_option
def rate(user: str, movie: str, rating: float, new_movie: bool, database_url: str | None) -> None:
    """Record the RATING of USER for MOVIE (an id or title), in place of an earlier rating.

    The next recommendation takes it into account. A new user is added.

    \b
    embrec rate 196 "Star Wars (1977)" 5
    """
    with begin(engine(database_url)) as connection:
        found = movie if new_movie else resolve_movie(connection, movie)
        ratings.add_rating(connection, user, found, rating)
    note(f"User {user} rates movie {found} with {rating:g}.")
