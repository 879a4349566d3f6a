"""embrec rate, unrate, forget and refresh."""

from __future__ import annotations

import click

from embrec import ratings
from embrec.cli.common import database_option, engine, note
from embrec.cli.progress import progress_bar
from embrec.database import begin
from embrec.errors import NotFoundError, UnknownUserError
from embrec.recommend import resolve_movie


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


@click.command()
@click.argument("user")
@click.argument("movie")
@database_option
def unrate(user: str, movie: str, database_url: str | None) -> None:
    """Take USER's rating of MOVIE, named by its id or title, back.

    \b
    embrec unrate 196 "Star Wars (1977)"
    """
    with begin(engine(database_url)) as connection:
        found = resolve_movie(connection, movie)
        if not ratings.remove_rating(connection, user, found):
            raise NotFoundError(f"User {user!r} has no rating of movie {found!r}.")
    note(f"User {user}'s rating of movie {found} is gone.")


@click.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_option
def forget(user: str, yes: bool, database_url: str | None) -> None:
    """Take away all that is known of USER: ratings, vectors in every run, what experiments recorded.

    \b
    embrec forget 196
    """
    if not yes:
        click.confirm(f"Forget user {user} for ever?", abort=True, err=True)
    if not ratings.forget_user(engine(database_url), user):
        raise UnknownUserError(f"There is no user with the id {user!r}.")
    note(f"User {user} is forgotten. Movies' vectors change with the next training: embrec train")


@click.command()
@database_option
def refresh(database_url: str | None) -> None:
    """Give the published run vectors of movies that came after its training, and count ratings anew.

    \b
    embrec refresh
    """
    bind = engine(database_url)
    with progress_bar("Refreshing"):
        movies = ratings.refresh(bind)
    note(f"{movies:,} movies that came after the training have vectors now; the ratings are counted.")
