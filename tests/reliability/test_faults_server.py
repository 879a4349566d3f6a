"""A server that crashes, restarts, hangs up or is full while embrec loads, trains and publishes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from conftest import with_database
from data import load_frame, rating_frame, stored_run
from faulting import QUICK, Point, hooked, orphans, own_server, published_run, wait_for

from embrec import db
from embrec.db import binary_copy, embedded, schema
from embrec.db.embedded import LocalServer
from embrec.errors import DatabaseError, UnreachableError
from embrec.runs import publishing, records
from embrec.runs.embeddings import read
from embrec.serving import similar
from embrec.training import train

pytestmark = pytest.mark.server
COPYING = ("psycopg.copy.Copy.write", 4, "before")
OF_A_LOAD = [
    ("embrec.data.loading.map_ids", 1, "after"),
    COPYING,
    ("embrec.data.loading.merge_rows", 1, "after"),
]
OF_A_TRAINING = [
    ("embrec.runs.embeddings.store", 1, "after"),
    COPYING,
    ("embrec.runs.embeddings.store", 2, "after"),
    ("embrec.training.store_model", 1, "after"),
    ("embrec.runs.publishing.append_publication", 1, "before"),
    ("embrec.runs.publishing.append_publication", 1, "after"),
    ("embrec.training.refresh_statistics", 1, "before"),
    ("embrec.runs.embeddings.index", 1, "before"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """A server that a test may harm; its database ``pristine`` has the newest schema and no rows."""
    with own_server() as server:
        at_server(server, "CREATE DATABASE pristine")
        engine = db.create_engine(with_database(server.start(), "pristine"))
        schema.upgrade(engine)
        engine.dispose()
        yield server


def at_server(server: LocalServer, *statements: str) -> None:
    """Run statements about databases, which belong to no transaction, on a server that may still recover."""
    engine = db.create_engine(with_database(server.start(), "postgres")).execution_options(isolation_level="AUTOCOMMIT")

    def run() -> None:
        with db.translated_errors(), engine.connect() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    db.retrying(run)
    engine.dispose()


@pytest.fixture
def own(server: LocalServer) -> Iterator[sa.Engine]:
    """An engine of a database of that server with the newest schema and no rows."""
    renewed = "CREATE DATABASE embrec TEMPLATE pristine STRATEGY file_copy"
    at_server(server, "DROP DATABASE IF EXISTS embrec WITH (FORCE)", renewed)
    engine = db.create_engine(server.start())
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a COPY of few rows have many blocks."""
    monkeypatch.setattr(binary_copy, "COPY_BLOCK_ROWS", 8)


def ratings(engine: sa.Engine) -> int:
    with db.begin(engine) as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM embrec.ratings")) or 0)


def kills(connection: psycopg.Connection[Any], pid: int) -> None:
    """Kill a backend, which makes the whole server restart."""
    with contextlib.suppress(ProcessLookupError):  # the server has already ended it, restarting for another one
        os.kill(pid, signal.SIGKILL)


def hang_ups(connection: psycopg.Connection[Any], pid: int) -> None:
    """End a session, as an administrator does."""
    connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


Fault = Callable[[psycopg.Connection[Any], int], None]
faults = pytest.mark.parametrize("fault", [kills, hang_ups])


def to_all_sessions(fault: Fault, server: LocalServer) -> Callable[..., None]:
    """Return a function that applies a fault to every session of embrec; there must be one."""

    def act(*_: Any, **__: Any) -> None:
        with psycopg.connect(str(server.url()), autocommit=True) as connection:
            pids = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'embrec'").fetchall()
            assert pids
            for (pid,) in pids:
                fault(connection, pid)

    return act


@faults
def test_a_load_whose_backend_dies_says_so_and_stores_nothing(
    server: LocalServer, own: sa.Engine, fault: Fault
) -> None:
    load_frame(own, rating_frame(count=50))
    before = ratings(own)
    for point in OF_A_LOAD:
        with (
            hooked(point, to_all_sessions(fault, server)),
            pytest.raises(UnreachableError, match="The database cannot be reached"),
        ):
            load_frame(own, rating_frame(users=40, seed=1))
        assert db.retrying(lambda: ratings(own)) == before, point
    load_frame(own, rating_frame(users=40, seed=1))
    assert ratings(own) > before


@faults
@pytest.mark.parametrize("point", OF_A_TRAINING, ids=lambda point: f"{point[2]} {point[0]}")
def test_a_training_whose_backend_dies_tries_again_and_ends_well(
    server: LocalServer, own: sa.Engine, fault: Fault, point: Point
) -> None:
    earlier = published_run(own)
    with hooked(point, to_all_sessions(fault, server)):
        result = train(own, QUICK, {"epochs": 1})
    run = records.get_run(own, result.model_run_id)
    assert (run.status, run.published, run.error) == ("trained", True, None)
    assert np.array_equal(read(own, run.model_run_id, "movie").vectors, result.model.movie_vectors)
    assert [each.model_run_id for each in records.list_runs(own)] == [run.model_run_id, earlier]
    assert orphans(own) == []


