"""The options that filter movies, shared by recommend, popular and trending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import sqlalchemy as sa

from embrec.db.answer import plain
from embrec.errors import NotFoundError
from embrec.serving import catalogue
from embrec.serving import recommend as answers
from embrec.validation import did_you_mean

_FILTERS = (
    click.option(
        "--genre",
        "genres",
        multiple=True,
        metavar="GENRE",
        help="Only movies of at least one of these genres. Repeatable.",
    ),
    click.option(
        "--without-genre", "without_genres", multiple=True, metavar="GENRE", help="No movies of this genre. Repeatable."
    ),
    click.option("--from", "released_from", type=int, metavar="YEAR", help="Earliest release year."),
    click.option("--to", "released_to", type=int, metavar="YEAR", help="Latest release year."),
    click.option(
        "--min-ratings", type=click.IntRange(0), metavar="N", help="Only movies with at least N ratings and events."
    ),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that filter movies to a command."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def given_filters(filters: dict[str, Any]) -> answers.Filters:
    """Return the filters as keyword arguments of the library; an option that was not given filters nothing."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in filters.items()}
    found: answers.Filters = {name: value for name, value in given.items() if value not in (None, [])}  # type: ignore[assignment]
    return found


def check_genres(bind: sa.Engine, filters: dict[str, Any]) -> None:
    """Refuse a genre that no movie has: it would silently exclude all movies, or none."""
    wanted = [*filters["genres"], *filters["without_genres"]]
    known = sorted(plain(catalogue.known_genres)(bind)["genre"]) if wanted else []
    for genre in wanted:
        if known and genre not in known:
            meant = did_you_mean(genre, known) or f" There are: {', '.join(known)}"
            raise NotFoundError(f"No movie has the genre {genre!r}.{meant}")
