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


# Tastes of made-up users, and the share of a vector's spread that each direction of taste has of the one before.
TASTES, DIRECTIONS, DECAY = 64, 16, 0.85

SIZES = {
    "100k": Size(1_000, 1_500, 100_000),
    "1m": Size(6_000, 4_000, 1_000_000),
    "wide": Size(600, 10_000, 100_000),
    "2m": Size(40_000, 2_000, 2_000_000),
    "5m": Size(250_000, 10_000, 5_000_000),
    "20m": Size(1_000_000, 10_000, 20_000_000),
    "100m": Size(1_000_000, 10_000, 100_000_000),
}

Columns = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def make_up(size: Size, seed: int, taste: float = 0.0) -> Columns:
    """Make ratings of low rank with biases and noise, in half stars.

    Ratings per user are log-normal, and movies follow Zipf's law.

    Args:
        size: Numbers of users, movies and ratings.
        seed: Seed of all random choices.
        taste: Spread of the logarithm by which a user's taste changes a movie's popularity. With 0, taste decides only
            the ratings, and a few movies win for everybody. With 2, a user's ten best movies are as hard to tell from
            the others by their vectors' lengths as those of real ratings.

    Returns:
        Users, movies and ratings, sorted by user, then movie; a little fewer than ``size`` says, because duplicate
        pairs are dropped.
    """
    random = np.random.default_rng(seed)
    activity = random.lognormal(0, 1, size.users)
    counts = random.poisson(activity / activity.sum() * size.ratings).clip(1, size.movies // 2)
    popularity = random.permutation(1 / np.arange(10, size.movies + 10) ** 0.9)
    user = np.repeat(np.arange(size.users, dtype=np.int64), counts)
    movie = choose(popularity, user, size.users, taste, random)
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


def choose(
    popularity: NDArray[np.float64], user: NDArray[np.int64], users: int, taste: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """Choose a movie for each rating, by popularity alone or by popularity and one of its user's two tastes."""

    def drawn(weights: NDArray[np.float64], count: int) -> NDArray[np.int64]:
        shares = np.cumsum(weights / weights.sum())
        return np.searchsorted(shares, random.random(count), side="right").clip(0, len(weights) - 1)

    if not taste:
        return drawn(popularity, len(user))
    spread = DECAY ** np.arange(DIRECTIONS)
    spread *= taste / np.linalg.norm(spread)
    likings = random.normal(size=(TASTES, DIRECTIONS)) * spread
    features = random.normal(size=(DIRECTIONS, len(popularity)))
    of_user = random.integers(0, TASTES, (2, users))
    of_rating = of_user[random.integers(0, 2, len(user)), user]
    movie = np.empty(len(user), np.int64)
    for number in range(TASTES):
        mine = np.flatnonzero(of_rating == number)
        movie[mine] = drawn(popularity * np.exp(likings[number] @ features), len(mine))
    return movie


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
