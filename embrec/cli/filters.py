"""The options that filter movies, which recommend, popular and trending share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import sqlalchemy as sa

from embrec.errors import NotFoundError
from embrec.serving import catalogue
from embrec.serving import recommend as answers
from embrec.validation import did_you_mean

_FILTERS = (
    click.option("--genre", "genres", multiple=True, metavar="GENRE", help="At least one of these. Repeatable."),
    click.option("--without-genre", "without_genres", multiple=True, metavar="GENRE", help="None of these."),
    click.option("--from", "released_from", type=int, metavar="YEAR", help="First release year."),
    click.option("--to", "released_to", type=int, metavar="YEAR", help="Last release year."),
    click.option("--min-ratings", type=click.IntRange(0), metavar="N", help="Rated at least so often."),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which movies may be answered."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def given_filters(filters: dict[str, Any]) -> answers.Filters:
    """Filters as the library takes them: what was not given lets all through."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in filters.items()}
    found: answers.Filters = {name: value for name, value in given.items() if value not in (None, [])}  # type: ignore[assignment]
    return found


def check_genres(bind: sa.Engine, filters: dict[str, Any]) -> None:
    """Refuse a genre that no movie has: it would let none through, or take none away, without a word."""
    wanted = [*filters["genres"], *filters["without_genres"]]
    known = sorted(catalogue.known_genres(bind)["genre"]) if wanted else []
    for genre in wanted:
        if known and genre not in known:
            meant = did_you_mean(genre, known) or f" There are: {', '.join(known)}"
            raise NotFoundError(f"No movie has the genre {genre!r}.{meant}")
