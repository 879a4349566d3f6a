"""A database to ask: synthetic ratings, movies with genres and years, and a published run of the default model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from data import SIZES, Columns, make_up
from made_files import by_activity, write_files
from servers import Server, server

from embrec import training
from embrec.data import loading
from embrec.data.files import sources
from embrec.db import schema


def load(engine: sa.Engine, size: str, columns: Columns, seed: int) -> None:
    """Create the schema and load ratings and movies as a user would."""
    with tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        write_files(Path(directory), SIZES[size].movies, columns, seed)
        schema.upgrade(engine)
        loading.load(engine, sources.open_source(f"{directory}/ratings.csv", movies=f"{directory}/movies.csv"))


def train(engine: sa.Engine) -> None:
    """Train the default model with few posterior draws, because the time of answers does not depend on vectors."""
    training.train(engine, options={"draws": 20})


@contextmanager
def database(size: str, shared_buffers: str, seed: int = 0) -> Iterator[tuple[Server, Columns]]:
    """A server with ratings of a size and a published run, and the ratings."""
    columns = by_activity(make_up(SIZES[size], seed))
    with server({"shared_buffers": shared_buffers}) as postgres:
        load(postgres.engine, size, columns, seed)
        train(postgres.engine)
        with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                sa.text("VACUUM (ANALYZE)")
            )  # or autovacuum would run in a minute, during the measurements
        yield postgres, columns
