"""A database to ask: made-up ratings, movies with genres and years, and a published run of made-up vectors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import scipy.sparse
import sqlalchemy as sa
from bulk_paths import Server, server
from data import SIZES, Columns, make_up

from embrec import loading, schema, sources
from embrec import train as training
from embrec.models import FittedModel, FoldIn, Preference, Ratings, RatingWeights
from embrec.movies import ML_100K_GENRES

DIMENSIONS = 64
# Each direction's share of the spread, so that there are a few main ones, as in vectors that were learned.
SPECTRUM = (0.9 ** np.arange(DIMENSIONS)).astype(np.float32)


def by_activity(columns: Columns) -> Columns:
    """Users numbered from those with the fewest ratings to those with the most, so that users alike are a range."""
    users, movies, ratings = columns
    order = np.argsort(np.bincount(users), kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[users], movies, ratings


def load(engine: sa.Engine, size: str, columns: Columns, seed: int) -> None:
    """Make the schema and load ratings and movies as a user would."""
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


@dataclass(frozen=True)
class Options:
    """None: nothing is fitted."""


def fit(ratings: Ratings, held_out: Ratings | None, options: Options, seed: int, on_epoch: Any) -> FittedModel:
    """A model of two parts as the default one's, of vectors from a seed; profiles do add up to the users' vectors."""
    random = np.random.default_rng(seed)
    weighting = RatingWeights(float(ratings.ratings.min()), float(ratings.ratings.max()), 1.5)

    def vectors(count: int, spread: float = 1.0) -> np.ndarray:
        return random.standard_normal((count, DIMENSIONS), np.float32) * SPECTRUM * np.float32(spread)

    def biases(count: int) -> np.ndarray:
        return random.normal(0, 0.4, count).astype(np.float32)

    profiles, shape = vectors(ratings.movie_count), (ratings.user_count, ratings.movie_count)
    weights = weighting.of(ratings.ratings).astype(np.float32)
    seen = scipy.sparse.csr_array((weights, (ratings.users, ratings.movies)), shape)
    movies = profiles + vectors(len(profiles), 0.3)
    preference = Preference(seen @ profiles, movies, profiles, movies + vectors(len(profiles), 0.3), 1.0, weighting)
    return FittedModel(
        user_vectors=vectors(ratings.user_count),
        movie_vectors=vectors(ratings.movie_count, 0.2),
        parameters={},
        history=[],
        kept_epoch=0,
        predict=lambda users, movies: np.full(len(users), 3.5, np.float32),
        user_biases=biases(ratings.user_count),
        movie_biases=biases(ratings.movie_count),
        mean=3.5,
        preference=preference,
        fold_in=FoldIn(bias_feature=0.4, constant=1.0, per_rating=0.0),
    )


def train(engine: sa.Engine) -> None:
    """Everything that embrec.train does, but for the fit."""
    made_up = {"made-up": SimpleNamespace(Options=Options, fit=fit)}
    with mock.patch.dict(training.ARCHITECTURES, made_up):
        training.train(engine, "made-up")


@contextmanager
def database(size: str, shared_buffers: str, seed: int = 0) -> Iterator[tuple[Server, Columns]]:
    """A server with ratings of a size and a published run; and the ratings."""
    columns = by_activity(make_up(SIZES[size], seed))
    with server({"shared_buffers": shared_buffers}) as postgres:
        load(postgres.engine, size, columns, seed)
        train(postgres.engine)
        with postgres.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))  # as autovacuum would in a minute, amid the measurements
        yield postgres, columns
