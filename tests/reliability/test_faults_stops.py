"""Processes that are told to stop, by Ctrl-C or a signal: they end at once, and nothing is published."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest
import sqlalchemy as sa
from faulting import QUICK, command_line, ended, orphans, published_run, quiet, started, wait_for

from embrec import db
from embrec.db import binary_copy
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
        ("embrec.runs.embeddings.index", 2, "after"),
        ("embrec.training.refresh_statistics", 1, "after"),
        ("embrec.runs.publishing.append_publication", 1, "after"),
    ):
        assert ended(started(command_line, *arguments, point=point, number=signal.SIGTERM)) == 143, point
        run = records.list_runs(engine)[0]
        assert (run.status, run.published) == ("trained", False), point
        with engine.connect() as connection:
            assert records.published_run_id(connection) == expected
