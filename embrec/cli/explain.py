"""embrec explain."""

from __future__ import annotations

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_answer
from embrec.db import begin
from embrec.db.answer import plain
from embrec.serving.explain import explain_recommendation
from embrec.serving.next import explain_next
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movie")
@click.option("--next", "as_next", is_flag=True, help="Explain MOVIE as the next one: list the steps of the history.")
@count_option
@database_option
@json_option
def explain(user: str, movie: str, as_next: bool, count: int, database_url: str | None, as_json: bool) -> None:
    """Explain a recommendation: list the ratings of USER that contribute most for or against MOVIE.

    \b
    embrec explain 196 "Fargo (1996)" -n 5
    embrec explain --next 196 "Fargo (1996)"
    """
    with begin(engine(database_url)) as connection:
        asked = explain_next if as_next else explain_recommendation
        found = plain(asked)(connection, user, resolve_movie(connection, movie), count)
    print_answer(found, as_json)
