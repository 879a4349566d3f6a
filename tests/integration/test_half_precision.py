"""Users' vectors in half precision: answers by the rounded vectors, beside runs in single precision."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sqlalchemy as sa
from data import SERVING, in_half, load_frame, rating_frame, two_part_run

import embrec as package
from embrec import db
from embrec.data import ratings
from embrec.db import schema
from embrec.errors import RunError
from embrec.runs import embeddings, experiments, half_precision, publishing, records
from embrec.serving import predict, recommend, similar
from embrec.training import train

MODELS = {
    "two-part": {"draws": 3, "dimensions": 6},
    "matrix-factorization": {"epochs": 3},
    "outer-product": {"epochs": 10, "dimensions": 6, "hidden_units": 20},
}
QUICK = "matrix-factorization"


def predictions(engine: sa.Engine, run: int) -> np.ndarray:
    """Return the ratings that a run predicts, float64 of shape (users, movies)."""
    query = """
    SELECT array_agg(p.predicted_rating ORDER BY u.user_index, m.movie_index)
    FROM embrec.predict_ratings(
        ARRAY(SELECT u.user_id FROM embrec.users AS u, embrec.movies AS m ORDER BY u.user_index, m.movie_index),
        ARRAY(SELECT m.movie_id FROM embrec.users AS u, embrec.movies AS m ORDER BY u.user_index, m.movie_index)
    ) AS p JOIN embrec.users AS u USING (user_id) JOIN embrec.movies AS m USING (movie_id)"""
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT set_config('embrec.model_run_id', :run, false)"), {"run": str(run)})
        users = connection.scalar(sa.text("SELECT count(*) FROM embrec.users"))
        return np.array(connection.scalar(sa.text(query))).reshape(users, -1)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_stores_its_users_rounded_and_answers_by_them(engine: sa.Engine, name: str) -> None:
    load_frame(engine, rating_frame(60, 40, 900))
    single, half = (train(engine, name, MODELS[name], publish=False, half=half).model_run_id for half in (False, True))
    assert (in_half(engine, single), in_half(engine, half)) == (False, True)
    options = records.get_run(engine, single).options
    assert records.get_run(engine, half).options == {**options, "half": True}
    for part in ("rating", "similarity"):
        ours, theirs = (embeddings.read(engine, run, "user", part) for run in (single, half))
        assert np.array_equal(ours.vectors.astype(np.float16), theirs.vectors)
        for column in ("indexes", "biases", "spreads"):
            assert np.array_equal(getattr(ours, column), getattr(theirs, column)), column
    users, movies = (embeddings.read(engine, single, side).vectors for side in ("user", "movie"))
    # By Cauchy and Schwarz in each coordinate, which rounding moves by half of the last of 11 bits; the layers of an
    # outer product carry that on.
    most = 2.0**-11 * np.abs(users) @ np.abs(movies).T if name != "outer-product" else 0.01
    moved = np.abs(predictions(engine, single) - predictions(engine, half))
    assert (moved <= most + 1e-5).all()
    assert moved.any()
    publishing.publish(engine, half)
    compared = embeddings.read(engine, half, "user", "similarity" if name == "two-part" else "rating")
    query = "SELECT array_agg(user_index ORDER BY user_index), array_agg(embedding ORDER BY user_index)"
    with engine.connect() as connection:
        shown = db.binary_copy.query_arrays(connection, f"{query} FROM embrec.published_user_embeddings")
        for expected, found in zip(compared, *shown, strict=False):
            assert np.array_equal(found, expected)


def test_movies_are_ranked_by_ratings_predicted_from_rounded_vectors(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(60, 40, 900))
    result = train(engine, QUICK, MODELS[QUICK], half=True)
    model = result.model
    scores = half_precision.rounded(model.user_vectors).astype(np.float64) @ model.movie_vectors.T
    scores += model.mean + model.user_biases[:, np.newaxis] + model.movie_biases
    names = dict(zip(package.vectors(engine, "movie", "rating")[0], range(40), strict=True))
    for user, user_id in enumerate(package.vectors(engine, "user", "rating")[0]):
        found = recommend.recommend_movies(engine, user_id, 100, include_rated=True)
        assert np.allclose(found.score, np.sort(scores[user])[::-1], atol=1e-5)
        assert np.allclose(found.score, scores[user][[names[movie] for movie in found.movie_id]], atol=1e-5)


def test_runs_of_both_kinds_take_turns(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    vectors = {run: two_part_run(engine, seed=run, half=run == 2) for run in (1, 2)}
    of = {user: number for number, user in enumerate(package.vectors(engine, "user", "rating")[0])}
    movie = package.vectors(engine, "movie", "rating")[0][0]

    def answered_by(user: str) -> int:
        found = []
        for run, each in vectors.items():
            product = each["user rating"][of[user]].astype(np.float64) @ each["movie rating"][0]
            expected = SERVING["mean"] + each["user bias"][of[user]] + each["movie bias"][0] + product
            if abs(predict.predict_rating(engine, user, movie) - np.clip(expected, 1, 5)) < 1e-5:
                found.append(run)
        assert len(found) == 1
        return found[0]

    # Users for whom both runs predict a rating on the scale.
    inside = np.flatnonzero(
        np.all([(each > 1) & (each < 5) for each in (predictions(engine, 1), predictions(engine, 2))], 0)[:, 0]
    )
    asked = [user for user in of if of[user] in inside][:6]
    assert len(asked) > 2
    assert {answered_by(user) for user in asked} == {2}
    publishing.rollback(engine)
    assert {answered_by(user) for user in asked} == {1}
    experiments.start(engine, "in half", 1, 2)
    for user in asked:
        variant = experiments.assign_variant(engine, user)
        assert answered_by(user) == {"control": 1, "treatment": 2}[variant]
    experiments.end(engine)
    assert ratings.forget_user(engine, "u29")
    with engine.connect() as connection:
        query = "SELECT model_run_id, count(*) FROM embrec.user_embeddings GROUP BY 1 ORDER BY 1"
        assert connection.execute(sa.text(query)).all() == [(1, 58), (2, 58)]
    publishing.delete(engine, 2)
    assert {answered_by(user) for user in asked} == {1}


def test_a_keras_model_that_goes_on_from_such_a_run_is_stored_like_it(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    first = train(engine, QUICK, MODELS[QUICK], half=True)
    second = package.add_run(engine, first.keras_model, like=first.model_run_id)
    assert in_half(engine, second)
    assert records.get_run(engine, second).options["half"]


def test_a_downgrade_keeps_the_vectors_and_an_upgrade_answers_by_them(
    empty_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "INDEXED_FROM", 2)
    schema.upgrade(empty_engine)
    load_frame(empty_engine, rating_frame())
    vectors = two_part_run(empty_engine, half=True)
    before = predictions(empty_engine, 1)
    assert package.index_users(empty_engine, 1)
    schema.downgrade(empty_engine, "0014")
    query = "SELECT array_agg(embedding ORDER BY user_index) FROM embrec.user_embeddings WHERE part = 'rating'"
    with empty_engine.begin() as connection:
        (found,) = db.binary_copy.query_arrays(connection, query)
        columns = [column["name"] for column in sa.inspect(connection).get_columns("user_embeddings", "embrec")]
        assert "half" not in columns
    assert np.array_equal(found[0], vectors["user rating"])
    with pytest.raises(sa.exc.IntegrityError, match="null value"), empty_engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.user_embeddings SET embedding = NULL"))
    schema.upgrade(empty_engine)
    assert np.array_equal(predictions(empty_engine, 1), before)
    assert not in_half(empty_engine, 1)
    assert package.index_users(empty_engine, 1), "the index of before went with its column"
    assert len(similar.similar_users(empty_engine, "u1", 29)) == 29


def test_a_row_has_one_vector(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine, half=True)
    for changed in ("half = NULL", "embedding = half::vector", "half = '[1,2]'"):
        with pytest.raises(sa.exc.IntegrityError, match="check constraint"), engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE embrec.user_embeddings SET {changed}".replace("::", r"\:\:")))


def test_vectors_out_of_the_range_are_refused_and_nothing_is_stored(engine: sa.Engine) -> None:
    frame = rating_frame()
    frame["rating"] *= 1e-6
    load_frame(engine, frame)
    with pytest.raises(RunError, match=r"out of the range of half precision.*Train again without half precision"):
        train(engine, QUICK, MODELS[QUICK], half=True)
    assert records.get_run(engine, 1).status == "failed"
    assert not len(embeddings.read(engine, 1, "user").indexes)
    assert train(engine, QUICK, MODELS[QUICK]).published


def test_rounding_is_to_the_nearest_and_refuses_what_it_would_lose() -> None:
    vectors = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)
    found = half_precision.rounded(vectors)
    assert found.dtype == np.float32
    assert np.array_equal(found, found.astype(np.float16))
    assert (np.abs(found - vectors) <= 2.0**-11 * np.abs(vectors) + 2.0**-25).all()
    assert half_precision.rounded(np.zeros((3, 2), np.float32)).tolist() == [[0, 0]] * 3
    for refused in (vectors * 1e5, vectors * 1e-6):
        with pytest.raises(RunError, match="out of the range of half precision"):
            half_precision.rounded(refused)


def test_a_trainer_stores_in_half_and_the_command_says_so_on_record(engine: sa.Engine, url: str, embrec, login) -> None:
    load_frame(engine, rating_frame())
    assert in_half(engine, train(login("trainer"), QUICK, MODELS[QUICK], publish=False, half=True).model_run_id)
    code, out, _ = embrec("train", "--model", QUICK, "--epochs", "1", "--half", "--json", "--database-url", url)
    assert code == 0
    run = json.loads(out)["model_run_id"]
    assert in_half(engine, run)
    assert records.get_run(engine, run).options["half"]
