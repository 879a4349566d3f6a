"""The benchmarks' ratings: synthetic ones from a seed, or MovieLens 100K's official first fold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RANK = 12
NOISE = 0.75


@dataclass(frozen=True)
class Size:
    """The number of synthetic users, movies and ratings."""

    users: int
    movies: int
    ratings: int


SIZES = {
    "100k": Size(1_000, 1_500, 100_000),
    "1m": Size(6_000, 4_000, 1_000_000),
    "100k movies": Size(20_000, 100_000, 2_000_000),
    "20m": Size(1_000_000, 10_000, 20_000_000),
    "100m": Size(1_000_000, 10_000, 100_000_000),
}

Columns = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def make_up(size: Size, seed: int) -> Columns:
    """Make ratings of low rank with biases and noise, in half stars.

    Ratings per user are log-normal, and movies follow Zipf's law.

    Returns:
        Users, movies and ratings, sorted by user, then movie; a little fewer than ``size`` says, because duplicate
        pairs are dropped.
    """
    random = np.random.default_rng(seed)
    activity = random.lognormal(0, 1, size.users)
    counts = random.poisson(activity / activity.sum() * size.ratings).clip(1, size.movies // 2)
    popularity = random.permutation(1 / np.arange(10, size.movies + 10) ** 0.9)
    shares = np.cumsum(popularity / popularity.sum())
    user = np.repeat(np.arange(size.users, dtype=np.int64), counts)
    movie = np.searchsorted(shares, random.random(len(user)), side="right").clip(0, size.movies - 1)
    pairs = np.unique(user * size.movies + movie)
    users, movies = (pairs // size.movies).astype(np.int32), (pairs % size.movies).astype(np.int32)
    vectors = [
        random.normal(0, 0.775 / RANK**0.25, (count, RANK)).astype(np.float32) for count in (size.users, size.movies)
    ]
    biases = [random.normal(0, 0.4, count).astype(np.float32) for count in (size.users, size.movies)]
    ratings = np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), 1 << 20):
        block = slice(begin, begin + (1 << 20))
        u, m = users[block], movies[block]
        value = 3.5 + biases[0][u] + biases[1][m] + np.einsum("nk,nk->n", vectors[0][u], vectors[1][m])
        value += random.normal(0, NOISE, len(u))
        ratings[block] = np.round(value * 2).clip(1, 10) / 2
    return users, movies, ratings


def movielens_fold_u1() -> tuple[Columns, Columns]:
    """Return training and test part of MovieLens 100K's fold u1; the test part is the first 20,000 lines of u.data."""
    from embrec.data.files.movielens import fetch_ml_100k

    table = np.loadtxt(fetch_ml_100k() / "u.data", dtype=np.int32)
    columns = (table[:, 0] - 1, table[:, 1] - 1, table[:, 2].astype(np.float32))
    return tuple(column[20_000:] for column in columns), tuple(column[:20_000] for column in columns)  # type: ignore[return-value]


def save_parts(path: Path, training: Columns, test: Columns) -> None:
    """Write parts for contenders to read, each sorted by user."""
    arrays = {}
    for name, (users, movies, ratings) in (("training", training), ("test", test)):
        order = np.argsort(users, kind="stable")
        arrays |= {f"{name}_users": users[order], f"{name}_movies": movies[order], f"{name}_ratings": ratings[order]}
    np.savez(path, **arrays)


def split(columns: Columns, share: float, seed: int) -> tuple[Columns, Columns]:
    """Hold out a random share."""
    held = np.random.default_rng(seed).random(len(columns[0])) < share
    return tuple(column[~held] for column in columns), tuple(column[held] for column in columns)  # type: ignore[return-value]
