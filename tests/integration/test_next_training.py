"""Trainings that learn what comes next: when they do, what they store, and that SQL is held against the model."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame

from embrec.data import events
from embrec.data.extraction import extract
from embrec.errors import ConfigError, DataError
from embrec.models.next import decays
from embrec.models.next import model as next_model
from embrec.models.next.selection import Candidates, choose
from embrec.runs import embeddings, next_fit, records
from embrec.runs import next as next_steps
from embrec.runs.answers import check_answers
from embrec.runs.store import Rows
from embrec.training import TrainResult, train

MODEL = "matrix-factorization"
OPTIONS = {"epochs": 2}


def trained(engine: sa.Engine, **changes: object) -> TrainResult:
    return train(engine, MODEL, OPTIONS, **changes)


def test_a_training_stores_what_it_learned_of_the_order(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    result = trained(engine)
    model, run = result.model.next, records.get_run(engine, result.model_run_id)
    assert model is not None
    assert result.published
    assert run.options["next"] is True
    assert (run.history_length, run.row_decays) == (model.length, pytest.approx(model.row_decays))
    assert 0 <= result.metrics["next_ndcg"] <= result.metrics["next_hit_rate"] <= 1
    assert result.metrics["next_ndcg"] == run.metrics["next_ndcg"]
    assert any(name.startswith("next_weight_") for name in run.metrics)
    arrays = extract(engine, with_times=True)
    with engine.connect() as connection:
        read = next_steps.read(connection, run, arrays.movie_indexes)
        answered = connection.scalar(sa.text("SELECT count(*) FROM embrec.recommend_next('u1', 5)"))
    assert read is not None
    history = arrays.sequences().history(0)
    np.testing.assert_allclose(read.score(history), model.score(history), rtol=1e-6)
    assert answered == 5


def test_the_same_order_gives_the_same_bits(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    first, second = (trained(engine, publish=False).model.next for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.metrics == second.metrics
    for one, other in zip(first.rows, second.rows, strict=True):
        assert one.data.tobytes() == other.data.tobytes()
        assert one.indices.tobytes() == other.indices.tobytes()


def test_ratings_without_times_teach_no_order(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame().drop(columns="rated_at"))
    result = trained(engine)
    run = records.get_run(engine, result.model_run_id)
    assert result.model.next is None
    assert (run.options["next"], run.history_length, run.row_decays) == (False, None, None)
    with pytest.raises(DataError, match=r"most ratings have no time.*without --next"):
        trained(engine, what_next=True)
    events.add_event(engine, "u1", "101")
    assert trained(engine).model.next is not None


def test_the_order_is_left_out_on_request_and_of_very_many(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    load_frame(engine, rating_frame())
    assert trained(engine, what_next=False).model.next is None
    monkeypatch.setattr(next_fit, "MOST_BY_ITSELF", 100)
    assert trained(engine).model.next is None
    assert trained(engine, what_next=True).model.next is not None


def test_a_run_that_answers_otherwise_than_its_model_is_seen(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    result = trained(engine, publish=False)
    arrays = extract(engine)
    rows = Rows(arrays.user_indexes, arrays.movie_indexes, arrays.fingerprints(), 1.0, 5.0)
    assert check_answers(engine, result.model_run_id, rows, result.model)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.next_movies SET weights = array_append(weights[2:], weights[1])"))
    assert not check_answers(engine, result.model_run_id, rows, result.model)
    assert records.get_run(engine, result.model_run_id).serving == "similarity_only"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Keras learn few numbers of few movies."""
    monkeypatch.setattr(decays, "Options", functools.partial(decays.Options, dimensions=8, epochs=2, batch_steps=64))


def with_a_weight_for_the_last_part(candidates: Candidates) -> np.ndarray:
    weights = choose(candidates)
    weights[-1] = 0.5 / candidates.scales[-1]
    return weights


@pytest.mark.usefixtures("quick")
def test_every_user_gets_the_list_of_a_model_with_a_learned_part(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_model, "choose", with_a_weight_for_the_last_part)
    load_frame(engine, rating_frame())
    result = trained(engine, next_learned=True)
    model, run = result.model.next, records.get_run(engine, result.model_run_id)
    assert model is not None
    assert result.published
    assert run.metrics["next_weight_learned"] > 0
    assert run.metrics["next_learned_epochs"] in {1, 2}
    assert (run.options["next"], run.options["next_learned"]) == (True, True)
    assert set(np.float32([0.5, 0.8])).isdisjoint(run.vector_decays), "the decays are learned"
    assert len(run.vector_decays) >= 5
    arrays = extract(engine, with_times=True)
    at = {movie_id: place for place, movie_id in enumerate(arrays.movie_ids)}
    statement = sa.text("SELECT movie_id, score FROM embrec.recommend_next(CAST(:user AS text), 10)")
    with engine.connect() as connection:
        ids = embeddings.external_ids(connection, "user", arrays.user_indexes)
        for user, user_id in enumerate(ids):
            history = arrays.sequences().history(user)
            scores = model.score(history)
            found = connection.execute(statement, {"user": user_id}).all()
            np.testing.assert_allclose(
                [row.score for row in found], scores[[at[row.movie_id] for row in found]], atol=1e-6
            )
            scores[history] = -np.inf
            new = np.sort(scores[np.isfinite(scores)])[::-1][:10]
            np.testing.assert_allclose([row.score for row in found], new, atol=1e-6)
    assert len(ids) == 30


@pytest.mark.usefixtures("quick")
def test_a_learned_part_is_tried_on_request_alone_and_with_the_same_bits(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    first, second = (trained(engine, publish=False, next_learned=True).model.next for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.metrics is not None
    assert first.metrics == second.metrics
    assert first.metrics["next_weight_learned"] >= 0
    assert first.metrics["next_learned_epochs"] >= 1
    without = trained(engine, publish=False)
    assert without.model.next is not None
    assert not {"next_weight_learned", "next_learned_epochs"} & set(without.model.next.metrics or {})
    assert records.get_run(engine, without.model_run_id).options["next_learned"] is False


def test_a_learned_part_without_the_others_is_refused(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame().drop(columns="rated_at"))
    with pytest.raises(ConfigError, match=r"train without --no-next"):
        trained(engine, what_next=False, next_learned=True)
    with pytest.raises(DataError, match=r"most ratings have no time.*--next-learned"):
        trained(engine, next_learned=True)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.model_runs")) == 0
