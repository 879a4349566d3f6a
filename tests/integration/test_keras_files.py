"""Runs as Keras files: out of a database, into it, and fine-tuned in between."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import sqlalchemy as sa
from data import in_half, load_frame, rating_frame, stored_run

import embrec
from embrec.data.extraction import extract
from embrec.errors import DataError, RunError
from embrec.models.recommender import Recommender
from embrec.runs import embeddings, next_files, records
from embrec.training import train

Run = Callable[..., tuple[int, str, str]]
MODELS = {
    "two-part": {"draws": 3, "dimensions": 6},
    "matrix-factorization": {"epochs": 3},
    "outer-product": {"epochs": 2},
}


NEXT = (
    "SELECT movie_index, channel, next_indexes, weights, user_count, transitions FROM embrec.next_movies"
    " WHERE model_run_id = {} ORDER BY 1, 2"
)
NEXT_VECTORS = "SELECT movie_index, channel, embedding FROM embrec.next_vectors WHERE model_run_id = {} ORDER BY 1, 2"


def order(engine: sa.Engine, run: int) -> list[list[tuple[object, ...]]]:
    """Return all that a run knows of the order of steps, and its metrics of that."""
    with engine.connect() as connection:
        found = [
            [tuple(map(str, row)) for row in connection.execute(sa.text(query.format(run)))]
            for query in (NEXT, NEXT_VECTORS)
        ]
    record = records.get_run(engine, run)
    metrics = [(name, value) for name, value in record.metrics.items() if name.startswith("next_")]
    decays = record.row_decays, record.vector_decays, record.new_movies_weight
    columns = [(record.history_length, *decays, record.options["next"])]
    return [*found, sorted(metrics), columns]


def bits(engine: sa.Engine, run: int) -> bytes:
    """All vectors of a run."""
    parts = ("rating", "preference", "profile", "similarity")
    found = (embeddings.read(engine, run, side, part).vectors for side in ("user", "movie") for part in parts)
    return b"".join(each.tobytes() for each in found)


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_run_is_its_keras_model_and_predicts_as_sql_does(
    engine: sa.Engine, tmp_path: Path, name: str
) -> None:
    load_frame(engine, rating_frame(users=60, movies=40, count=1500))
    result = train(engine, name, MODELS[name])
    embrec.export_run(engine, result.model_run_id, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(result.keras_model.weights, loaded.weights, strict=True):
        if ours.path.startswith("user_preference"):  # computed from the ratings
            assert np.allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)
        else:
            assert ours.numpy().tobytes() == theirs.numpy().tobytes()
    random, arrays, run = np.random.default_rng(0), extract(engine), records.get_run(engine, result.model_run_id)
    users = random.integers(0, len(arrays.user_indexes), 1000).astype(np.int32)
    movies = random.integers(0, len(arrays.movie_indexes), 1000).astype(np.int32)
    query = sa.text(
        "SELECT embrec.predict_rating(u.user_id, m.movie_id)"
        " FROM unnest(CAST(:users AS integer[]), CAST(:movies AS integer[])) WITH ORDINALITY AS p (u, m, n)"
        " JOIN embrec.users AS u ON u.user_index = p.u JOIN embrec.movies AS m ON m.movie_index = p.m ORDER BY p.n"
    )
    values = {"users": arrays.user_indexes[users].tolist(), "movies": arrays.movie_indexes[movies].tolist()}
    with engine.connect() as connection:
        found = np.array(connection.scalars(query, values).all())
    predicted = loaded.predict([users, movies], verbose=0)[:, 0]
    if not isinstance(loaded, Recommender):  # the article's model knows no scale
        predicted = np.clip(predicted, run.lowest_rating, run.highest_rating)
    assert np.allclose(found, predicted, atol=1e-4)


@pytest.mark.parametrize(("name", "half"), [*((name, False) for name in MODELS), ("two-part", True)])
def test_what_was_exported_is_imported_as_it_was(engine: sa.Engine, tmp_path: Path, name: str, half: bool) -> None:
    load_frame(engine, rating_frame())
    first = train(engine, name, MODELS[name], half=half).model_run_id
    embrec.export_run(engine, first, tmp_path / "model.keras")
    second = embrec.import_run(engine, tmp_path / "model.keras")
    assert bits(engine, first) == bits(engine, second)
    assert in_half(engine, first) == in_half(engine, second) == half
    ours, theirs = records.get_run(engine, first), records.get_run(engine, second)
    for column in ("architecture", "serving", "user_vectors", "mean", "bias_feature", "ridge_constant", "rating_power"):
        assert getattr(ours, column) == getattr(theirs, column), column
    assert order(engine, first) == order(engine, second)
    assert all(order(engine, first)[:3:2]), "there are next movies, and metrics"
    assert theirs.options == {**ours.options, "imported_from": "model.keras"}
    assert not theirs.published
    embrec.publish(engine, second)


def test_a_run_of_events_alone_answers_as_it_did(engine: sa.Engine, tmp_path: Path) -> None:
    frame = rating_frame().rename(columns={"rating": "value", "rated_at": "occurred_at"})
    embrec.load(engine, frame)
    first = train(engine, options=MODELS["two-part"]).model_run_id
    embrec.export_run(engine, first, tmp_path / "model.keras")
    second = embrec.import_run(engine, tmp_path / "model.keras")
    assert bits(engine, first) == bits(engine, second)
    assert order(engine, first) == order(engine, second)
    ours, theirs = records.get_run(engine, first), records.get_run(engine, second)
    assert (theirs.mean, theirs.lowest_rating, theirs.event_count) == (None, None, ours.event_count)
    answers = []
    for run in (first, second):
        with engine.connect() as connection, embrec.answering_from(connection, run):
            found = [embrec.also_watched(connection, "103"), embrec.next_after(connection, "103")]
            for user in ("u1", "u7"):
                found += [embrec.recommend_movies(connection, user), embrec.recommend_next(connection, user)]
        assert all(len(each) for each in found)
        answers.append([each.drop(columns="model_run_id").to_dict() for each in found])
    assert answers[0] == answers[1]
    loaded = keras.models.load_model(tmp_path / "model.keras")
    pairs = np.zeros(5, np.int32), np.arange(5, dtype=np.int32)
    scores = train(engine, options=MODELS["two-part"], publish=False).model.score(pairs[0][:1])[0, :5]
    assert np.allclose(loaded.predict(list(pairs), verbose=0)[:, 0], scores, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("damage", ["cut", "indexes", "order", "vectors"])
def test_an_order_that_was_damaged_is_refused(engine: sa.Engine, tmp_path: Path, damage: str) -> None:
    load_frame(engine, rating_frame())
    run = train(engine, "two-part", MODELS["two-part"]).model_run_id
    embrec.export_run(engine, run, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    arrays = dict(np.load(io.BytesIO(members[next_files.MEMBER])))
    match damage:
        case "indexes":
            arrays["rows_0_indices"][0] = 1_000_000
        case "order":
            arrays["rows_0_data"] = arrays["rows_0_data"][::-1]
        case "vectors":
            arrays |= {
                "vector_decays": np.ones(1),
                "history_vectors": np.ones((1, 3, 2)),
                "movie_vectors": np.ones((3, 2)),
            }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    members[next_files.MEMBER] = buffer.getvalue()[: 100 if damage == "cut" else None]
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(DataError, match=r"embrec_next\.npz in .*other\.keras cannot be read \(.*Export the run again"):
        embrec.import_run(engine, tmp_path / "other.keras")
    assert [each.model_run_id for each in records.list_runs(engine)] == [run]


def test_the_commands_export_and_import(embrec: Run, engine: sa.Engine, url: str, tmp_path: Path) -> None:
    load_frame(engine, rating_frame())
    train(engine, "matrix-factorization")
    file, at = str(tmp_path / "model.keras"), ["--database-url", url]
    code, out, err = embrec("runs", "export", "1", file, *at)
    assert (code, out) == (0, "")
    assert "import embrec.models.recommender" in err
    code, out, err = embrec("runs", "import", file, *at)
    assert (code, out, err) == (0, "", "Model run 2 is stored.\nModel run 2 is published.\n")
    code, _, err = embrec("runs", "import", str(tmp_path / "none.keras"), *at)
    assert code == 1
    assert "is no Keras file with a run of embrec" in err


def test_users_and_movies_of_another_database_are_found_by_their_ids(engine: sa.Engine, tmp_path: Path) -> None:
    frame = rating_frame()
    load_frame(engine, frame)
    result = train(engine, "two-part", MODELS["two-part"])
    embrec.export_run(engine, result.model_run_id, tmp_path / "model.keras")
    before, vectors = embrec.vectors(engine, "movie", "rating")
    before_users, _ = embrec.vectors(engine, "user", "rating")
    following = embrec.recommend_next_for(engine, ["107"], 30)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM embrec.ratings"))
        for side in ("users", "movies"):  # other numbers, some unknown
            connection.execute(sa.text(f"UPDATE embrec.{side} SET {side[:-1]}_id = {side[:-1]}_id || '-old'"))
    load_frame(engine, frame[~frame.movie_id.isin([103, 104]) & (frame.user_id != "u3")].iloc[::-1])
    run = embrec.import_run(engine, tmp_path / "model.keras")
    movies, found = embrec.vectors(engine, "movie", "rating", run)
    assert set(movies) == set(before) - {"103", "104"}
    by_id = dict(zip(before, vectors, strict=True))
    assert all((by_id[movie] == vector).all() for movie, vector in zip(movies, found, strict=True))
    assert set(embrec.vectors(engine, "user", "rating", run)[0]) == set(before_users) - {"u3"}
    embrec.publish(engine, run)
    assert len(embrec.recommend_movies(engine, "u1", 3)) == 3
    score = dict(zip(following.movie_id, following.score, strict=True))
    found = embrec.recommend_next_for(engine, ["107"], 30)
    assert len(found) == 17
    assert found.score.tolist() == pytest.approx([score[movie] for movie in found.movie_id], rel=1e-5)
    assert found.score.is_monotonic_decreasing


def test_a_run_is_fine_tuned_as_any_keras_model_and_published(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame(users=60, movies=40, count=1500))
    result = train(engine, "two-part", MODELS["two-part"])
    model, arrays = result.keras_model, extract(engine)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    pairs = [arrays.users, arrays.movies]
    before = model.evaluate(pairs, arrays.ratings, verbose=0)
    preference = model.movie_preference.get_weights()[0]
    model.fit(pairs, arrays.ratings, epochs=10, verbose=0)
    assert model.evaluate(pairs, arrays.ratings, verbose=0) < before
    assert (model.movie_preference.get_weights()[0] == preference).all(), "no rating's error says anything about it"
    run = embrec.add_run(engine, model, like=result.model_run_id)
    assert records.get_run(engine, run).serving == "two_part"
    assert records.get_run(engine, run).options["continued_from"] == result.model_run_id
    embrec.publish(engine, run)
    tuned = embeddings.read(engine, run, "user").vectors
    assert tuned.tobytes() == model.user_vector.get_weights()[0].tobytes()
    assert tuned.tobytes() != embeddings.read(engine, result.model_run_id, "user").vectors.tobytes()
    assert set(embrec.recommend_movies(engine, "u1", 3)["model_run_id"]) == {run}
    assert order(engine, run) == order(engine, result.model_run_id)


def test_what_cannot_be_transferred_is_said(engine: sa.Engine, tmp_path: Path) -> None:
    load_frame(engine, rating_frame())
    run = train(engine, "matrix-factorization", {"epochs": 1}).model_run_id
    with pytest.raises(DataError, match="does not end in .keras"):
        embrec.export_run(engine, run, tmp_path / "model.h5")
    plain = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]).save(plain)
    with pytest.raises(DataError, match="no Keras file with a run of embrec"):
        embrec.import_run(engine, plain)
    embrec.export_run(engine, run, tmp_path / "model.keras")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.movies SET movie_id = movie_id || '-other'"))
    with pytest.raises(DataError, match="knows 0 of the 20 movies"):
        embrec.import_run(engine, tmp_path / "model.keras")
    other = stored_run(engine, np.eye(4), np.eye(4))
    with pytest.raises(RunError, match="30 users and 20 movies, run 2"):
        embrec.add_run(engine, train(engine, "matrix-factorization", {"epochs": 1}).keras_model, like=other)
    assert zipfile.is_zipfile(tmp_path / "model.keras")
