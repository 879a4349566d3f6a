"""embrec similar and embrec find."""

from __future__ import annotations

import click

from embrec import recommend
from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_frame
from embrec.database import begin
from embrec.errors import NotFoundError


@click.command()
@click.argument("movie", required=False)
@click.option("--user", metavar="ID", help="Users like this one, instead of movies.")
@count_option
@database_option
@json_option
def similar(movie: str | None, user: str | None, count: int, database_url: str | None, as_json: bool) -> None:
    """Movies like MOVIE, named by its id or title.

    \b
    embrec similar "Star Wars (1977)"
    embrec similar 50 -n 20 --json
    embrec similar --user 196
    """
    if (movie is None) == (user is None):
        raise click.UsageError("Name a movie, or a user with --user.")
    with begin(engine(database_url)) as connection:
        if user is not None:
            frame = recommend.similar_users(connection, user, count)
        else:
            frame = recommend.similar_movies(connection, recommend.resolve_movie(connection, str(movie)), count)
    print_frame(frame, as_json)


@click.command()
@click.argument("words", nargs=-1, required=True)
@count_option
@database_option
@json_option
def find(words: tuple[str, ...], count: int, database_url: str | None, as_json: bool) -> None:
    """Movies whose title has all the WORDS, in any order.

    \b
    embrec find star wars
    embrec find god father -n 3 --json
    """
    query = " ".join(words)
    bind = engine(database_url)
    frame = recommend.find_movies(bind, query, count)
    if frame.empty:
        alike = "; ".join(recommend.suggest_movies(bind, query)["title"])
        advice = f"Did you mean: {alike}?" if alike else "Try fewer, or parts of words."
        raise NotFoundError(f"No title has all the words {query!r}. {advice}")
    print_frame(frame, as_json)
