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
    published, has_vector = explain_unknown(connection, side, outside_id, run=True)
    if not has_vector:
        raise error(
            f"The {side} {outside_id!r} has no vector in model run {published}: it was trained without ratings of it, "
            "or those tell nothing about others. Load or add ratings, and run: embrec train"
        )


def explain_unknown(
    connection: sa.Connection, side: str, outside_id: str, run: bool = False
) -> tuple[int | None, bool]:
    """Raise an error if an id is unknown, or with ``run`` if no run is published; return both of known_id's others."""
    known, published, has_vector = connection.execute(
        sa.text("SELECT known, published, has_vector FROM embrec.known_id(:side, :id)"),
        {"side": side, "id": outside_id},
    ).one()
    if not known:
        raise (UnknownMovieError if side == "movie" else UnknownUserError)(
            f"There is no {side} with the id {outside_id!r}."
        )
    if run and published is None:
        raise NoPublishedRunError()
    return published, has_vector


def explain_no_pair(connection: sa.Connection, user: str, movie: str) -> None:
    """Raise the error that explains why a user and a movie have no answer; return if the run knows both."""
    explain_unknown(connection, "user", user)
    explain_nothing(connection, "movie", movie)
