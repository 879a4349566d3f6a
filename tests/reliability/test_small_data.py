"""The smallest valid data: one user, one movie, or the same rating for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame

from embrec.errors import TrainingError
from embrec.runs import records
from embrec.serving import recommend, similar
from embrec.serving.predict import predict_rating
from embrec.training import train

TINY = {"dimensions": 3, "epochs": 1}
EQUAL = r"All ratings are 3, and this model learns from how they differ\. Load ratings that do, or train another model"


def frame(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])


def test_one_users_ratings_load_train_and_answer(engine: sa.Engine) -> None:
    load_frame(engine, frame(*(("u", f"m{number}", number % 5 + 1.0) for number in range(8))))
    assert train(engine, "matrix-factorization", TINY).published
    assert np.isfinite(predict_rating(engine, "u", "m0"))
    assert len(recommend.recommend_movies(engine, "u", include_rated=True)) == 8
    assert len(similar.similar_movies(engine, "m0")) == 7


@pytest.mark.parametrize("users", [1, 8])
def test_ratings_that_are_all_equal_load_and_training_says_what_it_needs(engine: sa.Engine, users: int) -> None:
    assert load_frame(engine, frame(*((f"u{number}", "m", 3.0) for number in range(users)))).inserted == users
    with pytest.raises(TrainingError, match=EQUAL):
        train(engine, "matrix-factorization", TINY)
    assert [(run.status, run.published) for run in records.list_runs(engine)] == [("failed", False)]
    assert recommend.recommend_movies(engine, "u0", include_rated=True).movie_id.tolist() == ["m"], "by popularity"


def test_duplicate_and_conflicting_rows_are_no_error_and_the_newest_is_kept(engine: sa.Engine) -> None:
    rows = [("u", "m", 1.0, 5), ("u", "m", 2.0, 9), ("u", "m", 3.0, 7), ("u", "m", 2.0, 9), ("u", "n", 4.0, 1)]
    report = load_frame(engine, pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "rated_at"]))
    assert (report.read, report.inserted, report.updated, report.unchanged) == (5, 2, 0, 3)
    with engine.connect() as connection:
        kept = connection.scalars(sa.text("SELECT rating FROM embrec.ratings ORDER BY movie_index")).all()
    assert kept == [2.0, 4.0]
