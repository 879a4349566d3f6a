"""Group ratings by user and by movie, for the solvers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.models.base import Ratings

# Errors are reported on at most 262,144 ratings per sweep, or the report would slow the fit.
_SAMPLE = 1 << 18


def sorted_by_user(training: Ratings) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Count each user's ratings, and sort the ratings' movies and values by user."""
    users, movies, ratings = training.users, training.movies, training.ratings
    if (users[1:] < users[:-1]).any():
        order = _stable_order(users, training.user_count)
        users, movies, ratings = users[order], movies[order], ratings[order]
    return np.bincount(users, minlength=training.user_count), movies, ratings


def sorted_by_movie(training: Ratings) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Count each movie's ratings, and sort the ratings' users and values by movie."""
    order = _stable_order(training.movies, training.movie_count)
    counts = np.bincount(training.movies, minlength=training.movie_count)
    return counts, training.users[order], training.ratings[order]


def _stable_order(keys: NDArray[np.int32], key_count: int) -> NDArray[np.int64]:
    """Return the positions of a stable sort by key, by the quickest of numpy's sorts."""
    if key_count <= 1 << 16:
        return np.argsort(keys.astype(np.uint16), kind="stable")  # a radix sort
    bits = len(keys).bit_length()
    packed = np.sort((keys.astype(np.int64) << bits) | np.arange(len(keys)))
    return packed & ((1 << bits) - 1)


def sample(ratings: Ratings, most: int = _SAMPLE) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Return at most ``most`` ratings, at even intervals, because a report should not slow the sweep."""
    every = slice(None, None, -(-len(ratings.ratings) // most))
    return ratings.users[every], ratings.movies[every], ratings.ratings[every]
