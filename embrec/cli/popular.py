"""embrec popular."""

from __future__ import annotations

from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.serving import recommend as answers


@click.command()
@click.option(
    "--best-rated", is_flag=True, help="Order by the mean rating, adjusted for few ratings, instead of likes."
)
@filter_options
@count_option
@database_option
@json_option
def popular(best_rated: bool, count: int, database_url: str | None, as_json: bool, **filters: Any) -> None:
    """List the most popular movies: those with the most likes, which is what a newcomer is recommended.

    \b
    embrec popular
    embrec popular --genre Comedy --from 1990 --min-ratings 50
    embrec popular --best-rated
    """
    bind = engine(database_url)
    check_genres(bind, filters)
    movies = answers.best_rated_movies if best_rated else answers.popular_movies
    print_answer(plain(movies)(bind, count, **given_filters(filters)), as_json)
