"""embrec predict and embrec explain."""

from __future__ import annotations

import click
import pandas as pd

from embrec import predict as answers
from embrec.cli.common import count_option, database_option, engine, json_option
from embrec.cli.tables import print_frame
from embrec.database import begin
from embrec.recommend import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movies", nargs=-1, required=True)
@database_option
@json_option
def predict(user: str, movies: tuple[str, ...], database_url: str | None, as_json: bool) -> None:
    """The rating that USER would give each of the MOVIES, named by id or title, and how sure that is.

    The uncertainty is a standard deviation; a run that does not know it leaves it out.

    \b
    embrec predict 196 50 "Fargo (1996)"
    """
    rows = []
    with begin(engine(database_url)) as connection:
        for movie in movies:
            found = resolve_movie(connection, movie)
            predicted = answers.predict_rating(connection, user, found)
            rows.append((user, found, predicted, answers.rating_uncertainty(connection, user, found)))
    print_frame(pd.DataFrame(rows, columns=["user_id", "movie_id", "predicted_rating", "uncertainty"]), as_json)


@click.command()
@click.argument("user")
@click.argument("movie")
@count_option
@database_option
@json_option
def explain(user: str, movie: str, count: int, database_url: str | None, as_json: bool) -> None:
    """Which of USER's ratings speak most for MOVIE, or against it.

    \b
    embrec explain 196 "Fargo (1996)" -n 5
    """
    with begin(engine(database_url)) as connection:
        found = answers.explain_recommendation(connection, user, resolve_movie(connection, movie), count)
    print_frame(found, as_json)
