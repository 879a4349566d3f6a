"""A database to ask: synthetic ratings, movies with genres and years, and a published run of the default model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import sqlalchemy as sa
from bulk_paths import Server, server
from data import SIZES, Columns, make_up

from embrec import training
from embrec.data import loading
from embrec.data.files import sources
from embrec.data.files.movies import ML_100K_GENRES
from embrec.db import schema


def by_activity(columns: Columns) -> Columns:
    """Number users by their number of ratings, fewest first, so that a range has users with similar activity."""
    users, movies, ratings = columns
    order = np.argsort(np.bincount(users), kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[users], movies, ratings


def load(engine: sa.Engine, size: str, columns: Columns, seed: int) -> None:
    """Create the schema and load ratings and movies as a user would."""
    random = np.random.default_rng(seed)
    users, movies, ratings = columns
    genres = [random.choice(ML_100K_GENRES[1:], random.integers(1, 4), False) for _ in range(SIZES[size].movies)]
    years = 2020 - random.geometric(0.05, len(genres)).clip(1, 100)
    with tempfile.TemporaryDirectory(prefix="embrec-bench-") as directory:
        order = random.permutation(len(users))
        table = {"user_id": users[order], "movie_id": movies[order], "rating": ratings[order]}
        pa.parquet.write_table(
            pa.table({**table, "rated_at": random.integers(10**9, 11 * 10**8, len(users))}),
            Path(directory) / "ratings.parquet",
        )
        known = {
            "movie_id": range(len(genres)),
            "title": [f"Movie {number} ({year})" for number, year in enumerate(years)],
            "genres": ["|".join(each) for each in genres],
            "release_year": years,
        }
        pa.csv.write_csv(pa.table(known), Path(directory) / "movies.csv")
        schema.upgrade(engine)
        loading.load(engine, sources.open_source(f"{directory}/ratings.parquet", movies=f"{directory}/movies.csv"))


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
