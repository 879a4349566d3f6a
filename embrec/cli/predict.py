"""embrec predict."""

from __future__ import annotations

import click

from embrec.cli.common import database_option, engine, json_option
from embrec.cli.tables import print_answer
from embrec.db import begin
from embrec.db.answer import Answer
from embrec.serving.predict import predict_rating, rating_uncertainty
from embrec.serving.search import resolve_movie


@click.command()
@click.argument("user")
@click.argument("movies", nargs=-1, required=True)
@database_option
@json_option
def predict(user: str, movies: tuple[str, ...], database_url: str | None, as_json: bool) -> None:
    """Predict the rating that USER would give each of the MOVIES (ids or titles), and its uncertainty.

    The uncertainty is a standard deviation, in the unit of ratings. It is missing for a run that does not estimate it.

    \b
    embrec predict 196 50 "Fargo (1996)"
    """
    rows = []
    with begin(engine(database_url)) as connection:
        for movie in movies:
            found = resolve_movie(connection, movie)
            predicted = predict_rating(connection, user, found)
            rows.append((user, found, predicted, rating_uncertainty(connection, user, found)))
    print_answer(Answer(["user_id", "movie_id", "predicted_rating", "uncertainty"], rows), as_json)
