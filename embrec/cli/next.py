"""embrec next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_answer
from embrec.db import begin
from embrec.db.answer import plain
from embrec.serving import next as answers
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("ids", nargs=-1, metavar="USER | MOVIE...")
@click.option("--session", is_flag=True, help="The arguments are the movies of a visitor's session, newest last.")
@click.option(
    "--repeats",
    type=click.Choice(["never", "allowed", "only"]),
    default="never",
    show_default=True,
    help="Movies that the user has seen: never, allowed, or only those.",
)
@click.option("--since", type=click.DateTime(), help="Count only steps since a time (UTC).")
@filter_options
@click.option("--movie", "movie_ids", multiple=True, metavar="ID", help="Choose only from these movies. Repeatable.")
@count_option
@database_option
@json_option
def next(  # noqa: A001  # a command's function is named like it
    ids: tuple[str, ...],
    session: bool,
    repeats: Any,
    since: datetime | None,
    movie_ids: tuple[str, ...],
    count: int,
    database_url: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """List the movies that USER will most likely want next, by the order of ratings and events as they are now.

    \b
    embrec next 196
    embrec next 196 --repeats only --since 1998-01-01
    embrec next --session 50 172 "Star Trek: First Contact (1996)" --genre Sci-Fi
    """
    if session and since is not None:
        raise click.UsageError("--since is for a user; name the movies of the session that count.")
    if not session and len(ids) != 1:
        raise click.UsageError("Name one user, or the movies of a session with --session.")
    bind = engine(database_url)
    check_genres(bind, filters)
    more: dict[str, Any] = {"movie_ids": list(movie_ids) or None, **given_filters(filters)}
    with begin(bind) as connection:
        if session:
            movies = [resolve_movie(connection, each) for each in ids]
            found = plain(answers.recommend_next_for)(connection, movies, count, repeats, **more)
        else:
            moment = None if since is None else since.replace(tzinfo=UTC)
            found = plain(answers.recommend_next)(connection, ids[0], count, repeats, moment, **more)
    print_answer(found, as_json)
