"""Users and movies that the ratings tell nothing about are counted, answered by popularity, and stop no training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data import ratings
from embrec.data.extraction import extract
from embrec.errors import UnknownMovieError, UnknownUserError
from embrec.monitoring.status import read_status
from embrec.runs import embeddings, keras_files, publishing, ranking_vectors, records
from embrec.serving import explain, predict, recommend, similar
from embrec.serving.batch import recommend_all
from embrec.training import train

MODELS = [
    ("two-part", {"draws": 2}),
    ("two-part", {"draws": 0}),
    ("matrix-factorization", {}),
    ("outer-product", {"epochs": 1, "hidden_units": 20}),
]
COLUMNS = ["user_id", "movie_id", "rating"]


def islands(alone: int = 40, each: int = 2) -> pd.DataFrame:
    """Make ratings of 30 users who share 20 movies, and of users who alone rated some movies."""
    lone = [(f"lone{user}", f"only{user}-{movie}", 2.0 + movie) for user in range(alone) for movie in range(each)]
    return pd.concat([rating_frame()[COLUMNS], pd.DataFrame(lone, columns=COLUMNS)])


def sparse() -> pd.DataFrame:
    """Make ratings from 1 to 100 of 400 users of 900 movies, mostly three or four a user, in many islands."""
    random = np.random.default_rng(0)
    rows = {
        (user, int(random.integers(900) ** 1.5 / 30) if user % 2 else int(random.integers(900)))
        for user in range(400)
        for _ in range(random.integers(1, 6))
    }
    return pd.DataFrame([(f"u{u}", f"m{m}", float(random.integers(1, 101))) for u, m in sorted(rows)], columns=COLUMNS)


def tiny(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


DATA = {
    "islands": islands(),
    "many islands": islands(120),
    "wide islands": islands(30, 6),
    "sparse": sparse(),
    "one lone user among many": pd.concat([rating_frame(60, 30, 900)[COLUMNS], tiny(("lone", "only", 4.0))]),
    "two users, one movie": tiny(("a", "m", 5.0), ("b", "m", 1.0)),
    "one user, two movies": tiny(("a", "m", 5.0), ("a", "n", 1.0)),
    "one movie of all": tiny(*((f"u{number}", "m", number % 5 + 1.0) for number in range(12))),
    "a movie each": tiny(*((f"u{number}", f"m{number}", number % 5 + 1.0) for number in range(12))),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(("model", "options"), MODELS)
def test_any_ratings_train_and_answer_everybody(
    engine: sa.Engine, tmp_path: Path, name: str, model: str, options: dict[str, int]
) -> None:
    frame = DATA[name]
    load_frame(engine, frame)
    result = train(engine, model, options)
    assert result.published, result.withheld
    catalogue = frame.movie_id.nunique()
    basis = {}
    for user, own in list(frame.groupby("user_id"))[:: max(frame.user_id.nunique() // 40, 1)]:
        found = recommend.recommend_movies(engine, user, 5)
        assert len(found) == min(5, catalogue - len(own)) or basis_of(found) != "popularity"
        assert np.isfinite(found.score.astype(float)).all()
        assert math.isfinite(predict.predict_rating(engine, user, own.movie_id.iloc[0]))
        basis[user] = basis_of(found)
    with engine.connect() as connection:
        for side, ids in (("movie", frame.movie_id.unique()[::10]), ("user", frame.user_id.unique()[::10])):
            query = sa.text(f"SELECT similarity FROM embrec.similar_{side}s(CAST(:id AS text), 5)")
            for each in ids:
                assert np.isfinite(connection.scalars(query, {"id": str(each)}).all()).all()
    if model != "outer-product":
        recommend_all(engine, tmp_path / "all.parquet", 5)
        batch = pd.read_parquet(tmp_path / "all.parquet")
        other = [user for user, by in basis.items() if (user in set(batch.user_id)) != (by == "ratings")]
        # A vector that is near the limit may be on either side of it: SQL solves for it to 1e-5 of the moment.
        assert len(other) <= (0 if model == "two-part" else len(basis) // 10), other
    ratings.add_rating(engine, frame.user_id.iloc[0], "came later", 4)
    ratings.add_rating(engine, "somebody new", "came later", 3)
    told: list[str] = []
    assert ratings.refresh(engine, told.append) == 1, told


def basis_of(found: pd.DataFrame) -> str | None:
    return found.basis.iloc[0] if len(found) else None


@pytest.mark.parametrize("each", [1, 2, 3])
@pytest.mark.parametrize("alone", [5, 120])
def test_a_user_who_shares_no_movie_is_answered_by_popularity_and_counted(
    engine: sa.Engine, alone: int, each: int
) -> None:
    load_frame(engine, islands(alone, each))
    run = train(engine, options={"draws": 2, "dimensions": 16}).model_run_id
    popular = recommend.recommend_movies(engine, "nobody at all", 5, min_ratings=5).movie_id.tolist()
    for user in ("lone0", "lone3"):
        found = recommend.recommend_movies(engine, user, 5, min_ratings=5)
        assert (set(found.basis), found.movie_id.tolist()) == ({"popularity"}, popular)
        assert set(recommend.recommend_movies(engine, user, 5).basis) == {"popularity"}
    assert set(recommend.recommend_movies(engine, "u1", 5).basis) == {"ratings"}
    assert recommend.recommend_for(engine, {"only0-0": 5}, 5, min_ratings=5).movie_id.tolist() == popular
    state = read_status(engine).state
    with engine.connect() as connection:
        record, profiles = records.get_run(connection, run), embeddings.read(engine, run, "movie", "profile")
    users = ranking_vectors.of_all_users(record, extract(engine), profiles)
    assert state["lone_users"] == np.isnan(users).any(axis=1).sum()
    assert state["lone_movies"] == 20 + alone * each - len(embeddings.read(engine, run, "movie", "preference").indexes)
    if each == 1:
        assert (state["lone_users"], state["lone_movies"]) == (alone, alone)
    assert explain.explain_recommendation(engine, "u1", "101").contribution.sum() == pytest.approx(
        explain.explain_recommendation(engine, "u1", "101").score.iloc[0]
    )


def test_a_lone_user_who_rates_a_shared_movie_is_answered_by_ratings(engine: sa.Engine) -> None:
    load_frame(engine, islands())
    train(engine, options={"draws": 2})
    ratings.add_rating(engine, "lone1", "101", 5)
    assert set(recommend.recommend_movies(engine, "lone1", 5).basis) == {"ratings"}


def test_a_run_with_lone_users_is_exported_and_imported_again(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, islands())
    run = train(engine, options={"draws": 2, "dimensions": 8}).model_run_id
    keras_files.export_run(engine, run, tmp_path / "run.keras")
    again = keras_files.import_run(engine, tmp_path / "run.keras")
    for side in ("user", "movie"):
        for part in ("rating", "preference"):
            first, second = (embeddings.read(engine, number, side, part) for number in (run, again))
            assert np.array_equal(first.indexes, second.indexes)
            assert np.array_equal(first.vectors, second.vectors)
    publishing.publish(engine, again)
    assert set(recommend.recommend_movies(engine, "lone1", 5).basis) == {"popularity"}


def test_vectors_that_shrank_to_noise_are_none_in_a_run_of_one_part(engine: sa.Engine) -> None:
    load_frame(engine, DATA["one lone user among many"])
    train(engine, "matrix-factorization")
    found = recommend.recommend_movies(engine, "lone", 5)
    assert set(found.basis) == {"popularity"}
    with pytest.raises(UnknownUserError, match="tell nothing about others"):
        similar.similar_users(engine, "lone", 5)
    with pytest.raises(UnknownMovieError, match="tell nothing about others"):
        similar.similar_movies(engine, "only", 5)
    assert "only" not in set(similar.similar_movies(engine, "101", 100).movie_id)
    assert "lone" not in set(similar.similar_users(engine, "u1", 100).user_id)
    assert (read_status(engine).state["lone_users"], read_status(engine).state["lone_movies"]) == (1, 1)
    assert 1 <= predict.predict_rating(engine, "lone", "only") <= 5
