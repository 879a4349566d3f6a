"""Compare what SQL answers by a run with what its model predicts, before the run is published."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from embrec import db
from embrec.db.tables import model_runs, movies, users
from embrec.models.base import FittedModel
from embrec.runs.store import Rows

# Users and movies whose pairs are compared.
_USERS, _MOVIES = 20, 10
# Share of the scale by which SQL, in other arithmetic, may differ from Keras.
_ROUNDING = 0.01


def check_answers(engine: sa.Engine, model_run_id: int, rows: Rows, model: FittedModel) -> bool:
    """Ask a stored run for ratings through SQL, and compare them with the model's.

    A run that SQL cannot answer as its model does is recorded as ``similarity_only``: SQL compares its vectors, and
    predicts nothing by them. Such a run is not published unless somebody insists.

    Args:
        engine: The database.
        model_run_id: The stored run.
        rows: Users and movies of the model's rows.
        model: The model.

    Returns:
        Whether SQL answers as the model does; true for a model without a rating part, which is asked for none.
    """
    if not model.predicts_ratings:
        return True
    random = np.random.default_rng(0)
    user_rows, movie_rows = (
        random.permutation(len(each))[:most].astype(np.int32)
        for each, most in ((rows.users, _USERS), (rows.movies, _MOVIES))
    )
    pairs = np.repeat(user_rows, len(movie_rows)), np.tile(movie_rows, len(user_rows))
    lowest, highest = rows.lowest or 0.0, rows.highest or 0.0
    expected = np.clip(model.predict(*pairs), lowest, highest)
    with db.begin(engine) as connection:
        found, known = _asked(connection, model_run_id, rows.users[pairs[0]], rows.movies[pairs[1]])
        off = np.abs(found - expected)[known]
        if bool((off <= _ROUNDING * max(highest - lowest, 1e-6)).all()):
            return True
        changed = sa.update(model_runs).where(model_runs.c.model_run_id == model_run_id)
        connection.execute(changed.values(serving="similarity_only"))
    return False


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
    preview = sa.text("SELECT set_config('embrec.model_run_id', :run, true)")
    connection.execute(preview, {"run": str(model_run_id)})
    query = sa.text(
        "SELECT user_id, movie_id, predicted_rating"
        " FROM embrec.predict_ratings(CAST(:users AS text[]), CAST(:movies AS text[]))"
    )
    values = {"users": [user for user, _ in asked], "movies": [movie for _, movie in asked]}
    answers = {(row.user_id, row.movie_id): row.predicted_rating for row in connection.execute(query, values)}
    connection.execute(preview, {"run": ""})
    found = [np.nan if answers.get(key) is None else answers[key] for key in keys]
    return np.array(found, np.float64), np.array([None not in key for key in keys])
