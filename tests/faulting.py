"""Helpers for fault tests: processes that die at a chosen point, servers of a test's own, readers that check."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from data import load_frame, rating_frame, stored_run
from homes import temporary_home

from embrec import db
from embrec.db import server_account
from embrec.db.embedded import LocalServer
from embrec.errors import UnreachableError
from embrec.runs import publishing
from embrec.serving import similar

QUICK = "matrix-factorization"
# A fork server has the slow imports done once, for all processes. It does not find the tests' own modules, and passes
# over what it cannot import.
SLOW_IMPORTS = [
    "embrec.cli.load",
    "embrec.cli.train",
    "embrec.data.files.sources",
    "embrec.models.als.model",
    "embrec.models.ease.model",
    "embrec.models.recommender",
    "embrec.training",
]
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(SLOW_IMPORTS)

# A point in a process: a function, the number of its call, and "before" or "after".
Point = tuple[str, int, str]


@contextlib.contextmanager
def own_server(settings: Mapping[str, str] | None = None) -> Iterator[LocalServer]:
    """A running embedded server that a test may stop, kill and fill."""
    with temporary_home("embrec-faults-") as home:
        # The address must be the same after a restart.
        sockets = home / "sockets"
        sockets.mkdir()
        if account := server_account.service_account(home / "none"):
            os.chown(sockets, account.pw_uid, account.pw_gid)
        fixed = {"shared_buffers": "64MB", "unix_socket_directories": str(sockets)}
        server = LocalServer(home, {**fixed, **(settings or {})})
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def hooked(point: Point, action: Callable[..., None]) -> Iterator[None]:
    """Run an action once at a point, with the arguments of the call."""
    name, number, moment = point
    owner_name, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(owner_name)
    original = getattr(owner, attribute)
    calls = 0

    def wrapper(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        now = calls == number
        if now and moment == "before":
            action(*arguments, **named)
        result = original(*arguments, **named)
        if now and moment == "after":
            action(*arguments, **named)
        return result

    setattr(owner, attribute, wrapper)
    try:
        yield
    finally:
        setattr(owner, attribute, original)
    assert calls >= number, f"{name} was never reached"


def load_ratings(url: str, **frame: int) -> None:
    """Load synthetic ratings."""
    engine = db.create_engine(url)
    load_frame(engine, rating_frame(**frame))
    engine.dispose()


def train_quickly(url: str, fit: bool = True, **arguments: Any) -> None:
    """Train and publish a small run, and index it; without ``fit``, which takes a second, its vectors are random."""
    from embrec.models.als import model as als
    from embrec.runs import embeddings
    from embrec.training import train

    embeddings.INDEXED_FROM = 1
    if not fit:
        als.factorize = _at_random
    engine = db.create_engine(url)
    train(engine, QUICK, **{"options": {"epochs": 1}, **arguments})
    engine.dispose()


def _at_random(
    training: Any, held_out: Any, options: Any, seed: int, on_epoch: Callable[..., None], start: None, workers: Any
) -> Any:
    from embrec.models.base import Epoch, RatingFactors

    random = np.random.default_rng(seed)
    users, movies = (
        random.normal(size=(count, options.dimensions)).astype(np.float32)
        for count in (training.user_count, training.movie_count)
    )
    biases = (np.zeros(count, np.float32) for count in (training.user_count, training.movie_count))
    on_epoch(Epoch(1, 1, 0.0, 0.0, None))
    return RatingFactors(users, movies, *biases, mean=3.0, history=[], kept_epoch=1)


def command_line(*arguments: str) -> None:
    """Run the command line as from a terminal: a shell makes its background processes ignore SIGINT."""
    from embrec.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(list(arguments))


def said(directory: Path, *arguments: str, **environment: str) -> str:
    """Return what a command prints on both streams, with the traceback if it fails.

    Args:
        directory: Directory for a file with the output.
        arguments: The command's arguments.
        environment: Variables to set for it.
    """
    file = directory / "said.txt"
    ended(started(_saying, file, arguments, environment))
    return file.read_text(encoding="utf-8")


def _saying(file: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    with open(file, "wb") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    command_line(*arguments)


def _until_the_point(
    point: Point | None, number: int, action: Callable[..., None], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    assert sys.modules.keys() >= set(SLOW_IMPORTS), "each process would take seconds to import TensorFlow"
    if point is None:
        action(*arguments, **named)
        return
    with hooked(point, lambda *_, **__: os.kill(os.getpid(), number)):
        action(*arguments, **named)


def started(
    action: Callable[..., None],
    *arguments: Any,
    point: Point | None = None,
    number: int = signal.SIGKILL,
    **named: Any,
) -> Any:
    """Start a process that runs an action, and gets a signal at a point."""
    process = _processes.Process(target=_until_the_point, args=(point, number, action, arguments, named))
    process.start()
    return process


def ended(process: Any) -> int:
    """Wait for a process; returns its exit status, negative for the signal that killed it."""
    process.join(60)
    status = process.exitcode
    process.close()
    assert status is not None, "it ended within a minute"
    return int(status)


def published_run(engine: sa.Engine) -> int:
    """Load small ratings and publish a run of random vectors for them; returns its number."""
    load_frame(engine, rating_frame())
    random = np.random.default_rng(0)
    run = stored_run(engine, random.normal(size=(20, 4)), random.normal(size=(30, 4)))
    publishing.publish(engine, run)
    return run


class Watch:
    """A set of readers that ask all the time; each answer must be complete, from one run, and the same for that run.

    Args:
        url: The database.
        restarts: True if the server may be down at times.
    """

    def __init__(self, url: str, restarts: bool = False) -> None:
        self.faults: list[str] = []
        self.answers = 0
        self.seen: dict[int, tuple[Any, ...]] = {}
        self._url, self._restarts = url, restarts
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(2)]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if error[0] is None:
            assert self.faults == []
            assert self.answers > 0

    def _read(self) -> None:
        engine = db.create_engine(self._url)
        while not self._stop.wait(0.005):
            try:
                answer = similar.similar_movies(engine, 100, 50)
            except Exception as error:
                if not (self._restarts and isinstance(error, UnreachableError)):
                    self.faults.append(repr(error))
                continue
            self.answers += 1
            of = set(answer.model_run_id)
            if len(of) != 1 or len(answer) != 19:
                self.faults.append(str(answer))
                continue
            rows = tuple(zip(answer.movie_id, answer.similarity, strict=True))
            if self.seen.setdefault(of.pop(), rows) != rows:
                self.faults.append(str(answer))
        engine.dispose()


def quiet(engine: sa.Engine) -> None:
    """Wait until the server noticed that killed processes are gone, and only readers are in a transaction."""
    query = (
        "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)"
        " WHERE a.datname = current_database() AND pid <> pg_backend_pid() AND l.locktype = 'transactionid'"
    )
    wait_for(lambda: _scalar(engine, query) == 0)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true, a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _scalar(engine: sa.Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.scalar(sa.text(query.replace("::", r"\:\:")))


def orphans(engine: sa.Engine) -> list[str]:
    """List objects that belong to no trained run: vector tables, matrices, pending detachments, running trainings."""
    query = """
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'embrec'::regnamespace AND relkind IN ('r', 'p') AND relname ~ '_run_[0-9]+'
        AND substring(relname FROM '_run_([0-9]+)')::integer NOT IN
            (SELECT model_run_id FROM embrec.model_runs WHERE status = 'trained')
        UNION ALL SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhdetachpending
        UNION ALL SELECT matrix FROM embrec.run_matrices JOIN embrec.model_runs USING (model_run_id)
            WHERE status <> 'trained'
        UNION ALL SELECT 'training run ' || model_run_id FROM embrec.model_runs WHERE status = 'training'"""
    with engine.connect() as connection:
        return list(connection.scalars(sa.text(query.replace("::", r"\:\:"))))


def let_time_pass(engine: sa.Engine) -> None:
    """Set every heartbeat back, as if minutes had passed."""
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE embrec.model_runs SET heartbeat_at = heartbeat_at - interval '3 minutes'"))
