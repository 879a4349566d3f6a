"""embrec recommend."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from embrec import validation
from embrec.cli.common import count_option, database_option, engine, json_option, note, print_json
from embrec.cli.filters import check_genres, filter_options, given_filters
from embrec.cli.progress import progress_bar
from embrec.cli.tables import print_answer
from embrec.db.answer import plain
from embrec.errors import ArgumentError
from embrec.serving import recommend as answers


@click.command()
@click.argument("user", required=False)
@click.option(
    "--for",
    "visitor",
    metavar="JSON",
    help='Ratings of a visitor, or the movies watched, instead of USER: \'{"50": 5, "172": 4}\', \'["50", "172"]\'.',
)
@filter_options
@click.option("--movie", "movie_ids", multiple=True, metavar="ID", help="Choose only from these movies. Repeatable.")
@click.option("--include-rated", is_flag=True, help="Include movies that the user rated.")
@click.option("--all", "everybody", is_flag=True, help="Recommend to every user who has ratings, into --output.")
@click.option("--output", metavar="FILE|TABLE", help="With --all: a .parquet or .csv file, or a table as schema.table.")
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Weight of diversity, between 0 (the best movies) and 1 (movies unlike each other).",
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
    """Recommend movies to USER, by the ratings and events that are in the database now.

    \b
    embrec recommend 196
    embrec recommend 196 --genre Comedy --from 1990 --min-ratings 50 --diversity 0.3
    embrec recommend --for '{"50": 5, "172": 4}'
    embrec recommend --for '["50", "172"]'
    embrec recommend --all --output recommendations.parquet
    """
    if [user is not None, visitor is not None, everybody].count(True) != 1:
        raise click.UsageError("Name a user, give a visitor's ratings with --for, or take --all.")
    if everybody != (output is not None):
        raise click.UsageError("--all and --output go together: where to write everybody's recommendations.")
    if output is not None:
        if movie_ids or diversity or given_filters(filters):
            raise click.UsageError("--all takes no filters, no --movie and no --diversity.")
        return _recommend_all(database_url, output, count, include_rated, as_json)
    more: dict[str, Any] = {
        "movie_ids": list(movie_ids) or None,
        "include_rated": include_rated,
        "diversity": diversity,
    }
    bind = engine(database_url)
    check_genres(bind, filters)
    if visitor is not None:
        found = plain(answers.recommend_for)(bind, _given(visitor), count, **more, **given_filters(filters))
    else:
        found = plain(answers.recommend_movies)(bind, str(user), count, **more, **given_filters(filters))
    print_answer(found, as_json)
    return None


def _recommend_all(database_url: str | None, output: str, count: int, include_rated: bool, as_json: bool) -> None:
    from embrec.serving.batch import recommend_all

    bind = engine(database_url)
    with progress_bar("Recommending", "users") as bar:
        report = recommend_all(bind, output, count, include_rated, bar.update)
    if as_json:
        print_json(dataclasses.asdict(report))
    note(f"{report.rows:,} recommendations for {report.users:,} users are in {output}.")
    if report.without:
        note(
            f"{report.without:,} users got none: the run knows no movie that they like, or their ratings tell nothing "
            "about others, or they rated all there are. Show them the popular movies: embrec popular"
        )


def _given(visitor: str) -> dict[str, float] | list[str]:
    try:
        return validation.ratings(json.loads(visitor))
    except (ValueError, RecursionError, ArgumentError) as error:
        raise click.UsageError(
            f'--for takes JSON, ratings by movie id like {{"50": 5}} or ids of movies watched like ["50"]: {error}'
        ) from error
