"""Compare what SQL answers by a run with what its model predicts, before the run is published."""

from __future__ import annotations

import json

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.db.tables import model_runs, movies, users
from embrec.models.base import FittedModel
from embrec.models.next.base import NextModel
from embrec.runs.embeddings import external_ids
from embrec.runs.store import Rows

_PREVIEW = sa.text("SELECT set_config('embrec.model_run_id', :run, true)")
# Users and movies whose pairs are compared.
_USERS, _MOVIES = 20, 10
# Share of the scale by which SQL, in other arithmetic, may differ from Keras.
_ROUNDING = 0.01
# Histories whose next movies are compared, and the share of the highest score by which SQL, whose vectors are in single
# precision, may differ.
_HISTORIES, _NEXT_ROUNDING = 20, 1e-4


def check_answers(engine: sa.Engine, model_run_id: int, rows: Rows, model: FittedModel) -> bool:
    """Ask a stored run through SQL for ratings and for what comes next, and compare them with the model's.

    A run that SQL cannot answer as its model does is recorded as ``similarity_only``: SQL compares its vectors, and
    predicts nothing by them. Such a run is not published unless somebody insists.

    Args:
        engine: The database.
        model_run_id: The stored run.
        rows: Users and movies of the model's rows.
        model: The model.

    Returns:
        Whether SQL answers as the model does; a model is not asked for what it has no part for.
    """
    with db.begin(engine) as connection:
        if (not model.predicts_ratings or _rates(connection, model_run_id, rows, model)) and (
            model.next is None or _follows(connection, model_run_id, rows, model.next)
        ):
            return True
        changed = sa.update(model_runs).where(model_runs.c.model_run_id == model_run_id)
        connection.execute(changed.values(serving="similarity_only"))
    return False


def _rates(connection: sa.Connection, model_run_id: int, rows: Rows, model: FittedModel) -> bool:
    """Check the ratings of some users and movies."""
    random = np.random.default_rng(0)
    user_rows, movie_rows = (
        random.permutation(len(each))[:most].astype(np.int32)
        for each, most in ((rows.users, _USERS), (rows.movies, _MOVIES))
    )
    pairs = np.repeat(user_rows, len(movie_rows)), np.tile(movie_rows, len(user_rows))
    lowest, highest = rows.lowest or 0.0, rows.highest or 0.0
    expected = np.clip(model.predict(*pairs), lowest, highest)
    found, known = _asked(connection, model_run_id, rows.users[pairs[0]], rows.movies[pairs[1]])
    off = np.abs(found - expected)[known]
    return bool((off <= _ROUNDING * max(highest - lowest, 1e-6)).all())


def _follows(connection: sa.Connection, model_run_id: int, rows: Rows, model: NextModel) -> bool:
    """Check the ten best next movies of random histories, and their scores."""
    random = np.random.default_rng(0)
    ids = external_ids(connection, "movie", rows.movies)
    numbers = {movie_id: number for number, movie_id in enumerate(ids)}
    query = sa.text("SELECT movie_id, score FROM embrec.recommend_next_for(CAST(:history AS jsonb), 10)")
    connection.execute(_PREVIEW, {"run": str(model_run_id)})
    agreed = True
    for length in range(1, _HISTORIES + 1):
        history = random.integers(0, len(ids), length).astype(np.int32)
        answers = connection.execute(query, {"history": json.dumps([ids[each] for each in history])}).all()
        scores = model.score(history)
        tolerance = _NEXT_ROUNDING * max(float(np.abs(scores).max()), 1e-6)
        scores[history] = -np.inf
        best = np.sort(scores)[::-1][: len(answers)]
        own = scores[[numbers[row.movie_id] for row in answers if row.movie_id in numbers]]
        found = np.array([row.score or 0.0 for row in answers if row.movie_id in numbers])
        if len(found) == len(best):  # a movie that came after the training has no score to compare
            agreed &= bool((np.abs(found - own) <= tolerance).all() and (np.abs(found - best) <= tolerance).all())
    connection.execute(_PREVIEW, {"run": ""})
    return agreed


def _asked(
    connection: sa.Connection, model_run_id: int, user_indexes: NDArray[np.int32], movie_indexes: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The ratings that SQL predicts, NaN where it has none, and which pairs could be asked for: no forgotten user's."""
    named = sa.select(users.c.user_index, users.c.user_id).where(
        users.c.user_index.in_(user_indexes.tolist()), users.c.forgotten_at.is_(None)
    )
    user_ids = {row.user_index: row.user_id for row in connection.execute(named)}
    titled = sa.select(movies.c.movie_index, movies.c.movie_id).where(movies.c.movie_index.in_(movie_indexes.tolist()))
    movie_ids = {row.movie_index: row.movie_id for row in connection.execute(titled)}
    keys = [
        (user_ids.get(user), movie_ids.get(movie))
        for user, movie in zip(user_indexes.tolist(), movie_indexes.tolist(), strict=True)
    ]
    asked = [key for key in keys if None not in key]
    connection.execute(_PREVIEW, {"run": str(model_run_id)})
    query = sa.text(
        "SELECT user_id, movie_id, predicted_rating"
        " FROM embrec.predict_ratings(CAST(:users AS text[]), CAST(:movies AS text[]))"
    )
    values = {"users": [user for user, _ in asked], "movies": [movie for _, movie in asked]}
    answers = {(row.user_id, row.movie_id): row.predicted_rating for row in connection.execute(query, values)}
    connection.execute(_PREVIEW, {"run": ""})
    found = [np.nan if answers.get(key) is None else answers[key] for key in keys]
    return np.array(found, np.float64), np.array([None not in key for key in keys])
