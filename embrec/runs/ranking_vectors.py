"""Users' ranking vectors, from ratings as they are now: no run stores them.

A user's vector is the weighted sum of the item profiles of the rated movies, which the SQL function preference_vector
computes too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from embrec.data.extraction import RatingArrays
from embrec.runs.embeddings import Vectors
from embrec.runs.records import ModelRun

# Users whose ratings' profiles are gathered at a time: 4,096 with 100 ratings each take 100 MB.
_USERS = 1 << 12


def of_users(run: ModelRun, arrays: RatingArrays, profiles: Vectors) -> Callable[[slice], NDArray[np.float32]]:
    """Return a function from a slice of the extracted users to their ranking vectors.

    Args:
        run: A run with a ranking model.
        arrays: The extracted ratings.
        profiles: The run's item profiles.

    Returns:
        The function; its result is float32 of shape (users, dimensions). A user who likes no movie that has a profile,
        or whose vector is rounding noise, has NaN.
    """
    place = positions(arrays.movie_indexes, profiles.indexes)

    def vectors(block: slice) -> NDArray[np.float32]:
        mine, starts = rated(arrays, block)
        position = place[arrays.movies[mine]]
        known = position >= 0
        weight = np.where(known, run.weighting.of(arrays.ratings[mine]), 0.0).astype(np.float32)
        sums = np.add.reduceat(profiles.vectors[position] * weight[:, np.newaxis], starts, axis=0)
        sums[~np.logical_or.reduceat(weight > 0, starts)] = np.nan
        return without_noise(sums, run)

    return vectors


def of_all_users(run: ModelRun, arrays: RatingArrays, profiles: Vectors) -> NDArray[np.float32]:
    """Return the ranking vectors of all extracted users, as :func:`of_users` finds them."""
    count, users = len(arrays.user_indexes), of_users(run, arrays, profiles)
    return np.concatenate([users(slice(begin, min(begin + _USERS, count))) for begin in range(0, count, _USERS)])


def without_noise(users: NDArray[np.float32], run: ModelRun) -> NDArray[np.float32]:
    """Return user vectors with NaN in place of those that are too short to rank by."""
    users[np.linalg.norm(users, axis=1) < (run.least_length or 0.0)] = np.nan
    return users


def positions(wanted: NDArray[np.int32], indexes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the position of each wanted index in ``indexes``, or -1 if it is absent.

    Args:
        wanted: Indexes to look up, of any shape.
        indexes: Ascending indexes.

    Returns:
        int64 of the shape of ``wanted``.
    """
    if not len(indexes):
        return np.full(wanted.shape, -1)
    place = np.searchsorted(indexes, wanted).clip(0, len(indexes) - 1)
    return np.where(indexes[place] == wanted, place, -1)


def rated(arrays: RatingArrays, block: slice) -> tuple[slice, NDArray[np.int64]]:
    """Return the slice of a block's ratings, and the offset of each user's first one; every user has ratings."""
    starts = np.searchsorted(arrays.users, np.arange(block.start, block.stop + 1))
    return slice(int(starts[0]), int(starts[-1])), starts[:-1] - starts[0]
