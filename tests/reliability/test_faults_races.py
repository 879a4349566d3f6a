"""Races: concurrent training, publishing, rollback, deletion and reading."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from data import stored_run
from faulting import QUICK, Watch, ended, orphans, published_run, started, train_quickly, wait_for

from embrec.errors import BusyError, WithheldError
from embrec.runs import embeddings, publishing, records
from embrec.runs.cleanup import Garbage, collect_garbage
from embrec.training import train


def like_the_first(engine: sa.Engine, seed: int) -> int:
    """Store another run of random vectors for the same movies and users."""
    random = np.random.default_rng(seed)
    return stored_run(engine, random.normal(size=(20, 4)), random.normal(size=(30, 4)))


def at_once(*actions: Callable[[], Any]) -> None:
    """Run several actions in threads that begin together."""
    barrier = threading.Barrier(len(actions))

    def wait_and_do(action: Callable[[], Any]) -> None:
        barrier.wait()
        action()

    threads = [threading.Thread(target=wait_and_do, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.slow
def test_of_two_trainings_at_once_both_are_stored_and_the_first_to_end_is_published(
    engine: sa.Engine, url: str
) -> None:
    earlier = published_run(engine)
    with Watch(url):
        processes = [started(train_quickly, url, False, seed=seed) for seed in range(4)]
        assert [ended(process) for process in processes] == [0] * 4
    made = [run for run in records.list_runs(engine) if run.model_run_id != earlier]
    assert [run.status for run in made] == ["trained"] * 4
    assert sum(run.published for run in made) == 1
    assert orphans(engine) == []


def test_a_training_does_not_undo_a_publication_made_since_it_began(
    engine: sa.Engine, url: str, embrec: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    published_run(engine)
    other = like_the_first(engine, 1)
    result = train(engine, QUICK, {"epochs": 1}, on_epoch=lambda epoch: publishing.publish(engine, other))
    assert not result.published
    assert result.withheld == (
        f"Model run {result.model_run_id} is not published: run {other} was published meanwhile. "
        f"To publish it all the same: embrec runs publish {result.model_run_id} --force"
    )
    assert records.get_run(engine, result.model_run_id).status == "trained"
    assert records.get_run(engine, other).published
    assert embrec("runs", "publish", str(result.model_run_id), "--database-url", url)[0] == 0
    forced = train(engine, QUICK, {"epochs": 1}, force=True, on_epoch=lambda epoch: publishing.publish(engine, other))
    assert forced.published


def test_of_many_publishers_who_saw_the_same_run_one_wins(engine: sa.Engine) -> None:
    seen: int | None = None
    published_run_ids = []
    published_run(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE embrec.publications"))
    for turn in range(4):
        candidates = [like_the_first(engine, turn) for _ in range(6)]
        refused: list[str] = []

        def publish(run: int, seen: int | None = seen, refused: list[str] = refused) -> None:
            try:
                publishing.publish(engine, run, replacing=seen)
            except WithheldError as error:
                refused.append(str(error))

        at_once(*(lambda run=run, publish=publish: publish(run) for run in candidates))
        (winner,) = [run for run in candidates if records.get_run(engine, run).published]
        assert len(refused) == 5
        assert all(f"run {winner} was published meanwhile" in message for message in refused)
        publishing.publish(engine, winner, replacing=seen)  # again, as after a lost answer
        published_run_ids.append(winner)
        seen = winner
    with engine.connect() as connection:
        history = list(connection.scalars(sa.text("SELECT model_run_id FROM embrec.publications ORDER BY 1")))
    assert history == published_run_ids


def test_readers_get_whole_answers_while_runs_are_rolled_back_and_deleted(engine: sa.Engine, url: str) -> None:
    published_run(engine)
    with Watch(url) as watch:
        for turn in range(12):
            run = like_the_first(engine, turn)
            publishing.publish(engine, run)
            answers = watch.answers
            wait_for(lambda answers=answers: watch.answers > answers + 2)
            publishing.rollback(engine)
            publishing.delete(engine, run)
    assert len(watch.seen) > 6
    assert orphans(engine) == []


def test_a_delete_waits_for_a_reader_and_goes_on_when_it_ends(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "LOCK_MILLISECONDS", 100)
    monkeypatch.setattr(embeddings, "READERS_SECONDS", 0.1)
    published_run(engine)
    run = like_the_first(engine, 1)
    with engine.connect() as reader, engine.connect() as other:
        reader.execute(sa.text("SELECT count(*) FROM embrec.movie_embeddings"))
        deleting = threading.Thread(target=publishing.delete, args=(engine, run))
        deleting.start()
        query = sa.text("SELECT count(*) FROM pg_inherits WHERE inhdetachpending")
        wait_for(lambda: (other.scalar(query), other.commit())[0] == 1)
        like_the_first(engine, 2)  # lets the storing thread take a turn
        assert deleting.is_alive()
        reader.rollback()
        deleting.join()
    assert orphans(engine) == []


def test_a_delete_that_a_reader_holds_up_for_long_says_who_and_what_to_do(
    engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch, embrec: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr(embeddings, "LOCK_MILLISECONDS", 100)
    monkeypatch.setattr(embeddings, "READERS_SECONDS", 0.1)
    monkeypatch.setattr(embeddings, "DROP_SECONDS", 0.5)
    published_run(engine)
    run = like_the_first(engine, 1)
    with engine.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM embrec.movie_embeddings"))
        pid = reader.scalar(sa.select(sa.func.pg_backend_pid()))
        with pytest.raises(BusyError, match=rf"model run {run} .*process {pid} of the server.*then run: embrec gc"):
            publishing.delete(engine, run)
        assert records.get_run(engine, run).status == "deleted"
        status, _, told = embrec("gc", "--database-url", url)
        assert (status, f"process {pid}" in told) == (1, True)
        assert reader.scalar(sa.text(f"SELECT count(*) FROM embrec.movie_embeddings_run_{run}")) == 20
    assert collect_garbage(engine, dry_run=True) == [Garbage(run, "left over")] == collect_garbage(engine)
    assert orphans(engine) == []
