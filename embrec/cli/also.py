"""embrec also."""

from __future__ import annotations

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_answer
from embrec.db import begin
from embrec.db.answer import plain
from embrec.serving.next import also_watched
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("movie")
@count_option
@database_option
@json_option
def also(movie: str, count: int, database_url: str | None, as_json: bool) -> None:
    """List the movies that the users of MOVIE (an id or title) also watched or rated, more than by chance.

    \b
    embrec also "Star Wars (1977)" -n 5
    """
    with begin(engine(database_url)) as connection:
        found = plain(also_watched)(connection, resolve_movie(connection, movie), count)
    print_answer(found, as_json)
