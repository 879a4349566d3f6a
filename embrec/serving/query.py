"""Queries that the data-access functions share, and errors that explain an empty answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from embrec import validation
from embrec.db.answer import Answer, answer
from embrec.errors import NoPublishedRunError, UnknownMovieError, UnknownUserError


def call(connection: sa.Connection, beginning: str, n: int, others: Mapping[str, Any], /, **values: Any) -> Answer:
    """Call a SQL function, and return its rows.

    Args:
        connection: The transaction to ask in.
        beginning: The call up to and including its first arguments, as in ``similar_movies(:movie``.
        n: Maximum number of rows.
        others: Further arguments, by name; None for the function's default.
        **values: Values of the parameters in ``beginning``.
    """
    given = {"n": validation.count(n)} | {name: value for name, value in others.items() if value is not None}
    named = ", ".join(f"{name} => :{name}" for name in given)
    comma = "" if beginning.endswith("(") else ", "
    return answer(connection, f"SELECT * FROM embrec.{beginning}{comma}{named})", **given, **values)


def explain_nothing(connection: sa.Connection, side: str, outside_id: str) -> None:
    """Raise the error that explains an empty answer; return if the answer is just empty."""
    error = UnknownMovieError if side == "movie" else UnknownUserError
    known, published, has_vector = connection.execute(
        sa.text("SELECT known, published, has_vector FROM embrec.known_id(:side, :id)"),
        {"side": side, "id": outside_id},
    ).one()
    if not known:
        raise error(f"There is no {side} with the id {outside_id!r}.")
    if published is None:
        raise NoPublishedRunError()
    if not has_vector:
        raise error(
            f"The {side} {outside_id!r} has no vector in model run {published}: it was trained without ratings of it, "
            "or those tell nothing about others. Load or add ratings, and run: embrec train"
        )


def explain_no_pair(connection: sa.Connection, user: str, movie: str) -> None:
    """Raise the error that explains why a user and a movie have no answer; return if the run knows both."""
    known = sa.text("SELECT known FROM embrec.known_id('user', :user)")
    if not connection.scalar(known, {"user": user}):
        raise UnknownUserError(f"There is no user with the id {user!r}.")
    explain_nothing(connection, "movie", movie)
