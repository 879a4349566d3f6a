"""embrec trending."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.serving import recommend as answers


@click.command()
@click.argument("since", type=click.DateTime())
@filter_options
@count_option
@database_option
@json_option
def trending(since: datetime, count: int, database_url: str | None, as_json: bool, **filters: Any) -> None:
    """List movies that get many more ratings and events SINCE a time (UTC) than before.

    \b
    embrec trending 1998-04-01
    """
    moment = since.replace(tzinfo=UTC)
    bind = engine(database_url)
    check_genres(bind, filters)
    print_answer(plain(answers.trending_movies)(bind, moment, count, **given_filters(filters)), as_json)
