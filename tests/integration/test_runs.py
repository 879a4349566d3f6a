"""The life of small runs: training, storing vectors, publishing, rolling back, deleting."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, stored_run
from faulting import wait_for

from embrec import metrics, splits
from embrec.data.extraction import extract
from embrec.errors import ConfigError, DataError, RunError, TrainingError, UnknownRunError
from embrec.runs import cleanup, embeddings, publishing, records
from embrec.serving import similar
from embrec.training import train

VECTORS = np.eye(6, 4) + 0.1
QUICK = "matrix-factorization"


def test_training_records_the_run_and_publishes_its_vectors_bit_for_bit(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    epochs = []
    result = train(engine, "outer-product", {"epochs": 2}, seed=5, on_epoch=epochs.append)
    run = records.get_run(engine, result.model_run_id)
    arrays = extract(engine)
    assert run.published
    assert result.published
    assert (run.status, run.architecture, run.seed) == ("trained", "outer-product", 5)
    assert run.options == {
        "dimensions": 32,
        "hidden_units": 500,
        "learning_rate": 0.01,
        "epochs": 2,
        "batch_size": 128,
        "holdout": 0.0,
        "half": False,
        "next": True,
        "next_learned": False,
    }
    assert set(run.library_versions) == {"python", "embrec", "keras", "tensorflow", "numpy"}
    assert (run.user_count, run.movie_count, run.rating_count) == (30, 20, len(arrays.ratings))
    assert (run.newest_rating_at, run.ratings_sha256) == (arrays.newest_rating_at, arrays.sha256)
    assert (run.dimensions, run.parameters["hidden"]) == (32, 512_500)
    assert [epoch["epoch"] for epoch in run.history] == [1, 2] == [epoch.epoch for epoch in epochs]
    assert run.metrics["kept_epoch"] == 2
    predicted = result.model.predict(arrays.users, arrays.movies)
    assert run.metrics["train_rmse"] == pytest.approx(metrics.rmse(predicted, arrays.ratings))
    assert run.finished_at > run.started_at
    for side, indexes, vectors in (
        ("movie", arrays.movie_indexes, result.model.movie_vectors),
        ("user", arrays.user_indexes, result.model.user_vectors),
    ):
        found_indexes, found, *_ = embeddings.read(engine, result.model_run_id, side)
        assert np.array_equal(found_indexes, indexes)
        assert found.tobytes() == vectors.tobytes()


def test_matrix_factorisation_stores_what_a_prediction_takes(engine: sa.Engine) -> None:
    """The prediction is mean + user bias + movie bias + dot product, from the database alone."""
    load_frame(engine, rating_frame())
    result = train(engine, QUICK)
    arrays = extract(engine)
    query = """
        SELECT r.mean + u.bias + m.bias - (u.embedding <#> m.embedding)
        FROM embrec.ratings AS t
        JOIN embrec.model_runs AS r ON r.model_run_id = :run
        JOIN embrec.user_embeddings AS u ON (u.model_run_id, u.part, u.user_index) = (:run, 'rating', t.user_index)
        JOIN embrec.movie_embeddings AS m ON (m.model_run_id, m.part, m.movie_index) = (:run, 'rating', t.movie_index)
        ORDER BY t.user_index, t.movie_index"""
    with engine.connect() as connection:
        found = np.array(list(connection.scalars(sa.text(query), {"run": result.model_run_id})))
    assert np.allclose(found, result.model.predict(arrays.users, arrays.movies), atol=1e-5)
    assert records.get_run(engine, result.model_run_id).architecture == "matrix-factorization"


def test_the_default_model_has_two_parts_and_answers_by_both(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    result = train(engine, options={"draws": 3, "dimensions": 6})
    assert result.model.preference is not None
    run = records.get_run(engine, result.model_run_id)
    assert (run.architecture, run.dimensions) == ("two-part", 6)
    assert (run.movie_similarity, run.user_similarity) == ("similarity", "similarity")
    stored = {
        ("user", "rating"): result.model.user_vectors,
        ("user", "similarity"): result.model.user_similarity,
        ("movie", "rating"): result.model.movie_vectors,
        ("movie", "preference"): result.model.preference.movie_vectors,
        ("movie", "profile"): result.model.preference.movie_profiles,
        ("movie", "similarity"): result.model.preference.similarity,
    }
    for (side, part), vectors in stored.items():
        assert embeddings.read(engine, result.model_run_id, side, part).vectors.tobytes() == vectors.tobytes()
    assert not len(embeddings.read(engine, result.model_run_id, "user", "preference").indexes), "no answer needs them"
    assert (run.user_spread, run.movie_spread) == pytest.approx(
        tuple(np.sqrt(np.mean(each**2)) for each in (result.model.user_spreads, result.model.movie_spreads))
    )
    query = """
        SELECT embrec.rating_uncertainty(u.user_id, m.movie_id) FROM embrec.users AS u, embrec.movies AS m
        ORDER BY u.user_index, m.movie_index"""
    with engine.connect() as connection:
        found = np.array(list(connection.scalars(sa.text(query)))).reshape(30, 20)
    expected = np.outer(result.model.user_spreads.astype(np.float64), result.model.movie_spreads.astype(np.float64))
    assert np.allclose(found, expected, rtol=1e-12)
    similarity = result.model.preference.similarity.astype(np.float64)
    unit = similarity / np.linalg.norm(similarity, axis=1, keepdims=True)
    with engine.connect() as connection:
        first = connection.scalar(sa.text("SELECT movie_id FROM embrec.movies WHERE movie_index = 0"))
        numbers = dict(connection.execute(sa.text("SELECT movie_id, movie_index FROM embrec.movies")).all())
    answer = similar.similar_movies(engine, first, 5)
    expected = similarity @ unit[0]
    assert np.allclose(answer.similarity, [expected[numbers[movie]] for movie in answer.movie_id], atol=1e-6)
    assert answer.similarity.min() >= np.sort(expected)[-6] - 1e-6
    assert len(similar.similar_users(engine, "u1", 3)) == 3


def test_without_draws_the_default_model_is_quick(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    result = train(engine, options={"draws": 0})
    assert len(result.model.history) == 8, "sweeps of alternating least squares"
    assert result.model.preference is not None


def test_the_same_seed_gives_the_same_vectors_from_the_database_too(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    first, second = (train(engine, options={"draws": 2}, seed=3).model_run_id for _ in range(2))
    for part in ("rating", "preference", "profile", "similarity"):
        vectors = [embeddings.read(engine, run, "movie", part).vectors.tobytes() for run in (first, second)]
        assert vectors[0] == vectors[1], part


def test_the_search_of_the_penalty_begins_at_the_published_runs(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    quick = {"draws": 0, "dimensions": 4}
    first = train(engine, options={**quick, "penalty": 320.0})
    assert records.get_run(engine, first.model_run_id).metrics["penalty"] == 320.0
    second, third = (train(engine, options=given) for given in (quick, {**quick, "first_penalty": 80.0}))
    options = [records.get_run(engine, each.model_run_id).options for each in (first, second, third)]
    assert [each["first_penalty"] for each in options] == [None, 320.0, 80.0], "none of it is searched in the first"
    assert second.model.preference is not None
    assert third.model.preference is not None
    assert second.model.preference.penalty == records.get_run(engine, second.model_run_id).metrics["penalty"]
    train(engine, QUICK, {"epochs": 1})
    last = records.get_run(engine, train(engine, options=quick).model_run_id)
    assert last.options["first_penalty"] is None, "the published run is of another model"


def test_a_warm_start_goes_on_from_the_published_run(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    earlier = train(engine, QUICK, {"epochs": 8})
    load_frame(engine, pd.DataFrame({"user_id": ["1", "new"], "movie_id": ["new", "new"], "rating": [3.0, 4.0]}))
    cold, warm = (
        train(engine, QUICK, {"epochs": 1}, publish=False, warm_start=warm_start) for warm_start in (False, True)
    )
    assert warm.metrics["train_rmse"] < cold.metrics["train_rmse"]
    movies, vectors, *_ = embeddings.read(engine, warm.model_run_id, "movie")
    known = np.isin(movies, embeddings.read(engine, earlier.model_run_id, "movie").indexes)
    assert known.sum() == len(movies) - 1
    # One sweep solves the users, so the movies are still those of the published run.
    assert np.allclose(vectors[known], earlier.model.movie_vectors, rtol=1e-5, atol=0)
    options = records.get_run(engine, warm.model_run_id).options
    assert options["begin_with"] == earlier.model_run_id


def test_a_warm_start_needs_a_published_run_of_its_kind(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with pytest.raises(RunError, match="No run is published"):
        train(engine, QUICK, warm_start=True)
    for architecture in ("outer-product", "two-part"):
        with pytest.raises(ConfigError, match=f"{architecture} cannot begin with a run"):
            train(engine, architecture, warm_start=True)
    train(engine, QUICK, {"epochs": 1, "dimensions": 5})
    with pytest.raises(RunError, match="matrix-factorization with 5 dimensions; a warm start wants .* with 31"):
        train(engine, QUICK, warm_start=True)
    assert len(records.list_runs(engine)) == 1, "nothing is recorded of what did not begin"


def test_a_held_out_part_gives_an_error_on_ratings_the_model_has_not_seen(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    result = train(engine, QUICK, {"epochs": 2}, holdout=0.2, publish=False)
    arrays = extract(engine)
    _, held = splits.random_split(len(arrays.ratings), 0.2, 0)
    predicted = result.model.predict(arrays.users[held], arrays.movies[held])
    assert result.metrics["held_out_rmse"] == pytest.approx(metrics.rmse(predicted, arrays.ratings[held]))
    assert not result.published
    with engine.connect() as connection:
        assert records.published_run_id(connection) is None


def test_no_connection_is_open_while_fitting(engine: sa.Engine, admin: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    with engine.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
    epochs = []

    def see(epoch: object) -> None:
        query = sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
        with admin.connect() as connection:
            wait_for(lambda: connection.scalar(query) == 0)  # a closed session's backend takes a moment to end
        epochs.append(epoch)

    train(engine, QUICK, {"epochs": 1}, on_epoch=see)
    assert len(epochs) == 1


def test_a_connection_lost_while_fitting_is_made_again(engine: sa.Engine, admin: sa.Engine) -> None:
    """The engine is the caller's own, which does not test pooled connections before use."""
    load_frame(engine, rating_frame())
    own = sa.create_engine("postgresql+psycopg://", creator=engine.pool._creator)
    with own.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))

    def kill(epoch: object) -> None:
        with own.connect():  # leaves a connection in the pool
            pass
        with admin.connect() as connection:
            connection.execute(
                sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            )

    result = train(own, QUICK, {"epochs": 1}, on_epoch=kill)
    own.dispose()
    assert records.get_run(engine, result.model_run_id).published


