"""Processes that are told to stop, by Ctrl-C or a signal: they end at once, and nothing is published."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from data import load_frame, rating_frame
from faulting import (
    QUICK,
    Point,
    command_line,
    ended,
    hooked,
    orphans,
    published_run,
    quiet,
    started,
    train_quickly,
    wait_for,
)

from embrec import db
from embrec.db import binary_copy
from embrec.models.base import Epoch, Ratings
from embrec.models.ease import model as ease
from embrec.models.hybrid import TwoPart
from embrec.runs import records

pytestmark = pytest.mark.slow


@pytest.fixture
def slow(engine: sa.Engine) -> str:
    """A table that takes hours for the rows of a test."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE slow (a integer, b real)"))
        body = "BEGIN PERFORM pg_sleep(0.01); RETURN new; END"
        connection.execute(sa.text(f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS '{body}'"))
        connection.execute(sa.text("CREATE TRIGGER slow BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION slow()"))
    return "slow (a, b)"


def copying(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY slow%' AND state = 'active'"
        return bool(connection.scalar(sa.text(query)))


@pytest.mark.parametrize("rows", [1_000, 70_000, 1_000_000], ids=["one block", "two blocks", "many blocks"])
def test_an_interrupted_copy_ends_at_once_and_is_taken_for_nothing_else(
    engine: sa.Engine, slow: str, rows: int
) -> None:
    def interrupt() -> None:
        wait_for(lambda: copying(engine))
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt), db.begin(engine) as connection:
        binary_copy.copy_arrays(connection, slow, [np.arange(rows, dtype=np.int32), np.zeros(rows, np.float32)])
    interrupter.join()
    wait_for(lambda: not copying(engine))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM slow")) == 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_training_that_is_stopped_at_the_end_of_a_copy_publishes_nothing(
    engine: sa.Engine, url: str, number: int, moment: str
) -> None:
    expected = published_run(engine)
    point = ("psycopg.copy.LibpqWriter.finish", min(number, 2), moment)
    if number > 2:
        point = ("embrec.db.binary_copy._AheadWriter._wait", number, moment)
    arguments = ("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    assert ended(started(command_line, *arguments, point=point, number=signal.SIGINT)) == 130
    quiet(engine)
    run = records.list_runs(engine)[0]
    assert (run.status, run.published) == ("failed", False)
    assert orphans(engine) == []
    with engine.connect() as connection:
        assert records.published_run_id(connection) == expected


def test_a_training_that_is_stopped_while_it_indexes_publishes_nothing(engine: sa.Engine, url: str) -> None:
    expected = published_run(engine)
    arguments = ("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    for point in (
        ("embrec.runs.embeddings.index", 1, "after"),
        ("embrec.training.refresh_statistics", 1, "after"),
        ("embrec.runs.publishing.append_publication", 1, "after"),
    ):
        assert ended(started(command_line, *arguments, point=point, number=signal.SIGTERM)) == 143, point
        run = records.list_runs(engine)[0]
        assert (run.status, run.published) == ("trained", False), point
        with engine.connect() as connection:
            assert records.published_run_id(connection) == expected


STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM", signal.SIGHUP: "ended by SIGHUP"}


def stuck_command(point: Point, number: int, *arguments: str) -> None:
    """Run the command line, whose main thread waits at a point for ever in C, where no Python handler runs."""

    def stick(*_: object, **__: object) -> None:
        threading.Timer(0.2, os.kill, (os.getpid(), number)).start()
        mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
        lock(mutex)
        lock(mutex)

    with hooked(point, stick):
        command_line(*arguments)


@pytest.mark.parametrize("number", STATUS)
def test_a_fit_that_no_signal_reaches_ends_and_is_recorded(engine: sa.Engine, url: str, number: signal.Signals) -> None:
    load_frame(engine, rating_frame())
    point = ("embrec.models.history.History.add", 1, "after")
    arguments = ("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    assert ended(started(stuck_command, point, number, *arguments)) == STATUS[number]
    (run,) = records.list_runs(engine)
    assert (run.status, run.error) == ("failed", SAID[number])
    assert orphans(engine) == []


def test_a_load_that_no_signal_reaches_ends_and_stores_nothing(engine: sa.Engine, url: str, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    rating_frame().to_csv(file, index=False)
    for point in (("embrec.data.loading.map_ids", 1, "after"), ("embrec.data.loading.merge_rows", 1, "after")):
        process = started(stuck_command, point, signal.SIGTERM, "load", str(file), "--database-url", url)
        assert ended(process) == 143, point
        quiet(engine)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM embrec.users")) == 0, point


@pytest.mark.parametrize("stuck", [True, False], ids=["in C", "in Python"])
@pytest.mark.parametrize("number", STATUS)
def test_lists_that_are_stopped_leave_the_earlier_file_alone(
    engine: sa.Engine, url: str, tmp_path: Path, number: signal.Signals, stuck: bool
) -> None:
    load_frame(engine, rating_frame())
    assert ended(started(train_quickly, url, False)) == 0
    file = tmp_path / "lists.csv"
    file.write_text("earlier")
    arguments = ("recommend", "--all", "--output", str(file), "--database-url", url)
    point = ("embrec.serving.outputs.rows", 1, "after")
    if stuck:
        process = started(stuck_command, point, number, *arguments)
    else:
        process = started(command_line, *arguments, point=point, number=number)
    assert ended(process) == STATUS[number]
    assert [each.name for each in tmp_path.iterdir()] == ["lists.csv"]
    assert file.read_text() == "earlier"


def test_a_hang_up_that_is_ignored_stays_ignored(engine: sa.Engine, url: str) -> None:
    load_frame(engine, rating_frame())
    point = ("embrec.models.history.History.add", 1, "after")
    arguments = ("train", "--model", QUICK, "--epochs", "1", "--database-url", url)
    assert ended(started(under_nohup, *arguments, point=point, number=signal.SIGHUP)) == 0
    assert records.list_runs(engine)[0].published


def under_nohup(*arguments: str) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    command_line(*arguments)


def test_an_interrupted_fit_does_not_wait_for_the_ranking_model(monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()
    monkeypatch.setattr(ease, "begin", lambda *_: going_on.wait())
    random = np.random.default_rng(0)
    users, movies = random.integers(20, size=300, dtype=np.int32), random.integers(10, size=300, dtype=np.int32)
    ratings = Ratings(users, movies, random.integers(1, 6, 300).astype(np.float32), 20, 10)

    def interrupt(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    model = TwoPart()
    with pytest.raises(KeyboardInterrupt):
        model.fit(ratings, None, model.options(), 0, interrupt)
    going_on.set()
