"""Small made-up ratings for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import sqlalchemy as sa

from embrec import loading, runs, sources
from embrec.embeddings import Vectors, store
from embrec.movies import Movie

FAKE_RUN = {
    "architecture": "outer-product",
    "options": {"epochs": 1},
    "seed": 0,
    "library_versions": {},
    "user_count": 0,
    "movie_count": 0,
    "rating_count": 0,
    "ratings_sha256": "",
}


def rating_frame(users: int = 30, movies: int = 20, count: int = 300, seed: int = 0) -> pd.DataFrame:
    """Ratings of 1 to 5 at random, each user and movie at least once, one rating per pair."""
    random = np.random.default_rng(seed)
    pairs = random.permutation(users * movies)[:count]
    pairs = np.unique(np.concatenate([pairs, np.arange(users) * movies, np.arange(movies)]))
    random.shuffle(pairs)
    return pd.DataFrame(
        {
            "user_id": [f"u{pair // movies}" for pair in pairs],
            "movie_id": pairs % movies + 100,
            "rating": random.integers(1, 6, len(pairs)).astype(float),
            "rated_at": 900_000_000 + random.integers(0, 10**8, len(pairs)),
        }
    )


def load_frame(engine: sa.Engine, frame: pd.DataFrame, movies: list[Movie] | None = None) -> loading.LoadReport:
    """Load a DataFrame of ratings."""
    return loading.load(engine, sources.from_frame(frame, movies or []))


def stored_run(engine: sa.Engine, movie_vectors: np.ndarray, user_vectors: np.ndarray | None = None) -> int:
    """A run with given vectors for movie and user indexes 0, 1, 2, ..., as if it had been trained."""
    sides = {"movie": movie_vectors, "user": movie_vectors[:1] if user_vectors is None else user_vectors}
    run = runs.start(engine, **FAKE_RUN)
    with engine.begin() as connection:
        for side, values in sides.items():
            vectors = Vectors(np.arange(len(values), dtype=np.int32), values.astype(np.float32))
            store(connection, run, side, {"rating": vectors})
        runs.finish(connection, run, "trained", dimensions=movie_vectors.shape[1])
    return run
