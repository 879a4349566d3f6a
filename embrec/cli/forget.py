"""embrec forget."""

from __future__ import annotations

import click

from embrec.cli.common import confirmed, database_option, engine, note
from embrec.data import ratings
from embrec.errors import UnknownUserError


@click.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@database_option
def forget(user: str, yes: bool, database_url: str | None) -> int:
    """Delete all data of USER: ratings, vectors in every run, and recorded outcomes of experiments.

    \b
    embrec forget 196
    """
    if not confirmed(f"Forget user {user} for ever?", yes):
        return 1
    if not ratings.forget_user(engine(database_url), user):
        raise UnknownUserError(f"There is no user with the id {user!r}.")
    note(f"User {user} is forgotten. Movies' vectors change with the next training: embrec train")
    return 0
