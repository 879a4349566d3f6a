"""PgBouncer in transaction mode: all calls of one transaction work, and those that need a session say so."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from asking import READS, analyze, another_run, answers, catalogue, indexed, text
from conftest import with_database
from data import load_frame, rating_frame
from psycopg.conninfo import conninfo_to_dict

import embrec
from embrec import config, db
from embrec.db import schema
from embrec.errors import RequirementError
from embrec.runs import embeddings, experiments, publishing, records
from embrec.training import train

POOL = 3  # sessions of the server for all clients
THREADS = 12
# Settings that PgBouncer itself restores for each client.
KEPT_BY_POOLER = {"application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"}


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _configuration(server: dict[str, str], directory: Path, port: int) -> str:
    """Return PgBouncer's configuration: all databases of the server, in transaction mode."""
    kept = ("host", "port", "user", "password")
    to_server = " ".join(f"{name}={server[name]}" for name in kept if name in server)
    return f"""
[databases]
* = {to_server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {POOL}
max_client_conn = 200
logfile = {directory}/log
pidfile = {directory}/pid
"""


@contextlib.contextmanager
def _pgbouncer(server_url: str, directory: Path) -> Iterator[tuple[str, int]]:
    """Run PgBouncer before the server; the value is its host and port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    port = _free_port()
    server = {name: str(value) for name, value in conninfo_to_dict(server_url).items()}
    (directory / "pgbouncer.ini").write_text(_configuration(server, directory, port))
    command = [program, "-q", str(directory / "pgbouncer.ini")]
    if os.geteuid() == 0:  # it refuses to run as root
        socket_directory = Path(server.get("host", "/"))
        owner = socket_directory.owner() if socket_directory.is_absolute() else "nobody"
        owner = "nobody" if owner == "root" else owner
        shutil.chown(directory, owner)
        command[1:1] = ["-u", owner]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def pooler(server_url: str) -> Iterator[tuple[str, int]]:
    """The host and port of a PgBouncer before the session's server."""
    # Not pytest's tmp_path: as root PgBouncer runs as another user, which could not enter it.
    with tempfile.TemporaryDirectory(prefix="embrec-pgbouncer-") as directory:
        Path(directory).chmod(0o711)
        with _pgbouncer(server_url, Path(directory)) as address:
            yield address


@pytest.fixture
def pooled_url(pooler: tuple[str, int], url: str) -> str:
    """The connection string of the test's database through PgBouncer."""
    return with_database(url, str(conninfo_to_dict(url)["dbname"]), host=pooler[0], port=str(pooler[1]))


@pytest.fixture
def pooled(pooled_url: str, pooler: tuple[str, int]) -> Iterator[sa.Engine]:
    """An engine for the test's database through PgBouncer; it must leave nothing in the sessions."""
    engine = db.create_engine(pooled_url)
    yield engine
    assert _left_behind(engine) == []
    engine.dispose()


def _left_behind(engine: sa.Engine) -> list[tuple[str, str]]:
    """List settings and objects that earlier transactions left in the server's sessions for the next client."""
    query = (
        "SELECT 'setting', name FROM pg_settings WHERE source = 'session' AND name <> ALL (:kept)"
        "  AND name NOT LIKE 'transaction_%'"  # the transaction's own
        " UNION ALL SELECT 'lock', locktype FROM pg_locks"
        "  WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " UNION ALL SELECT 'temporary table', relname FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"
        " UNION ALL SELECT 'prepared statement', name FROM pg_prepared_statements"
        " UNION ALL SELECT 'cursor', name FROM pg_cursors WHERE name <> ''"
    )
    found, sessions = set(), set()
    with contextlib.ExitStack() as stack:  # all at once, so that each is another session
        for _ in range(POOL):
            connection = stack.enter_context(engine.connect())
            sessions.add(connection.scalar(sa.text("SELECT pg_backend_pid()")))
            found |= {tuple(row) for row in connection.execute(sa.text(query), {"kept": list(KEPT_BY_POOLER)})}
    assert len(sessions) == POOL
    return sorted(found)


def _in_threads(work: Callable[[int], None]) -> None:
    """Do the work in many threads at once; raises the first error."""
    together = threading.Barrier(THREADS)

    def one(number: int) -> None:
        together.wait(30)
        work(number)

    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(one, number) for number in range(THREADS)]:
            done.result(60)


