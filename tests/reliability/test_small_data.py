"""Data that is good but hardly data: one user, one movie, one rating for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame

from embrec import recommend
from embrec.predict import predict_rating
from embrec.train import train

TINY = {"dimensions": 3, "epochs": 1}
DATA = {
    "one rating": [("u", "m", 4.0)],
    "one user": [("u", f"m{number}", number % 5 + 1.0) for number in range(8)],
    "one movie and all ratings equal": [(f"u{number}", "m", 3.0) for number in range(8)],
}


@pytest.mark.parametrize("name", DATA)
def test_next_to_no_data_loads_trains_and_answers(engine: sa.Engine, name: str) -> None:
    frame = pd.DataFrame(DATA[name], columns=["user_id", "movie_id", "rating"])
    assert load_frame(engine, frame).inserted == len(frame)
    result = train(engine, "matrix-factorization", TINY)
    user, movie, _ = DATA[name][0]
    assert result.published
    assert np.isfinite(predict_rating(engine, user, movie))
    assert len(recommend.recommend_movies(engine, user, include_rated=True)) == min(10, frame["movie_id"].nunique())
    assert len(recommend.similar_movies(engine, movie)) == frame["movie_id"].nunique() - 1


def test_duplicate_and_conflicting_rows_are_no_error_and_the_newest_is_kept(engine: sa.Engine) -> None:
    rows = [("u", "m", 1.0, 5), ("u", "m", 2.0, 9), ("u", "m", 3.0, 7), ("u", "m", 2.0, 9), ("u", "n", 4.0, 1)]
    report = load_frame(engine, pd.DataFrame(rows, columns=["user_id", "movie_id", "rating", "rated_at"]))
    assert (report.read, report.inserted, report.updated, report.unchanged) == (5, 2, 0, 3)
    with engine.connect() as connection:
        kept = connection.scalars(sa.text("SELECT rating FROM embrec.ratings ORDER BY movie_index")).all()
    assert kept == [2.0, 4.0]
