"""Processes that are killed, at chosen points and at any time, or get SIGTERM."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from data import rating_frame
from faulting import (
    QUICK,
    Watch,
    command_line,
    ended,
    let_time_pass,
    load_ratings,
    orphans,
    published_run,
    quiet,
    started,
    train_quickly,
    wait_for,
)

from embrec.runs import records
from embrec.runs.cleanup import collect_garbage

pytestmark = pytest.mark.slow
OF_A_LOAD = [
    ("embrec.data.loading.read_rows", 1, "before"),
    ("embrec.data.loading.read_rows", 1, "after"),
    ("embrec.data.loading.map_ids", 1, "after"),
    ("embrec.db.binary_copy.copy_arrays", 1, "before"),
    ("psycopg.copy.Copy.write", 2, "after"),
    ("embrec.data.loading.merge_rows", 1, "after"),
]
# Each point of a training, with True if the new run is published afterwards.
OF_A_TRAINING = {
    ("embrec.training.extract", 1, "before"): False,
    ("embrec.runs.records.start", 1, "after"): False,
    ("embrec.models.history.History.add", 1, "after"): False,
    ("embrec.runs.embeddings.store", 1, "before"): False,
    ("psycopg.copy.Copy.write", 2, "after"): False,
    ("embrec.runs.embeddings.store", 1, "after"): False,
    ("embrec.runs.embeddings.store", 2, "after"): False,
    ("embrec.runs.records.finish", 1, "after"): False,
    ("embrec.runs.embeddings.index", 1, "before"): False,
    ("embrec.runs.embeddings.index", 1, "after"): False,
    ("embrec.training.refresh_statistics", 1, "after"): False,
    ("embrec.runs.publishing.publish", 1, "before"): False,
    ("embrec.runs.publishing.append_publication", 1, "before"): False,
    ("embrec.runs.publishing.append_publication", 1, "after"): False,
    ("embrec.runs.publishing.publish", 1, "after"): True,
}


def counts(engine: sa.Engine) -> tuple[int, ...]:
    """Return the numbers of users, movies, ratings, and movies with statistics."""
    tables = ("users", "movies", "ratings", "movie_statistics")
    with engine.connect() as connection:
        return tuple(connection.scalar(sa.text(f"SELECT count(*) FROM embrec.{table}")) or 0 for table in tables)


def published(engine: sa.Engine) -> int | None:
    with engine.connect() as connection:
        return records.published_run_id(connection)


@pytest.mark.parametrize("first", [True, False], ids=["into empty tables", "into full ones"])
def test_a_load_that_is_killed_anywhere_leaves_nothing_and_runs_again(engine: sa.Engine, url: str, first: bool) -> None:
    if not first:
        load_ratings(url, count=100)
    before = counts(engine)
    for point in OF_A_LOAD:
        assert ended(started(load_ratings, url, seed=1, users=40, point=point)) == -signal.SIGKILL, point
        quiet(engine)
        assert counts(engine) == before, point
    assert ended(started(load_ratings, url, seed=1, users=40)) == 0
    assert counts(engine)[0] == 40


def test_a_training_that_is_killed_anywhere_leaves_the_old_run_or_the_new_one(engine: sa.Engine, url: str) -> None:
    expected = published_run(engine)
    with Watch(url) as watch:
        for point, flipped in OF_A_TRAINING.items():
            newest = records.list_runs(engine)[0].model_run_id
            fit = "History" in point[0]
            assert ended(started(train_quickly, url, fit, point=point)) == -signal.SIGKILL, point
            quiet(engine)
            made = records.list_runs(engine)[0].model_run_id
            expected = made if flipped else expected
            assert (published(engine), made > newest) == (expected, point[0] != "embrec.training.extract"), point
            let_time_pass(engine)
            collect_garbage(engine)
            assert orphans(engine) == [], point
        assert ended(started(train_quickly, url)) == 0
    assert watch.seen.keys() > {expected}
    newest_run = records.list_runs(engine)[0]
    assert (newest_run.published, newest_run.status) == (True, "trained")
    lost = [run for run in records.list_runs(engine) if run.status == "failed"]
    assert [run.error for run in lost] == ["its process was lost"] * 7
    assert collect_garbage(engine) == []


def test_kills_at_any_time_never_show_to_a_reader(engine: sa.Engine, url: str) -> None:
    published_run(engine)
    chance = random.Random(7)  # noqa: S311 - not for secrets
    frame = {"users": 300, "movies": 20, "count": 5000}
    pairs = pd.concat([rating_frame(), rating_frame(**frame)]).drop_duplicates(["user_id", "movie_id"])
    whole = {counts(engine), (300, 20, len(pairs), 20)}
    with Watch(url):
        for action, arguments, longest in ((load_ratings, frame, 0.3), (train_quickly, {"fit": False}, 0.5)):
            for number in range(8):
                process = started(action, url, **arguments)
                time.sleep(chance.uniform(0, longest))
                process.kill()
                assert ended(process) in (0, -signal.SIGKILL)
                quiet(engine)
                assert counts(engine) in whole, number
        assert ended(started(load_ratings, url, **frame)) == 0
        assert ended(started(train_quickly, url, False)) == 0
    let_time_pass(engine)
    collect_garbage(engine)
    assert orphans(engine) == []


def test_a_delete_that_is_killed_is_finished_by_gc(engine: sa.Engine, url: str) -> None:
    published_run(engine)
    with Watch(url):
        for point in (
            ("embrec.runs.embeddings.drop", 1, "before"),
            ("embrec.db.poll_lock", 1, "after"),
            ("embrec.runs.embeddings.drop", 1, "after"),
        ):
            assert ended(started(train_quickly, url, False, publish=False)) == 0
            run = records.list_runs(engine)[0].model_run_id
            process = started(command_line, "runs", "delete", str(run), "--database-url", url, point=point)
            assert ended(process) == -signal.SIGKILL
            quiet(engine)
            assert records.get_run(engine, run).status == "deleted"
            done = [garbage.model_run_id for garbage in collect_garbage(engine)]
            assert done == ([] if point[2] == "after" and "drop" in point[0] else [run])
            assert orphans(engine) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_told_to_end_is_recorded_as_failed(
    engine: sa.Engine, url: str, number: int, status: int
) -> None:
    expected = published_run(engine)
    arguments = ("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    for point in (
        ("embrec.models.history.History.add", 1, "after"),
        ("embrec.runs.embeddings.store", 1, "after"),
        ("psycopg.copy.Copy.write", 2, "after"),
    ):
        assert ended(started(command_line, *arguments, point=point, number=number)) == status
        run = records.list_runs(engine)[0]
        assert (run.status, run.error) == ("failed", "ended by SIGTERM" if status == 143 else "interrupted")
        assert orphans(engine) == []
    assert published(engine) == expected


def test_a_load_that_is_told_to_end_stores_nothing(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rating_frame().to_csv(file, index=False)
    arguments = ("load", str(file), "--database-url", url)
    for point in OF_A_LOAD:
        process = started(command_line, *arguments, point=point, number=signal.SIGTERM)
        assert ended(process) == 143, point
        assert counts(engine) == (0, 0, 0, 0), point
    assert ended(started(command_line, *arguments)) == 0


def test_a_load_that_waits_for_the_server_ends_when_it_is_told_to(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rating_frame().to_csv(file, index=False)
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as holder, engine.connect() as other:
        holder.execute(sa.text("LOCK TABLE embrec.users IN SHARE ROW EXCLUSIVE MODE"))
        process = started(command_line, "load", str(file), "--database-url", url)
        wait_for(lambda: other.scalar(waiting) == 1)
        process.terminate()
        assert ended(process) == 143
        assert other.scalar(waiting) == 0
    assert counts(engine) == (0, 0, 0, 0)