def test_every_answer_through_the_pooler_is_that_of_the_server(
    engine: sa.Engine, pooled: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed(engine, catalogue(engine), monkeypatch)
    analyze(engine)
    right = answers(engine)
    names = list(READS)

    def ask(number: int) -> None:
        for turn in range(2 * len(names)):
            name = names[(number + turn) % len(names)]
            assert text(READS[name](pooled)) == right[name]

    _in_threads(ask)
    assert _sessions(engine) <= POOL


def _sessions(engine: sa.Engine) -> int:
    """Return the number of other sessions in the database."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def test_ratings_loads_and_experiments_from_many_threads_are_all_there(engine: sa.Engine, pooled: sa.Engine) -> None:
    control = catalogue(engine)
    treatment = another_run(engine, seed=2)
    experiments.start(pooled, "through the pooler", control, treatment)
    before = len(_ratings(engine))

    def work(number: int) -> None:
        for movie in range(100, 110):
            embrec.add_rating(pooled, f"new {number}", movie, 1.0 + movie % 5)
        assert embrec.remove_rating(pooled, f"new {number}", 100)
        frame = rating_frame(users=5, count=40, seed=number)
        load_frame(pooled, frame.assign(user_id=f"loaded {number} " + frame.user_id))
        variant = experiments.record_exposure(pooled, f"new {number}")
        assert experiments.record_outcome(pooled, f"new {number}", 1.0)
        best = embrec.recommend_movies(pooled, f"new {number}", 5)
        assert set(best.model_run_id) == {{"control": control, "treatment": treatment}[str(variant)]}
        assert not set(best.movie_id) & {str(movie) for movie in range(101, 110)}

    _in_threads(work)
    loaded = sum(len(rating_frame(users=5, count=40, seed=number)) for number in range(THREADS))
    found = _ratings(engine)
    assert len(found) == before + THREADS * 9 + loaded
    assert all(
        found[f"new {number}", str(movie)] == 1.0 + movie % 5 for number in range(12) for movie in range(101, 110)
    )
    assert int(experiments.results(pooled).exposed_users.sum()) == THREADS
    experiments.end(pooled)
    assert (publishing.rollback(pooled), embrec.refresh(pooled)) == (control, 0)
    publishing.publish(pooled, treatment)


def _ratings(engine: sa.Engine) -> dict[tuple[str, str], float]:
    query = "SELECT user_id, movie_id, rating FROM embrec.ratings JOIN embrec.users USING (user_index)"
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"{query} JOIN embrec.movies USING (movie_index)"))
        return {(user, movie): rating for user, movie, rating in rows}


def test_training_and_its_index_need_no_session(
    engine: sa.Engine, pooled: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_frame(engine, rating_frame())
    monkeypatch.setattr(embeddings, "INDEXED_FROM", 1)
    fitted = train(pooled, "matrix-factorization", {"epochs": 1, "dimensions": 3})
    assert set(embrec.similar_movies(pooled, "100").model_run_id) == {fitted.model_run_id}
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT embrec.has_index('movie')"))


def test_what_takes_a_session_refuses_a_pooler_before_it_changes_anything(engine: sa.Engine, pooled: sa.Engine) -> None:
    old = catalogue(engine)
    another_run(engine, seed=2)
    before = answers(engine)
    for refused in (
        lambda: publishing.delete(pooled, old),
        lambda: schema.downgrade(pooled, "base"),
        lambda: schema.upgrade(pooled),
    ):
        with pytest.raises(RequirementError, match="A connection pooler is between.*Set EMBREC_DIRECT_URL"):
            refused()
    assert (records.get_run(engine, old).status, answers(engine)) == ("trained", before)
    assert schema.check(pooled) == []


def test_the_command_line_goes_past_the_pooler_by_the_direct_url(
    engine: sa.Engine, url: str, pooled: sa.Engine, pooled_url: str, embrec, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = catalogue(engine)
    another_run(engine, seed=2)
    monkeypatch.setenv("DATABASE_URL", pooled_url)
    code, _, told = embrec("runs", "delete", str(old))
    assert (code, told.count("\n")) == (1, 1)
    assert "Set EMBREC_DIRECT_URL" in told
    monkeypatch.setenv(config.DIRECT_URL_VARIABLE, url)
    assert embrec("db", "upgrade")[0] == 0
    assert embrec("runs", "delete", str(old))[0] == 0
    assert embrec("runs", "delete", str(old), "--database-url", pooled_url)[0] == 1  # --database-url takes precedence
    assert records.get_run(engine, old).status == "deleted"
    assert embrec("similar", "100")[0] == 0


def test_a_role_with_other_dates_does_not_pass_them_on(engine: sa.Engine, pooled: sa.Engine, url: str) -> None:
    run = catalogue(engine)
    name = conninfo_to_dict(url)["dbname"]
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} SET DateStyle = 'German'"))
    assert records.get_run(pooled, run).started_at.year > 2000
