"""Group ratings by user and by movie, for the solvers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from embrec.models.base import Ratings

# Ratings to report errors on after a sweep.
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
    """Positions in the order of the keys, as a stable sort gives them, by numpy's quickest ways."""
    if key_count <= 1 << 16:
        return np.argsort(keys.astype(np.uint16), kind="stable")  # a radix sort
    bits = len(keys).bit_length()
    packed = np.sort((keys.astype(np.int64) << bits) | np.arange(len(keys)))
    return packed & ((1 << bits) - 1)


def sample(ratings: Ratings, most: int = _SAMPLE) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """At most ``most`` ratings, evenly spread: a sweep should not spend its time on its report."""
    spread = slice(None, None, -(-len(ratings.ratings) // most))
    return ratings.users[spread], ratings.movies[spread], ratings.ratings[spread]