def test_a_publication_whose_backend_dies_is_there_or_not(server: LocalServer, own: sa.Engine) -> None:
    first = published_run(own)
    second = stored_run(own, np.eye(20, 4) + 0.1, np.eye(30, 4) + 0.1)
    for moment in ("before", "after"):
        point = ("embrec.runs.publishing.append_publication", 1, moment)
        with hooked(point, to_all_sessions(hang_ups, server)), pytest.raises(UnreachableError):
            publishing.publish(own, second)
        assert records.get_run(own, first).published
    publishing.publish(own, second)
    assert records.get_run(own, second).published


def test_a_commit_whose_answer_is_lost_is_not_done_twice(engine: sa.Engine) -> None:
    published_run(engine)

    def lose(*_: Any, **__: Any) -> None:
        raise UnreachableError("The connection was lost after the commit.")

    for point in (("embrec.training.store_model", 1, "after"), ("embrec.runs.publishing.publish", 1, "after")):
        with hooked(point, lose):
            result = train(engine, QUICK, {"epochs": 1})
        run = records.get_run(engine, result.model_run_id)
        assert (run.status, run.published) == ("trained", True), point
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM embrec.publications")) == 3


def test_a_server_that_restarts_during_a_fit_does_no_harm(
    server: LocalServer, own: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "HEARTBEAT_SECONDS", 0.02)
    published_run(own)

    beats = []

    def restart(epoch: object) -> None:
        server.stop()
        time.sleep(0.1)
        assert any("heartbeat" in thread.name for thread in threading.enumerate()), "it goes on without a server"
        server.start()
        (run, *_) = records.list_runs(own)
        wait_for(lambda: records.get_run(own, run.model_run_id).heartbeat_at > run.heartbeat_at)
        beats.append(run.heartbeat_at)

    result = train(own, QUICK, {"epochs": 2}, on_epoch=restart)
    assert len(beats) == 2
    assert records.get_run(own, result.model_run_id).published


@pytest.mark.parametrize("waits", [True, False], ids=["after the recovery", "in its midst, where it may hang"])
def test_a_server_that_recovers_from_a_crash_can_be_stopped(
    server: LocalServer, own: sa.Engine, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not waits:
        monkeypatch.setattr(LocalServer, "recovers", lambda self: False)
        monkeypatch.setattr(embedded, "STOP_SECONDS", 1.0)
    for pause in (0.0, 0.02, 0.1):
        load_frame(own, rating_frame(users=40))
        to_all_sessions(kills, server)()
        wait_for(lambda: server.url() is None)
        time.sleep(pause)
        assert server.stop()
        server.start()
        assert ratings(own) > 0


@pytest.fixture
def small_disk(server: LocalServer, own: sa.Engine) -> Iterator[Path]:
    """A 40 MB disk with the server's files of embrec's tables; a test can fill it up."""
    disk = server.home / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]).returncode:
        pytest.skip("a small disk can be mounted by root alone, and not in every container")
    try:
        space = disk / "space"
        space.mkdir()
        owner = server.data.stat()
        os.chown(space, owner.st_uid, owner.st_gid)
        with psycopg.connect(str(server.url()), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            connection.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")  # as the owner of the tables needs
            connection.execute("ALTER DATABASE embrec SET default_tablespace = 'small'")
        own.dispose()
        schema.downgrade(own, "base")
        schema.upgrade(own)
        yield disk
    finally:
        own.dispose()
        with psycopg.connect(str(server.url()), autocommit=True) as connection:
            connection.execute("ALTER DATABASE embrec RESET default_tablespace")
        own.dispose()
        with contextlib.suppress(DatabaseError):
            schema.downgrade(own, "base")
        server.stop()
        subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_named_and_stores_nothing(own: sa.Engine, small_disk: Path) -> None:
    expected = published_run(own)
    before = ratings(own)
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    ballast.write_bytes(bytes(free.f_bavail * free.f_bsize - 64_000))
    many = rating_frame(users=1000, movies=20, count=10_000)
    full = r"disk is full: could not .*No space left on device.*embrec gc --keep 2\), then run again"
    with pytest.raises(DatabaseError, match=full):
        load_frame(own, many)
    with pytest.raises(DatabaseError, match=full):
        train(own, QUICK, {"epochs": 1})
    assert ratings(own) == before
    (failed, published) = records.list_runs(own)
    assert (failed.status, published.model_run_id, published.published) == ("failed", expected, True)
    assert orphans(own) == []
    assert len(similar.similar_movies(own, 100, 50)) == 19
    ballast.unlink()
    load_frame(own, many)
    assert ratings(own) > 9_000
    assert train(own, QUICK, {"epochs": 1}).published
