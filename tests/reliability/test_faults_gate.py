"""The heartbeat of a training, the cleanup of lost runs, and the checks that withhold a run from publishing."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from data import FAKE_RUN, stored_run
from faulting import QUICK, hooked, let_time_pass, orphans, published_run, wait_for

from embrec.errors import RunError, TrainingError, WithheldError
from embrec.models.als import model as als
from embrec.runs import experiments, publishing, records
from embrec.runs.cleanup import Garbage, collect_garbage
from embrec.training import train

Embrec = Callable[..., tuple[int, str, str]]


def statuses(engine: sa.Engine) -> dict[int, str]:
    return {run.model_run_id: run.status for run in records.list_runs(engine, include_deleted=True)}


def test_a_training_shows_that_it_is_alive_by_connections_that_it_closes(
    engine: sa.Engine, admin: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "HEARTBEAT_SECONDS", 0.05)
    published_run(engine)
    with engine.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
    epochs = []

    def watch(epoch: object) -> None:
        beats = set()

        def beaten() -> bool:
            (run, *_) = records.list_runs(engine)
            engine.dispose()
            beats.add(run.heartbeat_at)
            return len(beats) > 3

        wait_for(beaten)
        (run, *_) = records.list_runs(engine)
        assert (run.status, run.progress) == ("training", pytest.approx(0.9))
        engine.dispose()
        monkeypatch.setattr(records, "HEARTBEAT_SECONDS", 600)
        query = sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
        with admin.connect() as connection:
            wait_for(lambda: connection.scalar(query) == 0)  # none is open between two heartbeats
        epochs.append(epoch)

    train(engine, QUICK, {"epochs": 1}, on_epoch=watch)
    assert len(epochs) == 1
    assert not any("heartbeat" in thread.name for thread in threading.enumerate())


def test_a_training_that_shows_no_sign_of_life_is_lost_and_gc_says_so(
    engine: sa.Engine, url: str, embrec: Embrec
) -> None:
    published = published_run(engine)
    silent = records.start(engine, FAKE_RUN)
    let_time_pass(engine)
    alive = records.start(engine, FAKE_RUN)
    assert statuses(engine) == {published: "trained", silent: "lost", alive: "training"}
    at = ("--database-url", url)
    status, out, _ = embrec("runs", "list", *at, "--json")
    assert (status, [run["status"] for run in json.loads(out)]) == (0, ["training", "lost", "trained"])
    status, out, told = embrec("gc", "--dry-run", *at)
    assert (status, out.split()[-2:]) == (0, [str(silent), "lost"])
    assert "Nothing was done" in told
    assert statuses(engine)[silent] == "lost"
    assert json.loads(embrec("gc", "--json", *at)[1]) == [{"model_run_id": silent, "garbage": "lost"}]
    assert statuses(engine) == {published: "trained", silent: "failed", alive: "training"}
    assert records.get_run(engine, silent).error == "its process was lost"
    assert embrec("gc", *at) == (0, "", "Nothing is left over.\n")
    with pytest.raises(RunError, match="is training"):
        publishing.delete(engine, alive)
    let_time_pass(engine)
    publishing.delete(engine, alive)
    assert statuses(engine)[alive] == "deleted"


def test_a_heartbeat_that_comes_while_gc_works_is_heard(engine: sa.Engine) -> None:
    run = records.start(engine, FAKE_RUN)
    let_time_pass(engine)

    def beat(*_: Any) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE embrec.model_runs SET heartbeat_at = now()"))

    with hooked(("embrec.runs.cleanup.clear_away", 1, "before"), beat):
        collect_garbage(engine)
    assert statuses(engine) == {run: "training"}


def test_a_training_that_was_given_up_too_early_ends_well_all_the_same(engine: sa.Engine) -> None:
    published_run(engine)

    def give_up(epoch: object) -> None:
        let_time_pass(engine)
        assert [found.garbage for found in collect_garbage(engine)] == ["lost"]

    result = train(engine, QUICK, {"epochs": 1}, on_epoch=give_up)
    run = records.get_run(engine, result.model_run_id)
    assert (run.status, run.error, run.published) == ("trained", None, True)


def test_a_training_whose_run_was_deleted_stores_nothing(engine: sa.Engine) -> None:
    published_run(engine)

    def delete(epoch: object) -> None:
        let_time_pass(engine)
        publishing.delete(engine, records.list_runs(engine)[0].model_run_id)

    with pytest.raises(RunError, match=r"was deleted while it was training\. Train again"):
        train(engine, QUICK, {"epochs": 1}, on_epoch=delete)
    assert sorted(statuses(engine).values()) == ["deleted", "trained"]
    assert orphans(engine) == []


def test_gc_keeps_what_is_in_use_beyond_the_newest(engine: sa.Engine) -> None:
    made = [published_run(engine), *(stored_run(engine, np.eye(6, 4) + 0.1) for _ in range(7))]
    for run in made[:3]:
        publishing.publish(engine, run)
    experiments.start(engine, "one", made[3], made[4])
    # Published: 3; a rollback would go to 2; the experiment has 4 and 5; of 8, the two newest are 7 and 8.
    expected = [Garbage(made[0], "old"), Garbage(made[5], "old")]
    assert collect_garbage(engine) == []
    assert collect_garbage(engine, keep=2, dry_run=True) == expected
    assert len(records.list_runs(engine)) == 8
    assert collect_garbage(engine, keep=2) == expected
    assert collect_garbage(engine, keep=2) == []
    assert [run.model_run_id for run in records.list_runs(engine)] == [made[7], made[6], *made[4:0:-1]]
    assert publishing.rollback(engine) == made[1]
    assert orphans(engine) == []


def test_gc_clears_away_whatever_has_no_run(engine: sa.Engine) -> None:
    published_run(engine)
    made = [stored_run(engine, np.eye(6, 4) + 0.1) for _ in range(3)]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                f"UPDATE embrec.model_runs SET status = 'failed' WHERE model_run_id = {made[0]};"
                f"UPDATE embrec.model_runs SET status = 'deleted' WHERE model_run_id IN ({made[1]}, {made[2]});"
                f"INSERT INTO embrec.run_matrices VALUES ({made[2]}, 'hidden', 0, 1, '[1,2]');"
                f"DROP TABLE embrec.user_embeddings_run_{made[2]}, embrec.movie_embeddings_run_{made[2]};"
                f"ALTER TABLE embrec.user_embeddings DETACH PARTITION embrec.user_embeddings_run_{made[1]};"
                "CREATE TABLE embrec.movie_embeddings_run_4711 (LIKE embrec.movie_embeddings)"
            )
        )
    assert [found.model_run_id for found in collect_garbage(engine)] == [*made, 4711]
    assert orphans(engine) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT to_regclass('embrec.movie_embeddings_run_4711')")) is None


def fitting(monkeypatch: pytest.MonkeyPatch, **changed: Any) -> None:
    """Have every fit end with something else than it found."""
    original, model = als.MatrixFactorization.fit, als.MatrixFactorization
    monkeypatch.setattr(model, "fit", lambda *given, **more: dataclasses.replace(original(*given, **more), **changed))


def test_a_loss_that_runs_away_stores_and_publishes_nothing(engine: sa.Engine) -> None:
    expected = published_run(engine)
    with pytest.raises(TrainingError, match="The loss became .* in epoch 1.*lower --learning-rate"):
        train(engine, "outer-product", {"epochs": 1, "learning_rate": 1e30})
    (failed, published) = records.list_runs(engine)
    assert (failed.status, published.model_run_id, published.published) == ("failed", expected, True)
    assert orphans(engine) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_vectors_that_mean_nothing_are_refused_by_a_training(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    expected = published_run(engine)
    fitting(monkeypatch, movie_vectors=np.full((20, 31), value, np.float32))
    with pytest.raises(RunError, match="20 of 20 movie rating vectors are not finite"):
        train(engine, QUICK, {"epochs": 1})
    (failed, published) = records.list_runs(engine)
    assert (failed.status, published.model_run_id, published.published) == ("failed", expected, True)
    assert orphans(engine) == []


def test_a_metric_that_is_no_number_withholds_a_run(
    engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch, embrec: Embrec
) -> None:
    expected = published_run(engine)
    fitting(monkeypatch, predict=lambda users, movies: np.full(len(users), np.nan, np.float32))
    status, out, told = embrec("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    (run, published) = records.list_runs(engine)
    assert (status, run.status, run.metrics["train_rmse"], published.published) == (3, "trained", None, True)
    assert out.startswith(f"Model run {run.model_run_id}: train_rmse nan, ")
    assert told.endswith(
        f"embrec: Model run {run.model_run_id} is not published: its train_rmse is not a finite number. "
        f"To publish it all the same: embrec runs publish {run.model_run_id} --force\n"
    )
    at = ("--database-url", url)
    assert "train_rmse none" in embrec("runs", "list", *at)[1]
    assert embrec("runs", "publish", str(run.model_run_id), *at)[0] == 3
    assert records.get_run(engine, expected).published
    assert embrec("runs", "publish", str(run.model_run_id), "--force", *at)[0] == 0
    assert records.get_run(engine, run.model_run_id).published


def test_a_run_that_is_worse_on_held_out_ratings_is_withheld(engine: sa.Engine) -> None:
    published_run(engine)
    options = {"epochs": 1}
    first = train(engine, QUICK, options, holdout=0.2)
    error = first.metrics["held_out_rmse"]

    def pretend(share: float) -> None:
        """Improve the recorded metrics of the published run."""
        with engine.begin() as connection:
            query = "UPDATE embrec.model_runs SET metrics = metrics || jsonb_build_object('held_out_rmse', :error)"
            typed = sa.text(query.replace(":error", "CAST(:error AS float8)") + " WHERE model_run_id = :run")
            connection.execute(typed, {"error": error * share, "run": records.published_run_id(connection)})

    assert first.published
    pretend(1 / 1.04)
    assert train(engine, QUICK, options, holdout=0.2).published, "4 % worse is chance"
    pretend(1 / 1.06)
    worse = train(engine, QUICK, options, holdout=0.2)
    assert not worse.published
    assert records.get_run(engine, worse.model_run_id).status == "trained"
    assert f"its error on held-out ratings is {error:.4f}, more than 5 % above the" in str(worse.withheld)
    with pytest.raises(WithheldError, match="--force"):
        publishing.publish(engine, worse.model_run_id)
    assert train(engine, QUICK, options, holdout=0.2, force=True).published
    pretend(1 / 1.06)
    assert train(engine, QUICK, options, holdout=0.3).published, "another share is another question"
    assert train(engine, QUICK, options).published, "and so is none"
