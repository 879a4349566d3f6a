"""A standby answers all questions, each from one whole run, while the primary publishes, rolls back and deletes."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import os
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from asking import READS, analyze, another_run, answers, catalogue, indexed, text
from conftest import FAST_SETTINGS
from data import load_frame, rating_frame
from homes import temporary_home

import embrec
from embrec import db
from embrec.config import parse_database_url, server_environment
from embrec.db import embedded, schema
from embrec.db.server_binaries import find_binaries
from embrec.errors import ConflictError, DatabaseError, UnreachableError
from embrec.runs import experiments, publishing, records

pytestmark = pytest.mark.server
REPLICATED = {
    **FAST_SETTINGS,
    "synchronous_commit": "on",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "shared_buffers": "64MB",
}
# Queries that conflict with the primary's changes are cancelled at once, not after half a minute.
STANDBY = {**REPLICATED, "max_standby_streaming_delay": "0", "hot_standby": "on"}


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The URLs of a primary and of its standby."""
    with contextlib.ExitStack() as stack:
        homes = [stack.enter_context(temporary_home("embrec-test-")) for _ in range(2)]
        primary, standby = embedded.LocalServer(homes[0], REPLICATED), embedded.LocalServer(homes[1], STANDBY)
        stack.callback(primary.stop)
        url = primary.start()
        _copy(primary, url, standby)
        stack.callback(standby.stop)  # first
        yield url, standby.start()


