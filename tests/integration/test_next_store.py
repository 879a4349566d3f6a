"""The next movies and vectors of a run, written and read back."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import sqlalchemy as sa
from data import FAKE_RUN

from embrec.errors import RunError
from embrec.models.next.base import NextModel, strongest
from embrec.runs import next as next_steps
from embrec.runs import records
from embrec.runs.records import TrainedRun

INDEXES = np.array([2, 3, 5, 9], np.int32)


def some_model(**changes: object) -> NextModel:
    weights = (
        [[0, 0.5, 0, 2], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, -3, 0]],
        [[1, 1, 1, 1], [0, 0, 0, 0.25], [0] * 4, [0] * 4],
    )
    rows = [strongest(scipy.sparse.csr_array(np.array(each, np.float32)), 3) for each in weights]
    random = np.random.default_rng(0)
    vectors = random.normal(size=(3, 4, 6)).astype(np.float32)
    vectors[1, 2] = 0
    given = {
        "length": 7, "row_decays": (0.0, 0.5), "rows": rows, "vector_decays": (0.25, 1.0),
        "history_vectors": vectors[1:], "movie_vectors": vectors[0],
    }  # fmt: skip
    return NextModel(**{**given, **changes})


def recorded(engine: sa.Engine, model: NextModel) -> int:
    run = records.start(engine, FAKE_RUN)
    described = TrainedRun(
        2, "dense_head", "stored",
        history_length=model.length, row_decays=model.row_decays, vector_decays=model.vector_decays,
    )  # fmt: skip
    with engine.begin() as connection:
        next_steps.store(connection, run, INDEXES, model)
        records.finish(connection, run, described)
    return run


@pytest.mark.parametrize("vectors", [True, False])
def test_a_model_is_read_as_it_was_written(engine: sa.Engine, vectors: bool) -> None:
    without = {} if vectors else {"vector_decays": (), "history_vectors": None, "movie_vectors": None}
    model = some_model(**without)
    run = recorded(engine, model)
    with engine.connect() as connection:
        read = next_steps.read(connection, records.get_run(connection, run), INDEXES)
        written = connection.scalar(sa.text("SELECT count(*) FROM embrec.next_movies"))
    assert read is not None
    assert written == 5, "movies without weights have no row"
    assert (read.length, read.row_decays, read.vector_decays) == (7, (0.0, 0.5), model.vector_decays)
    for own, others in zip(model.rows, read.rows, strict=True):
        np.testing.assert_array_equal(own.toarray(), others.toarray())
    for name in ("history_vectors", "movie_vectors"):
        np.testing.assert_array_equal(getattr(read, name), getattr(model, name))
    history = np.array([0, 3, 1, 0], np.int32)
    np.testing.assert_array_equal(read.score(history), model.score(history))


def test_a_run_without_that_part_has_none(engine: sa.Engine) -> None:
    run = records.start(engine, FAKE_RUN)
    with engine.connect() as connection:
        assert next_steps.read(connection, records.get_run(connection, run), INDEXES) is None


def test_weights_that_are_not_finite_are_refused(engine: sa.Engine) -> None:
    model = some_model()
    model.rows[1].data[2] = np.inf
    with pytest.raises(RunError, match="not finite"):
        recorded(engine, model)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.next_movies")) == 0
