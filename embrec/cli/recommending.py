"""embrec recommend, embrec popular and embrec trending."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
import sqlalchemy as sa

from embrec import browse
from embrec import recommend as answers
from embrec.arguments import did_you_mean
from embrec.batch import recommend_all
from embrec.cli.common import count_option, database_option, engine, json_option, note, print_json
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_frame
from embrec.errors import NotFoundError

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


def _given(filters: dict[str, Any]) -> answers.Filters:
    """Filters as the library takes them: what was not given lets all through."""
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in filters.items()}
    found: answers.Filters = {name: value for name, value in given.items() if value not in (None, [])}  # type: ignore[assignment]
    return found


def _check_genres(bind: sa.Engine, filters: dict[str, Any]) -> None:
    """Refuse a genre that no movie has: it would let none through, or take none away, without a word."""
    wanted = [*filters["genres"], *filters["without_genres"]]
    known = sorted(browse.known_genres(bind)["genre"]) if wanted else []
    for genre in wanted:
        if known and genre not in known:
            meant = did_you_mean(genre, known) or f" There are: {', '.join(known)}"
            raise NotFoundError(f"No movie has the genre {genre!r}.{meant}")


@click.command()
@click.argument("user", required=False)
@click.option("--for", "visitor", metavar="JSON", help='A visitor\'s ratings instead of USER: \'{"50": 5, "172": 4}\'.')
@filter_options
@click.option("--movie", "movie_ids", multiple=True, metavar="ID", help="Choose from these alone. Repeatable.")
@click.option("--include-rated", is_flag=True, help="Also movies that the user rated.")
@click.option("--all", "everybody", is_flag=True, help="Every user who has ratings, to --output.")
@click.option("--output", metavar="FILE|TABLE", help="With --all: a .parquet or .csv file, or a table as schema.table.")
@click.option(
    "--diversity", type=click.FloatRange(0, 1), default=0.0, help="0 for the best, up to 1 for different ones."
)
@count_option
@database_option
@json_option
def recommend(
    user: str | None,
    visitor: str | None,
    movie_ids: tuple[str, ...],
    include_rated: bool,
    everybody: bool,
    output: str | None,
    diversity: float,
    count: int,
    database_url: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """The best movies for USER, by the ratings there are now.

    \b
    embrec recommend 196
    embrec recommend 196 --genre Comedy --from 1990 --min-ratings 50 --diversity 0.3
    embrec recommend --for '{"50": 5, "172": 4}'
    embrec recommend --all --output recommendations.parquet
    """
    if [user is not None, visitor is not None, everybody].count(True) != 1:
        raise click.UsageError("Name a user, give a visitor's ratings with --for, or take --all.")
    if everybody != (output is not None):
        raise click.UsageError("--all and --output go together: where to write everybody's recommendations.")
    if output is not None:
        if movie_ids or diversity or _given(filters):
            raise click.UsageError("--all takes no filters, no --movie and no --diversity.")
        return _recommend_all(database_url, output, count, include_rated, as_json)
    more: dict[str, Any] = {
        "movie_ids": list(movie_ids) or None,
        "include_rated": include_rated,
        "diversity": diversity,
    }
    bind = engine(database_url)
    _check_genres(bind, filters)
    if visitor is not None:
        frame = answers.recommend_for(bind, _ratings(visitor), count, **more, **_given(filters))
    else:
        frame = answers.recommend_movies(bind, str(user), count, **more, **_given(filters))
    print_frame(frame, as_json)
    return None


def _recommend_all(database_url: str | None, output: str, count: int, include_rated: bool, as_json: bool) -> None:
    bind = engine(database_url)
    with progress_bar("Recommending", "users") as bar:
        report = recommend_all(bind, output, count, include_rated, bar.update)
    if as_json:
        print_json(dataclasses.asdict(report))
    note(f"{report.rows:,} recommendations for {report.users:,} users are in {output}.")
    if report.without:
        note(f"{report.without:,} users got none: the run knows no movie they rated, or they rated all there are.")


def _ratings(visitor: str) -> dict[str, float]:
    try:
        return {movie: float(rating) for movie, rating in json.loads(visitor).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise click.UsageError(f'--for takes ratings by movie id as JSON, like {{"50": 5}}: {error}') from error


@click.command()
@filter_options
@count_option
@database_option
@json_option
def popular(count: int, database_url: str | None, as_json: bool, **filters: Any) -> None:
    """The most popular movies: well rated, and by many.

    \b
    embrec popular
    embrec popular --genre Comedy --from 1990 --min-ratings 50
    """
    bind = engine(database_url)
    _check_genres(bind, filters)
    print_frame(answers.popular_movies(bind, count, **_given(filters)), as_json)


@click.command()
@click.argument("since", type=click.DateTime())
@filter_options
@count_option
@database_option
@json_option
def trending(since: datetime, count: int, database_url: str | None, as_json: bool, **filters: Any) -> None:
    """Movies that are rated much more SINCE a time (UTC) than before.

    \b
    embrec trending 1998-04-01
    """
    moment = since.replace(tzinfo=UTC)
    bind = engine(database_url)
    _check_genres(bind, filters)
    print_frame(answers.trending_movies(bind, moment, count, **_given(filters)), as_json)
