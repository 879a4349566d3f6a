"""embrec similar and embrec find."""

from __future__ import annotations

import click
import pandas as pd

from embrec import recommend
from embrec.cli.common import database_option, engine, json_option, print_rows
from embrec.database import begin
from embrec.errors import NotFoundError

count_option = click.option(
    "-n", "count", type=click.IntRange(1, 2**31 - 1), default=10, show_default=True, help="How many."
)


@click.command()
@click.argument("movie", required=False)
@click.option("--user", metavar="ID", help="Users like this one, instead of movies.")
@count_option
@database_option
@json_option
def similar(movie: str | None, user: str | None, count: int, database_url: str | None, as_json: bool) -> None:
    r"""Movies like MOVIE, named by its id or title.

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
    _print(frame, as_json)


@click.command()
@click.argument("words", nargs=-1, required=True)
@count_option
@database_option
@json_option
def find(words: tuple[str, ...], count: int, database_url: str | None, as_json: bool) -> None:
    """Movies whose title has all the WORDS, in any order."""
    query = " ".join(words)
    frame = recommend.find_movies(engine(database_url), query, count)
    if frame.empty:
        raise NotFoundError(f"No title has all the words {query!r}. Try fewer, or parts of words.")
    _print(frame, as_json)


def _print(frame: pd.DataFrame, as_json: bool) -> None:
    plain = frame.astype(object).where(frame.notna(), None)
    print_rows(
        [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")],
        list(frame.columns),
        as_json,
    )