def test_two_deletes_at_once_and_one_that_was_interrupted(engine: sa.Engine) -> None:
    made = [stored_run(engine, VECTORS) for _ in range(4)]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as interrupted, engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM embrec.movie_embeddings"))  # keeps the parent's lock
        interrupted.execute(sa.text("SET statement_timeout = '300ms'"))
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            interrupted.execute(
                sa.text(
                    "ALTER TABLE embrec.movie_embeddings"
                    f" DETACH PARTITION embrec.movie_embeddings_run_{made[0]} CONCURRENTLY"
                )
            )
        reader.rollback()
        interrupted.execute(sa.text("RESET statement_timeout"))
    threads = [threading.Thread(target=publishing.delete, args=(engine, run)) for run in made[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    publishing.delete(engine, made[0])
    with engine.connect() as connection:
        left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%embeddings_run_%' AND relkind = 'r'"
        assert connection.scalar(sa.text(left)) == 0
    assert records.list_runs(engine) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TrainingError("boom")])
def test_a_fit_that_ends_early_is_recorded_as_failed_and_stores_nothing(
    engine: sa.Engine, error: BaseException
) -> None:
    load_frame(engine, rating_frame())

    def fail(epoch: object) -> None:
        raise error

    with pytest.raises(type(error)):
        train(engine, QUICK, {"epochs": 2}, on_epoch=fail)
    (run,) = records.list_runs(engine)
    assert (run.status, run.error) == ("failed", str(error) or "KeyboardInterrupt")
    assert len(embeddings.read(engine, run.model_run_id, "movie")[0]) == 0
    with pytest.raises(RunError, match="is failed"):
        publishing.publish(engine, run.model_run_id)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model": "magic"},
            "no architecture magic. Choose one of: two-part, matrix-factorization, outer-product",
        ),
        ({"options": {"depth": 3}}, "has no option depth. It has: dimensions"),
        ({"holdout": 1.0}, "holdout is 1.0"),
    ],
)
def test_options_that_do_not_exist_are_named(engine: sa.Engine, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(engine, **arguments)


def test_one_rating_cannot_be_split(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame().head(1))
    with pytest.raises(DataError, match="without --holdout"):
        train(engine, holdout=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_and_nothing_is_stored(engine: sa.Engine, value: float) -> None:
    vectors = VECTORS.copy()
    vectors[3] = value
    with pytest.raises(RunError, match=r"1 of 6 movie rating vectors .*the first at 3"):
        stored_run(engine, vectors)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.movie_embeddings")) == 0


def test_publishing_rolling_back_and_publishing_again(engine: sa.Engine) -> None:
    first, second, third = (stored_run(engine, VECTORS) for _ in range(3))
    with pytest.raises(RunError, match="No earlier published run"):
        publishing.rollback(engine)
    for run in (first, second, second, third):
        publishing.publish(engine, run)
    assert publishing.rollback(engine) == second
    assert publishing.rollback(engine) == first
    with pytest.raises(RunError, match="No earlier published run"):
        publishing.rollback(engine)
    publishing.publish(engine, third)
    assert publishing.rollback(engine) == first
    with engine.connect() as connection:
        history = connection.execute(
            sa.text("SELECT model_run_id, action FROM embrec.publications ORDER BY publication_id")
        ).all()
    assert [tuple(row) for row in history] == [
        (first, "publish"),
        (second, "publish"),
        (third, "publish"),
        (second, "rollback"),
        (first, "rollback"),
        (third, "publish"),
        (first, "rollback"),
    ]


def test_rolling_back_passes_over_deleted_runs(engine: sa.Engine) -> None:
    first, second, third = (stored_run(engine, VECTORS) for _ in range(3))
    for run in (first, second, third):
        publishing.publish(engine, run)
    publishing.delete(engine, second)
    assert publishing.rollback(engine) == first


def test_the_keys_of_a_runs_vectors_leave_no_room_for_more(engine: sa.Engine) -> None:
    stored_run(engine, VECTORS)
    with engine.connect() as connection:
        keys = connection.execute(
            sa.text(
                "SELECT c.relname, c.reloptions FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
                " JOIN pg_class AS t ON t.oid = i.indrelid"
                " WHERE t.relkind = 'r' AND t.relname ~ '^(user|movie)_embeddings_run_' AND i.indisprimary"
            )
        ).fetchall()
    assert {name.split("_")[0] for name, _ in keys} == {"user", "movie"}
    assert all(options == ["fillfactor=100"] for _, options in keys), keys


def test_deleting_a_run_takes_its_vectors_and_keeps_its_record(engine: sa.Engine) -> None:
    first, second = stored_run(engine, VECTORS), stored_run(engine, VECTORS)
    publishing.publish(engine, second)
    publishing.delete(engine, first)
    with engine.connect() as connection:
        left = connection.scalars(
            sa.text("SELECT relname FROM pg_class WHERE relname LIKE '%embeddings_run%' AND relkind = 'r'")
        )
        assert sorted(left) == [f"{side}_embeddings_run_{second}_rating" for side in ("movie", "user")]
    assert [run.model_run_id for run in records.list_runs(engine)] == [second]
    assert [run.status for run in records.list_runs(engine, include_deleted=True)] == ["trained", "deleted"]
    publishing.delete(engine, first)  # again, as after an interruption
    with pytest.raises(RunError, match=r"is published\. Publish another first"):
        publishing.delete(engine, second)
    with pytest.raises(RunError, match="is deleted"):
        publishing.publish(engine, first)


def test_an_interrupted_delete_can_be_finished(engine: sa.Engine) -> None:
    run = stored_run(engine, VECTORS)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE embrec.model_runs SET status = 'deleted' WHERE model_run_id = {run}"))
        connection.execute(
            sa.text(f"ALTER TABLE embrec.user_embeddings DETACH PARTITION embrec.user_embeddings_run_{run}")
        )
    publishing.delete(engine, run)
    with engine.connect() as connection:
        assert (
            connection.scalar(
                sa.text("SELECT count(*) FROM pg_class WHERE relname LIKE '%embeddings_run_%' AND relkind = 'r'")
            )
            == 0
        )


def test_a_training_run_is_neither_published_nor_deleted(engine: sa.Engine) -> None:
    run = records.start(engine, FAKE_RUN)
    with pytest.raises(RunError, match="is training"):
        publishing.publish(engine, run)
    with pytest.raises(RunError, match=r"is training\. Stop its process first"):
        publishing.delete(engine, run)


def test_an_unknown_run_is_named(engine: sa.Engine) -> None:
    for action in (records.get_run, publishing.publish, publishing.delete):
        with pytest.raises(UnknownRunError, match=r"no model run 99\. There are none yet\. Run: embrec train"):
            action(engine, 99)


def test_a_reader_never_sees_two_runs_mixed_or_none(engine: sa.Engine) -> None:
    """Readers ask while runs of different sizes are published, rolled back, stored and deleted."""
    load_frame(engine, rating_frame(users=2, movies=6, count=12))
    random = np.random.default_rng(0)
    sizes = {stored_run(engine, random.normal(size=(size, 4 + size))): size for size in (4, 6)}
    small, large = sizes
    publishing.publish(engine, small)
    stop = threading.Event()
    faults: list[str] = []
    counted = [0]

    def reader() -> None:
        while not stop.is_set():
            answer = similar.similar_movies(engine, movie, 10)
            answered = set(answer["model_run_id"])
            if len(answered) != 1 or len(answer) != sizes[answered.pop()] - 1:
                faults.append(str(answer))
            counted[0] += 1

    with engine.connect() as connection:
        movie = connection.scalar(sa.text("SELECT movie_id FROM embrec.movies WHERE movie_index = 0"))
    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        publishing.publish(engine, large)
        extra = stored_run(engine, random.normal(size=(5, 3)))
        publishing.rollback(engine)
        publishing.delete(engine, extra)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert counted[0] > 50


def test_of_two_publishers_at_once_both_are_in_the_history(engine: sa.Engine) -> None:
    made = [stored_run(engine, VECTORS) for _ in range(6)]
    threads = [threading.Thread(target=publishing.publish, args=(engine, run)) for run in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        history = list(connection.scalars(sa.text("SELECT model_run_id FROM embrec.publications ORDER BY 1")))
        newest = connection.scalar(
            sa.text("SELECT model_run_id FROM embrec.publications ORDER BY publication_id DESC LIMIT 1")
        )
        assert history == made
        assert records.published_run_id(connection) == newest


def test_a_training_keeps_the_newest_runs_and_what_may_answer(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    made = [stored_run(engine, VECTORS) for _ in range(4)]
    publishing.publish(engine, made[0])
    result = train(engine, QUICK, {"epochs": 1}, keep=2)
    assert (result.published, result.deleted) == (True, tuple(made[1:3]))
    assert [run.model_run_id for run in records.list_runs(engine)] == [result.model_run_id, made[3], made[0]]
    assert publishing.rollback(engine) == made[0]
    assert train(engine, QUICK, {"epochs": 1}, publish=False, keep=None).deleted == ()


def test_a_training_by_a_role_that_owns_no_run_deletes_none(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    stored_run(engine, VECTORS)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL ROLE embrec_trainer"))
        assert cleanup.delete_old(connection, 1) == []
