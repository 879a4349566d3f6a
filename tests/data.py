"""Small synthetic ratings for tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import sqlalchemy as sa
from scipy import sparse

from embrec.data import loading
from embrec.data.extraction import extract
from embrec.data.files import sources
from embrec.data.files.movies import Movie
from embrec.models.base import RatingWeights
from embrec.models.next import along
from embrec.models.next.base import NextModel, strongest
from embrec.models.sequences import Sequences
from embrec.runs import half_precision, neighbours, publishing, records
from embrec.runs import next as next_steps
from embrec.runs.embeddings import Vectors, store, store_matrix
from embrec.runs.records import NewRun, TrainedRun
from embrec.runs.store import FOLD_IN, fold_in_matrix
from embrec.similarity import unit
from embrec.training import train

FAKE_RUN = NewRun(
    architecture="outer-product",
    options={"epochs": 1},
    seed=0,
    library_versions={},
    user_count=0,
    movie_count=0,
    rating_count=0,
    ratings_sha256="",
)
MOVIE_PARTS = ("rating", "preference", "profile", "similarity")
# The parameters of a two-part run that SQL reads.
SERVING = {
    "dimensions": 5,
    "serving": "two_part",
    "user_vectors": "fold_in",
    "mean": 3.5,
    "lowest_rating": 1.0,
    "highest_rating": 5.0,
    "rating_power": 1.5,
    "dislike_weight": 0.2,
    "bias_feature": 0.25,
    "ridge_constant": 0.5,
    "ridge_per_rating": 0.0,
    "user_spread": 1.25,
    "movie_spread": 0.75,
}


WEIGHTS = RatingWeights(1.0, 5.0, 1.5, 0.2)


def rating_frame(users: int = 30, movies: int = 20, count: int = 300, seed: int = 0) -> pd.DataFrame:
    """Make random ratings from 1 to 5, each user and movie at least once, one rating for a pair."""
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


def named_movies(count: int = 20) -> list[Movie]:
    """Return movies for :func:`rating_frame`, with titles, genres and years."""
    genres = (["Comedy"], ["Drama"], ["Comedy", "Drama"], ["Sci-Fi"])
    return [
        Movie(str(100 + number), f"Movie {number:02} of {1980 + number}", genres[number % 4], 1980 + number)
        for number in range(count)
    ]


def load_frame(
    engine: sa.Engine, frame: pd.DataFrame, movies: list[Movie] | None = None, users: pd.DataFrame | None = None
) -> loading.LoadReport:
    """Load a DataFrame of ratings."""
    return loading.load(engine, sources.from_frame(frame, movies or [], users=users))


def play_frame(users: int = 30, movies: int = 12) -> pd.DataFrame:
    """Return events: users go round the movies from one of their own, and some play a movie twice."""
    noon = pd.Timestamp("2026-10-05 12:00", tz="UTC")
    rows = [
        (
            f"u{user}",
            f"m{(user + step - step // 5) % movies:02}",
            "play",
            float(step + 1),
            noon + pd.Timedelta(days=user + step),
        )
        for user in range(users)
        for step in range(3 + user % 5)
    ]
    return pd.DataFrame(rows, columns=["user_id", "movie_id", "event_type", "value", "occurred_at"])


def played(engine: sa.Engine) -> None:
    """Store events alone, of movies of which most have a title, and publish a run that learned from them."""
    movies = [Movie(f"m{number:02}", f"Film {number}", ["Drama"], 2000 + number) for number in range(10)]
    loading.load(engine, sources.from_frame(play_frame(), movies))
    train(engine, options={"dimensions": 4})


def stored_run(
    engine: sa.Engine, movie_vectors: np.ndarray, user_vectors: np.ndarray | None = None, half: bool = False
) -> int:
    """Store a run with given vectors for movie and user indexes 0, 1, 2, ..., as if it had been trained."""
    sides = {"movie": movie_vectors, "user": movie_vectors[:1] if user_vectors is None else user_vectors}
    run = records.start(engine, FAKE_RUN)
    with engine.begin() as connection:
        for side, values in sides.items():
            vectors = Vectors(np.arange(len(values), dtype=np.int32), values.astype(np.float32))
            store(connection, run, side, {"rating": vectors}, half=half and side == "user")
            if side == "movie":
                neighbours.store(connection, run, vectors.indexes, neighbours.nearest(unit(vectors.vectors)))
        records.finish(connection, run, TrainedRun(movie_vectors.shape[1], "dense_head", "stored"))
    return run


def transitions(histories: Sequences, vectors: bool = True, number: int = 30) -> NextModel:
    """Count what followed what, one step and two steps apart, as a model of the next step, with random vectors."""
    count = histories.movie_count
    user = np.repeat(np.arange(len(histories.starts) - 1), histories.lengths)
    rows = []
    for apart in (1, 2):
        same = user[apart:] == user[:-apart]
        pairs = histories.movies[:-apart][same], histories.movies[apart:][same]
        followed = sparse.csr_array((np.ones(same.sum(), np.float32), pairs), shape=(count, count))
        followed.data /= np.float32(1) + np.bincount(pairs[1], minlength=count)[followed.indices].astype(np.float32)
        rows.append(strongest(followed, number))
    if not vectors:
        return NextModel(12, (0.0, 0.75), rows)
    found = np.random.default_rng(5).normal(0, 0.15, (3, count, 6)).astype(np.float32)
    found[0, 3] = 0  # a movie without a vector
    return NextModel(12, (0.0, 0.75), rows, (0.5, 1.0), found[1:], found[0])


def two_part_run(
    engine: sa.Engine,
    seed: int = 1,
    half: bool = False,
    following: NextModel | None = None,
) -> dict[str, np.ndarray]:
    """Publish a two-part run of random vectors for all movies and users; returns them by side and part.

    With ``following`` the run says what comes next by that model, whose movies are all that have ratings or events, and
    which of them are also watched.
    """
    random = np.random.default_rng(seed)
    arrays = extract(engine)
    indexes = {"user": arrays.user_indexes, "movie": arrays.movie_indexes}
    found = {
        f"{side} {part}": random.normal(size=(len(indexes[side]), 5)).astype(np.float32)
        for side, part in (*(("movie", part) for part in MOVIE_PARTS), ("user", "rating"), ("user", "similarity"))
    }
    found["movie similarity"] /= np.linalg.norm(found["movie similarity"], axis=1).max()  # as a training bounds them
    if half:
        found |= {f"user {part}": half_precision.rounded(found[f"user {part}"]) for part in ("rating", "similarity")}
    biases = {side: random.normal(size=len(indexes[side])).astype(np.float32) * 0.3 for side in indexes}
    spreads = {side: random.uniform(0.5, 2, len(indexes[side])).astype(np.float32) for side in indexes}
    run = records.start(engine, replace(FAKE_RUN, architecture="two-part", user_count=len(indexes["user"])))
    with engine.begin() as connection:
        for side, numbers in indexes.items():
            prints = arrays.fingerprints() if side == "user" else None
            parts = {"rating": Vectors(numbers, found[f"{side} rating"], biases[side], spreads[side], prints)}
            for part in MOVIE_PARTS[1:] if side == "movie" else ("similarity",):
                parts[part] = Vectors(numbers, found[f"{side} {part}"])
            store(connection, run, side, parts, half=half and side == "user")
            if side == "movie":
                neighbours.store(connection, run, numbers, neighbours.nearest(parts["similarity"].vectors))
        ranking = sparse.csr_array((WEIGHTS.of(arrays.ratings), (arrays.users, arrays.movies))) @ found["movie profile"]
        store_matrix(connection, run, FOLD_IN, fold_in_matrix(ranking.astype(np.float32)))
        compared = {"movie_similarity": "similarity", "user_similarity": "similarity", "shrunk_similarity": True}
        described = TrainedRun(**compared, **SERVING)
        if following is not None:
            counts = [len(each) for each in indexes.values()]
            also = along.excesses(arrays.users, arrays.movies, *counts, 0)
            next_steps.store_along(connection, run, arrays.movie_indexes, also, following.new_movies)
            next_steps.store(connection, run, arrays.movie_indexes, following)
            lengths = {"row_decays": following.row_decays, "vector_decays": following.vector_decays}
            weight = following.new_movies and following.new_movies.weight
            described = replace(described, history_length=following.length, new_movies_weight=weight, **lengths)
        records.finish(connection, run, described)
    publishing.publish(engine, run)
    for name, values in (("bias", biases), ("spread", spreads)):
        found |= {f"{side} {name}": values[side] for side in indexes}
    return found


def in_half(engine: sa.Engine, run: int) -> bool:
    """Return whether a run's users are stored in half precision; all of them are, or none."""
    query = (
        "SELECT bool_and(embedding IS NULL), bool_and(half IS NULL) FROM embrec.user_embeddings WHERE model_run_id = "
    )
    with engine.connect() as connection:
        half, single = connection.execute(sa.text(f"{query}{int(run)}")).one()
    assert half != single
    return bool(half)
