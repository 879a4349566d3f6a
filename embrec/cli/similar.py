"""embrec similar."""

from __future__ import annotations

from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_answer
from embrec.db import begin
from embrec.db.answer import plain
from embrec.serving.search import resolve_movie
from embrec.serving.similar import similar_movies, similar_users


@click.command()
@click.argument("movie", required=False)
@click.option("--user", metavar="ID", help="List users similar to this one, instead of movies.")
@filter_options
@count_option
@database_option
@json_option
def similar(
    movie: str | None, user: str | None, count: int, database_url: str | None, as_json: bool, **filters: Any
) -> None:
    """List movies similar to MOVIE (an id or title).

    \b
    embrec similar "Star Wars (1977)"
    embrec similar 50 -n 20 --json
    embrec similar 50 --genre Comedy --from 1990
    embrec similar --user 196
    """
    if (movie is None) == (user is None):
        raise click.UsageError("Name a movie, or a user with --user.")
    given = given_filters(filters)
    if user is not None and given:
        raise click.UsageError("--user takes no filters: they are of movies.")
    bind = engine(database_url)
    check_genres(bind, filters)
    with begin(bind) as connection:
        if user is not None:
            found = plain(similar_users)(connection, user, count)
        else:
            found = plain(similar_movies)(connection, resolve_movie(connection, str(movie)), count, **given)
    print_answer(found, as_json)
