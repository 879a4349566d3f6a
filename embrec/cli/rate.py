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
@click.option("--new-movie", is_flag=True, help="Take MOVIE in as a new id, rather than look for it.")
@database_option
def rate(user: str, movie: str, rating: float, new_movie: bool, database_url: str | None) -> None:
    """Record that USER rates MOVIE, named by its id or title, with RATING, in place of an earlier rating.

    The next recommendation knows it; a user that is new is taken in.

    \b
    embrec rate 196 "Star Wars (1977)" 5
    """
    with begin(engine(database_url)) as connection:
        found = movie if new_movie else resolve_movie(connection, movie)
        ratings.add_rating(connection, user, found, rating)
    note(f"User {user} rates movie {found} with {rating:g}.")
