"""embrec popular."""

from __future__ import annotations

from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_frame
from embrec.serving import recommend as answers


@click.command()
@filter_options
@count_option
@database_option
@json_option
def popular(count: int, database_url: str | None, as_json: bool, **filters: Any) -> None:
    """List the most popular movies: highly rated, by many users.

    \b
    embrec popular
    embrec popular --genre Comedy --from 1990 --min-ratings 50
    """
    bind = engine(database_url)
    check_genres(bind, filters)
    print_frame(answers.popular_movies(bind, count, **given_filters(filters)), as_json)
