"""A trainer changes neither a trained run nor another role's run in training."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, load_frame, rating_frame, stored_run, two_part_run

from embrec import db
from embrec.data import ratings
from embrec.db import schema
from embrec.errors import DatabaseError, RunError
from embrec.runs import embeddings, publishing, records
from embrec.runs.cleanup import collect_garbage
from embrec.runs.embeddings import Vectors
from embrec.runs.records import TrainedRun
from embrec.serving import predict, recommend, similar

VECTORS = Vectors(np.arange(5, dtype=np.int32), np.eye(5, dtype=np.float32))
# Run 1 is published, run 2 is trained, run 3 is in training by the schema's owner.
ATTACKS = (
    "UPDATE embrec.model_runs SET rating_power = 0 WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET mean = 0, lowest_rating = -9 WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET metrics = '{{}}' WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET status = 'failed' WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET status = 'deleted' WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET heartbeat_at = '2000-01-01' WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET vectors_sha256 = 'x' WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET trained_by = session_user WHERE model_run_id = {run}",
    "UPDATE embrec.model_runs SET serving = 'similarity_only' WHERE model_run_id = {run}",
    "INSERT INTO embrec.movie_neighbours VALUES ({run}, 4711, '{{1,2}}')",
    "INSERT INTO embrec.run_matrices VALUES ({run}, 'x', 0, 0, '[1]')",
    "SELECT embrec.open_run({run}, 'user', '{{similarity}}')",
    "SELECT embrec.close_run({run}, 'movie')",
    "SELECT embrec.index_run({run}, 'movie', 'similarity')",
)


@pytest.fixture
def served(engine: sa.Engine) -> sa.Engine:
    """A database with a published run, a trained one, and one in training."""
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    publishing.publish(engine, 1)
    assert records.start(engine, FAKE_RUN) == 3
    return engine


def everything(engine: sa.Engine) -> list[object]:
    """Return what the runs have on record, and what the published one answers."""
    with engine.connect() as connection:
        rows = connection.scalars(sa.text("SELECT CAST(r AS text) FROM embrec.model_runs AS r ORDER BY 1")).all()
    answers = recommend.recommend_movies(engine, "u5", 10), similar.similar_movies(engine, 101, 10)
    return [*rows, *(each.to_csv() for each in answers), predict.predict_rating(engine, "u5", 103)]


def refused(engine: sa.Engine, statement: str, run: int) -> str:
    """Return the error of a statement, or an empty text."""
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement.format(run=run).replace(":", r"\:")))
    except sa.exc.DBAPIError as error:
        return str(error.orig)
    return ""


@pytest.mark.parametrize("run", [1, 2, 3])
def test_a_trainer_changes_no_run_but_its_own(served: sa.Engine, login, run: int) -> None:
    before, trainer = everything(served), login("trainer")
    for attack in ATTACKS:
        error = refused(trainer, attack, run)
        assert "permission denied" in error or "is trained, so nothing is added" in error, (attack, error)
    assert everything(served) == before
    assert collect_garbage(served, dry_run=True) == []


def test_a_trainer_changes_nothing_of_its_own_run_once_it_is_published(served: sa.Engine, login) -> None:
    trainer = login("trainer")
    run = stored_run(trainer, np.eye(5, dtype=np.float32))
    publishing.publish(served, run, force=True)
    before = records.get_run(served, run)
    assert str(before.trained_by).startswith("embrec_login_trainer")
    for attack in ATTACKS:
        if "trained_by" not in attack and "index_" not in attack:  # its own already
            assert refused(trainer, attack, run), attack
    assert records.get_run(served, run) == before


def test_a_run_is_not_recorded_as_trained_with_a_table_left_open(served: sa.Engine, login) -> None:
    """The trainer could add to such a table later, and answers read it by its name."""
    trainer = login("trainer")
    run = records.start(trainer, FAKE_RUN)
    with trainer.begin() as connection:
        embeddings.store(connection, run, "movie", {"rating": VECTORS})
        connection.execute(sa.text(f"SELECT embrec.open_run({run}, 'user', '{{rating}}')"))
    with pytest.raises(DatabaseError, match="still open"):
        records.finish(trainer, run, TrainedRun(5, "similarity_only", "stored"))


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_what_is_added_in_another_transaction_does_not_come_after_the_end(
    served: sa.Engine,
    login,
    level: str,
) -> None:
    trainer = login("trainer")
    run = stored_in_training(trainer)
    with trainer.execution_options(isolation_level=level).connect() as late:
        late.execute(sa.text("SELECT count(*) FROM embrec.model_runs"))  # its snapshot, at REPEATABLE READ
        records.finish(trainer, run, TrainedRun(5, "similarity_only", "stored"))
        with pytest.raises(DatabaseError, match="is trained, so|at READ COMMITTED"), db.translated_errors():
            late.execute(sa.text(f"INSERT INTO embrec.run_matrices VALUES ({run}, 'x', 0, 0, '[1]')"))


def stored_in_training(engine: sa.Engine) -> int:
    run = records.start(engine, FAKE_RUN)
    with engine.begin() as connection:
        for side in ("user", "movie"):
            embeddings.store(connection, run, side, {"rating": VECTORS})
    return run


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE embrec.model_runs SET mean = mean + 0.5",
        "UPDATE embrec.model_runs SET rating_power = 1",
        "UPDATE embrec.model_runs SET lowest_rating = 0, highest_rating = 10",
        "UPDATE embrec.model_runs SET bias_feature = 1, ridge_constant = 1",
        "UPDATE embrec.model_runs SET user_spread = 9",
        "UPDATE embrec.model_runs SET user_similarity = 'rating'",
        "UPDATE embrec.model_runs SET shrunk_similarity = NULL",
        "UPDATE embrec.model_runs SET user_vectors = 'stored'",
        "UPDATE embrec.movie_neighbours SET neighbours = '{1}'",
        "DELETE FROM embrec.movie_neighbours",
        "INSERT INTO embrec.run_matrices SELECT model_run_id, 'x', 0, 0, '[1]' FROM embrec.model_runs",
        "UPDATE embrec.movie_embeddings SET embedding = embedding + embedding",
        "UPDATE embrec.movie_embeddings SET spread = 7 WHERE part = 'rating'",
        "UPDATE embrec.movie_embeddings SET bias = 1 WHERE part = 'rating'",
        "DELETE FROM embrec.movie_embeddings WHERE part = 'profile'",
    ],
)
def test_the_digest_covers_all_that_answers_read(engine: sa.Engine, change: str) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    with engine.begin() as connection:
        assert publishing.as_trained(connection, records.get_run(connection, 1))
        path = f"SET LOCAL search_path = {db.extension_schema(connection)}"
        connection.execute(sa.text(path))
        where = "AND" if "WHERE" in change else "WHERE"
        connection.execute(sa.text(f"{change} {where} model_run_id = 1"))
    with pytest.raises(RunError, match="not those that were trained"):
        publishing.publish(engine, 1)


def test_a_refresh_keeps_the_digest_and_a_sessions_digits_do_not_matter(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    ratings.add_rating(engine, "u1", "a newer movie", 4)
    assert ratings.refresh(engine) == 1
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL extra_float_digits = -3"))
        connection.execute(sa.text("SET LOCAL timezone = 'Asia/Kolkata'"))
        run = records.get_run(connection, 1)
        assert run.vectors_sha256
        assert publishing.as_trained(connection, run)


def as_an_earlier_release(engine: sa.Engine) -> None:
    """Record the runs as a release did that had none of the columns that came since."""
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET shrunk_similarity = NULL"))
        connection.execute(sa.text("UPDATE embrec.model_runs SET vectors_sha256 = embrec.run_digest(model_run_id)"))


def test_an_upgrade_takes_over_the_digests_of_runs_that_are_as_they_were(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    two_part_run(engine, seed=2)
    as_an_earlier_release(engine)
    newest = {run.model_run_id: run.vectors_sha256 for run in records.list_runs(engine)}
    schema.downgrade(engine, "0013")
    with engine.begin() as connection:
        recorded = "SELECT model_run_id, vectors_sha256 FROM embrec.model_runs"
        older = {row.model_run_id: row.vectors_sha256 for row in connection.execute(sa.text(recorded))}
        assert not set(older.values()) & set(newest.values())
        connection.execute(sa.text("UPDATE embrec.movie_embeddings SET bias = 1 WHERE model_run_id = 2"))
    schema.upgrade(engine)
    with engine.connect() as connection:
        first, second = (records.get_run(connection, number) for number in (1, 2))
        assert first.vectors_sha256 != older[1]  # nor the newest: what the older revision had no column for is gone
        assert second.vectors_sha256 == older[2]
        assert [publishing.as_trained(connection, run) for run in (first, second)] == [True, False]


def test_an_upgrade_adds_nothing_to_what_the_digest_of_an_earlier_run_reads(engine: sa.Engine) -> None:
    load_frame(engine, rating_frame())
    two_part_run(engine)
    as_an_earlier_release(engine)
    schema.downgrade(engine, "0014")
    columns = "SELECT jsonb_strip_nulls(to_jsonb(r)) FROM embrec.model_runs AS r"
    with engine.connect() as connection:
        before = connection.scalar(sa.text(columns))
    schema.upgrade(engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.text(columns)) == before
        assert publishing.as_trained(connection, records.get_run(connection, 1))
