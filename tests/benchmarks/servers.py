"""Embedded servers for measurements: their databases, their processor time and their memory."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

from embrec import config, db
from embrec.db.embedded import LocalServer
from embrec.db.server_binaries import find_binaries

# Seconds between two looks at the server's memory. A peak that is shorter may be missed.
LOOK_EVERY = 0.2


class Database:
    """A database of an embedded server."""

    def __init__(self, local: LocalServer, url: str) -> None:
        self.local = local
        self.url = url
        self.name = conninfo_to_dict(url)["dbname"]
        self.engine = db.create_engine(url)

    def psql(self, command: str, stdin: Any = subprocess.DEVNULL, stdout: Any = subprocess.DEVNULL) -> None:
        """Run psql, which adds no overhead to COPY."""
        psql = [str(find_binaries() / "psql"), "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", "-c", command, self.url]
        subprocess.run(psql, stdin=stdin, stdout=stdout, check=True, env=config.server_environment())

    def run(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def scalar(self, statement: str) -> Any:
        """Return the value that a statement finds."""
        with self.engine.connect() as connection:
            return connection.scalar(sa.text(statement))

    def cpu_seconds(self) -> float:
        """Return the processor time of the server's processes, including those that ended."""
        while True:
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile, and its parent has its time
                times = [process.cpu_times() for process in self._processes()]
                own = sum(each.user + each.system for each in times)
                return own + times[0].children_user + times[0].children_system

    @contextmanager
    def costs(self, found: dict[str, float]) -> Iterator[None]:
        """Measure the server within the context: processor seconds, and the peak of its processes' own memory in MB.

        Memory that they share, which is mostly ``shared_buffers``, is not counted.
        """
        peak, done = [0.0], threading.Event()

        def look() -> None:
            while not done.wait(LOOK_EVERY):
                with suppress(psutil.Error):
                    memory = [process.memory_info() for process in self._processes()]
                    peak[0] = max(peak[0], sum(each.rss - each.shared for each in memory) / 2**20)

        thread, before = threading.Thread(target=look), self.cpu_seconds()
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        found |= {"server CPU s": self.cpu_seconds() - before, "server MB": peak[0]}

    def _processes(self) -> list[psutil.Process]:
        """The postmaster and its children."""
        postmaster = psutil.Process(int((self.local.data / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children()]


class Server(Database):
    """An embedded server in a directory that is removed afterwards, and its first database."""

    def __init__(self, directory: str, settings: Mapping[str, str]) -> None:
        Path(directory).chmod(0o711)
        local = LocalServer(Path(directory) / "home", settings)
        super().__init__(local, local.start())

    def database(self, name: str) -> Database:
        """Create another database of the server, by a name that needs no quotes."""
        self.run(f"CREATE DATABASE {name}")
        return Database(self.local, self.url.replace("/embrec?", f"/{name}?"))

    def drop(self, database: Database) -> None:
        """Drop a database of the server."""
        database.engine.dispose()
        self.run(f"DROP DATABASE {database.name}")


@contextmanager
def server(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server for consecutive measurements."""
    with tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        running = Server(directory, settings or {})
        try:
            yield running
        finally:
            running.engine.dispose()
            running.local.stop()


def timed(action: Callable[[], Any]) -> float:
    """Return the seconds of an action."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
