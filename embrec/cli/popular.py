"""embrec popular."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.serving import recommend as answers


@click.command()
@click.option(
    "--best-rated", is_flag=True, help="Order by the mean rating, adjusted for few ratings, instead of popularity."
)
@click.option(
    "--half-life",
    type=click.FloatRange(0, 36_500, min_open=True),
    metavar="DAYS",
    help="Days after which a like or an event counts half; all count alike if left out.",
)
@filter_options
@count_option
@database_option
@json_option
def popular(
    best_rated: bool,
    half_life: float | None,
    count: int,
    database_url: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """List the most popular movies, by likes and events, which is what a newcomer is recommended.

    \b
    embrec popular
    embrec popular --genre Comedy --from 1990 --min-ratings 50
    embrec popular --half-life 7
    embrec popular --best-rated
    """
    if best_rated and half_life is not None:
        raise click.UsageError("Take one of --best-rated and --half-life.")
    bind = engine(database_url)
    check_genres(bind, filters)
    if best_rated:
        found = plain(answers.best_rated_movies)(bind, count, **given_filters(filters))
    else:
        age = None if half_life is None else timedelta(days=half_life)
        found = plain(answers.popular_movies)(bind, count, age, **given_filters(filters))
    print_answer(found, as_json)
