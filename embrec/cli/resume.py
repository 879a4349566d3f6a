"""embrec resume."""

from __future__ import annotations

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.serving.next import continue_watching


@click.command()
@click.argument("user")
@count_option
@database_option
@json_option
def resume(user: str, count: int, database_url: str | None, as_json: bool) -> None:
    """List the movies that USER started and did not finish, newest first, then those watched more than once.

    \b
    embrec resume 196
    """
    print_answer(plain(continue_watching)(engine(database_url), user, count), as_json)