def _copy(primary: embedded.LocalServer, url: str, standby: embedded.LocalServer) -> None:
    """Create the standby's cluster: a base backup that follows the primary."""
    parameters = parse_database_url(url, "the test").parameters
    source = " ".join(f"{name}={value}" for name, value in parameters.items() if name != "dbname")
    standby.data.parent.mkdir(parents=True)
    command = [str(find_binaries() / "pg_basebackup"), f"--dbname={source}", f"--pgdata={standby.data}"]
    command += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
    done = subprocess.run(command, env=server_environment(), cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    owner = primary.data.stat()
    for path in (standby.data.parent, *standby.data.parent.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


@pytest.fixture
def both(servers: tuple[str, str]) -> Iterator[tuple[sa.Engine, sa.Engine]]:
    """The engines for the primary, with the newest schema and no rows, and for its standby."""
    primary, standby = (db.create_engine(url) for url in servers)
    _connect(standby)
    schema.upgrade(primary)
    _catch_up(primary, standby)
    yield primary, standby
    standby.dispose()
    schema.downgrade(primary, "base")
    primary.dispose()


def _connect(standby: sa.Engine) -> None:
    """Make the engine's first connection, whose initial queries the end of the earlier test may cancel."""
    for _ in range(100):
        with contextlib.suppress(sa.exc.DBAPIError), standby.connect():
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # SQLAlchemy leaves such a connection open
            gc.collect()
        time.sleep(0.05)
    raise AssertionError("the standby lets nobody in")


def _catch_up(primary: sa.Engine, standby: sa.Engine) -> None:
    """Wait until the standby has all that the primary has written."""
    with primary.connect() as connection:
        written = connection.scalar(sa.text("SELECT CAST(pg_current_wal_lsn() AS text)"))
    behind = sa.text("SELECT pg_last_wal_replay_lsn() < CAST(:written AS pg_lsn)")
    deadline = time.monotonic() + 30
    while True:
        # The changes that it applies may cancel the query.
        with contextlib.suppress(ConflictError):
            if not db.retrying(lambda: _scalar(standby, behind, written=written)):
                return
        assert time.monotonic() < deadline, "the standby did not catch up"
        time.sleep(0.02)


def _scalar(engine: sa.Engine, query: sa.TextClause, **values: object) -> Any:
    with db.begin(engine) as connection:
        return connection.scalar(query, values)


def test_the_standby_answers_as_the_primary_does(both, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, standby = both
    first = catalogue(primary)
    second = another_run(primary, seed=2)
    indexed(primary, second, monkeypatch)
    experiments.start(primary, "on a standby", first, second)
    analyze(primary)
    _catch_up(primary, standby)
    assert answers(standby) == answers(primary)
    assert [run.model_run_id for run in records.list_runs(standby)] == [second, first]
    assert experiments.list_experiments(standby) == experiments.list_experiments(primary)
    assert (schema.check(standby), schema.current(standby)) == ([], db.SCHEMA_REVISION)


WRITES: dict[str, Callable[[sa.Engine], object]] = {
    "add": lambda standby: embrec.add_rating(standby, "u1", "100", 5.0),
    "add new ids": lambda standby: embrec.add_rating(standby, "new", "also new", 5.0),
    "remove": lambda standby: embrec.remove_rating(standby, "u1", "100"),
    "add an event": lambda standby: embrec.add_event(standby, "u1", "100"),
    "remove events": lambda standby: embrec.remove_event(standby, "u1", "101"),
    "delete events": lambda standby: embrec.delete_events(standby, dt.timedelta(days=1)),
    "load": lambda standby: load_frame(standby, rating_frame(seed=4)),
    "roll back": publishing.rollback,
    "publish": lambda standby: publishing.publish(standby, 1),
    "delete": lambda standby: publishing.delete(standby, 1),
    "refresh": embrec.refresh,
    "statistics": embrec.refresh_statistics,
    "record": lambda standby: experiments.record_exposure(standby, "u1"),
}


def test_writing_to_a_standby_is_refused_with_where_to_write(both) -> None:
    primary, standby = both
    catalogue(primary)
    two = [another_run(primary, seed) for seed in (2, 3)]
    experiments.start(primary, "on a standby", *two)
    _catch_up(primary, standby)
    told = {}
    for name, write in WRITES.items():
        try:
            told[name] = f"answered {write(standby)}"
        except DatabaseError as error:
            told[name] = str(error)
    right = "A standby answers and takes nothing in: write to the primary"
    assert {name: text for name, text in told.items() if right not in text} == {}


def test_every_answer_of_a_standby_is_whole_while_runs_come_and_go(both) -> None:
    primary, standby = both
    catalogue(primary)
    analyze(primary)
    kept = ["recommend_movies", "recommend_next", "similar_movies", "similar_users", "predict_rating", "popular_movies"]
    right: dict[str, set[str]] = {name: {text(READS[name](primary))} for name in kept}
    seen: list[tuple[str, str]] = []
    conflicts: list[DatabaseError] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for name in kept:
                try:
                    answer = text(READS[name](standby))
                except (
                    ConflictError,
                    UnreachableError,
                ) as error:  # the query was cancelled, or the connection was closed
                    conflicts.append(error)
                    continue
                seen.append((name, answer))

    _catch_up(primary, standby)
    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for seed in range(2, 8):
            another_run(primary, seed)
            analyze(primary)
            for name in kept:
                right[name].add(text(READS[name](primary)))
            run = records.list_runs(primary)[0].model_run_id
            if seed % 2:
                publishing.rollback(primary)
                publishing.delete(primary, run)
            time.sleep(0.1)
        _catch_up(primary, standby)
    finally:
        done.set()
        for reader in readers:
            reader.join(30)
    assert len(seen) > max(100, len(conflicts))  # a standby that cancels queries at once cancels many
    assert {name for name, answer in seen if answer not in right[name]} == set()
    assert len({answer for name, answer in seen if name == "similar_movies"}) > 2
    assert answers(standby) == answers(primary)


def test_a_reader_in_the_way_of_the_primary_is_told_to_run_again_and_then_is_answered(both) -> None:
    primary, standby = both
    old = catalogue(primary)
    another_run(primary, seed=2)
    _catch_up(primary, standby)
    query = sa.text(f"SELECT count(*), pg_sleep(30) FROM embrec.movie_embeddings WHERE model_run_id = {old}")
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            _scalar(standby, query)
        except BaseException as error:
            caught.append(error)

    reader = threading.Thread(target=ask)
    reader.start()
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    while not _scalar(standby, waiting):
        time.sleep(0.02)
    publishing.delete(primary, old)
    reader.join(20)
    assert not reader.is_alive()
    with pytest.raises(ConflictError, match="conflict with recovery. Run it again"):
        raise caught[0]
    _catch_up(primary, standby)
    assert answers(standby) == answers(primary)
