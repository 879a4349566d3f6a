"""embrec find."""

from __future__ import annotations

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.errors import NotFoundError
from embrec.serving import search


@click.command()
@click.argument("words", nargs=-1, required=True)
@count_option
@database_option
@json_option
def find(words: tuple[str, ...], count: int, database_url: str | None, as_json: bool) -> None:
    """Find movies whose title has all the WORDS, in any order.

    \b
    embrec find star wars
    embrec find god father -n 3 --json
    """
    query = " ".join(words)
    bind = engine(database_url)
    found = plain(search.find_movies)(bind, query, count)
    if not found:
        alike = "; ".join(plain(search.suggest_movies)(bind, query)["title"])
        advice = f"Did you mean: {alike}?" if alike else "Try fewer, or parts of words."
        raise NotFoundError(f"No title has all the words {query!r}. {advice}")
    print_answer(found, as_json)
